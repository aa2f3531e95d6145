"""Django's configuration of this app."""

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """The app as Django loads it."""

    name = "watchword.alerts"
    label = "alerts"
    default_auto_field = "django.db.models.BigAutoField"
