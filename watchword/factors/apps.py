"""Django's configuration of this room."""

from django.apps import AppConfig


class FactorsConfig(AppConfig):
    """The room as Django knows it."""

    name = "watchword.factors"
    label = "factors"
    default_auto_field = "django.db.models.BigAutoField"
