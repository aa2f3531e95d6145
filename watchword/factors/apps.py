"""Django's configuration of this package."""

from django.apps import AppConfig


class FactorsConfig(AppConfig):
    """This package as a Django app."""

    name = "watchword.factors"
    label = "factors"
    default_auto_field = "django.db.models.BigAutoField"
