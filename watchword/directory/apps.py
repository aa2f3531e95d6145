"""Django's configuration of this room."""

from django.apps import AppConfig


class DirectoryConfig(AppConfig):
    """The room as Django knows it."""

    name = "watchword.directory"
    label = "directory"
    default_auto_field = "django.db.models.BigAutoField"
