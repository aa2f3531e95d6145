"""Django's configuration of this room."""

from django.apps import AppConfig


class MessagingConfig(AppConfig):
    """The room as Django knows it."""

    name = "watchword.messaging"
    label = "messaging"
    default_auto_field = "django.db.models.BigAutoField"
