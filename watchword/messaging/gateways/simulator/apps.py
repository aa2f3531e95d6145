"""Django configuration of the simulator package."""

from django.apps import AppConfig


class SimulatorConfig(AppConfig):
    """The simulator package as a Django app."""

    name = "watchword.messaging.gateways.simulator"
    label = "simulator"
    default_auto_field = "django.db.models.BigAutoField"
