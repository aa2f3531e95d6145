"""Django's configuration of this room."""

from django.apps import AppConfig


class SignInConfig(AppConfig):
    """The room as Django knows it."""

    name = "watchword.signin"
    label = "signin"
    default_auto_field = "django.db.models.BigAutoField"
