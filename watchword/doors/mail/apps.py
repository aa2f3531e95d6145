"""Django's configuration of this package."""

from django.apps import AppConfig


class MailDoorConfig(AppConfig):
    """The Django app of this package."""

    name = "watchword.doors.mail"
    label = "mail"
