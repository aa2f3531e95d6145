"""Prints docs/limits.md from the numbers that the code uses."""

from typing import Any

from django.core.management.base import BaseCommand

from watchword.admincenter.limit_table import markdown


class Command(BaseCommand):
    """``watchword limit_table > docs/limits.md``."""

    help = "Print the limits of an organisation, as Markdown."
    requires_system_checks = []

    def handle(self, *_arguments: Any, **_options: Any) -> None:
        """Print the page."""
        self.stdout.write(markdown(), ending="")
