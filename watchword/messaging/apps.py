"""Django's configuration of this room."""

from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    """The room as Django knows it."""

    name = "watchword.messaging"
    label = "delivery"
    default_auto_field = "django.db.models.BigAutoField"
