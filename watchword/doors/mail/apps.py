"""Django's configuration of this room."""

from django.apps import AppConfig


class MailDoorConfig(AppConfig):
    """The room as Django knows it."""

    name = "watchword.doors.mail"
    label = "mail"
