"""Django's configuration of this app."""

from django.apps import AppConfig


class AdminCenterConfig(AppConfig):
    """The app as Django loads it."""

    name = "watchword.admincenter"
    label = "admincenter"
