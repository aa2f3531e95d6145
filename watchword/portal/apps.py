"""Django's configuration of this app."""

from django.apps import AppConfig


class PortalConfig(AppConfig):
    """The app as Django loads it."""

    name = "watchword.portal"
    label = "portal"
