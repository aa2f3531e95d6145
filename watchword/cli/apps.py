"""Django's configuration of this package."""

from django.apps import AppConfig


class CliConfig(AppConfig):
    """The package as Django knows it; it holds management commands."""

    name = "watchword.cli"
    label = "cli"
