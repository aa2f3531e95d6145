"""Runs the process that reaches phones; `watchword serve phones` calls it."""

import asyncio
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from watchword.cli.messaging_worker import serve_phones


class Command(BaseCommand):
    """Keeps carriers open until a polite signal comes."""

    help = "Keep the carriers of the phones file open, and bring codes to them."

    def handle(self, *_arguments: Any, **_options: Any) -> None:
        """Serve until told to stop."""
        if not settings.WATCHWORD_PHONES.gateways:
            raise CommandError("WATCHWORD_PHONES_FILE is not set: there is no carrier to keep open.")
        asyncio.run(serve_phones(settings.WATCHWORD_PHONES, settings.WATCHWORD_HOME, ready=self._say_ready))

    def _say_ready(self) -> None:
        self.stdout.write("ready: phones")
        # Whoever started us may be waiting for it at a pipe.
        self.stdout.flush()
