"""Django's configuration of this app."""

from django.apps import AppConfig


class UiConfig(AppConfig):
    """The app as Django loads it."""

    name = "watchword.ui"
    label = "ui"
