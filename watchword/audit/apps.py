"""Django's configuration of this room."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """The room as Django knows it."""

    name = "watchword.audit"
    label = "audit"
    default_auto_field = "django.db.models.BigAutoField"
