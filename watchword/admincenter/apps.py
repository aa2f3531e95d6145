"""Django's configuration of this room."""

from django.apps import AppConfig


class AdminCenterConfig(AppConfig):
    """The room as Django knows it."""

    name = "watchword.admincenter"
    label = "admincenter"
