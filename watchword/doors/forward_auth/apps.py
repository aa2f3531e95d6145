"""Django's configuration of this package."""

from django.apps import AppConfig


class ForwardAuthDoorConfig(AppConfig):
    """The Django app of this package."""

    name = "watchword.doors.forward_auth"
    label = "forward_auth"
