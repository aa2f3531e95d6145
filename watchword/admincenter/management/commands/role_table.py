"""Prints docs/admin/roles.md from the permission table that the code uses."""

from typing import Any

from django.core.management.base import BaseCommand

from watchword.admincenter.role_table import markdown


class Command(BaseCommand):
    """``watchword role_table > docs/admin/roles.md``."""

    help = "Print who may do what to whom, as Markdown."
    requires_system_checks = []

    def handle(self, *_arguments: Any, **_options: Any) -> None:
        """Print the page."""
        self.stdout.write(markdown(), ending="")
