"""Django's configuration of this room."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """The room as Django knows it."""

    name = "watchword.doors.web"
    label = "web"
