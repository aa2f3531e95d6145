"""Django's configuration of this package."""

from django.apps import AppConfig


class HttpBasicDoorConfig(AppConfig):
    """The Django app of this package."""

    name = "watchword.doors.http_basic"
    label = "http_basic"
