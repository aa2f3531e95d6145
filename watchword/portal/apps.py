"""Django's configuration of this room."""

from django.apps import AppConfig


class PortalConfig(AppConfig):
    """The room as Django knows it."""

    name = "watchword.portal"
    label = "portal"
