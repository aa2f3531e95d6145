"""Django's configuration of this room."""

from django.apps import AppConfig


class UiConfig(AppConfig):
    """The room as Django knows it."""

    name = "watchword.ui"
    label = "ui"
