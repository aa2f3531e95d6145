"""Django's configuration of this package."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """The Django app of this package."""

    name = "watchword.audit"
    label = "audit"
    default_auto_field = "django.db.models.BigAutoField"
