"""Django's configuration of this room."""

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """The room as Django knows it."""

    name = "watchword.alerts"
    label = "alerts"
    default_auto_field = "django.db.models.BigAutoField"
