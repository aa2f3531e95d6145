"""Django's configuration of this package."""

from django.apps import AppConfig


class SignInConfig(AppConfig):
    """This package as a Django app."""

    name = "watchword.signin"
    label = "signin"
    default_auto_field = "django.db.models.BigAutoField"
