"""Django's configuration of this package."""

from django.apps import AppConfig


class DirectoryConfig(AppConfig):
    """The Django app of this package."""

    name = "watchword.directory"
    label = "directory"
    default_auto_field = "django.db.models.BigAutoField"
