"""Django configuration of the messaging package."""

from django.apps import AppConfig


class MessagingConfig(AppConfig):
    """The messaging package as a Django app."""

    name = "watchword.messaging"
    label = "messaging"
    default_auto_field = "django.db.models.BigAutoField"
