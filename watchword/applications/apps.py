"""Django's configuration of this package."""

from django.apps import AppConfig


class ApplicationsConfig(AppConfig):
    """The Django app of this package."""

    name = "watchword.applications"
    label = "applications"
