"""Django's configuration of this app."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    """The app as Django loads it."""

    name = "watchword.demo"
    label = "demo"
