"""Django's configuration of this room."""

from django.apps import AppConfig


class SimulatorConfig(AppConfig):
    """The room as Django knows it."""

    name = "watchword.messaging.gateways.simulator"
    label = "simulator"
    default_auto_field = "django.db.models.BigAutoField"
