"""Django's configuration of this package."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """The Django app of this package."""

    name = "watchword.doors.web"
    label = "web"
