"""Django's configuration of this room."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    """The room as Django knows it."""

    name = "watchword.demo"
    label = "demo"
