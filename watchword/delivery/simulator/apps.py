"""Django's configuration of this room."""

from django.apps import AppConfig


class SimulatorConfig(AppConfig):
    """The room as Django knows it."""

    name = "watchword.delivery.simulator"
    label = "simulator"
    default_auto_field = "django.db.models.BigAutoField"
