"""Django's configuration of this package."""

from django.apps import AppConfig


class OidcDoorConfig(AppConfig):
    """The Django app of this package."""

    name = "watchword.doors.oidc"
    label = "oidc"
