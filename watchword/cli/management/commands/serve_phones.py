"""Runs the messaging worker; `watchword serve phones` calls it."""

import asyncio
import logging
import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from watchword.audit import metrics, tracing
from watchword.audit.heartbeats import ProcessHeart
from watchword.core.log_events import log_event
from watchword.doors.service_manager import ServiceManager

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    """Keeps the gateways connected until SIGTERM or SIGINT."""

    help = "Keep the gateways of the phones file open, and send codes through them."

    def handle(self, *_arguments: Any, **_options: Any) -> None:
        """Run the messaging worker until SIGTERM or SIGINT."""
        if not settings.WATCHWORD_PHONES.gateways:
            raise CommandError("WATCHWORD_PHONES_FILE is not set: there is no gateway to keep open.")
        # Imported when it runs, so that listing the commands loads no gateway.
        from watchword.cli.messaging_worker import serve_phones

        if settings.WATCHWORD_METRICS_LISTEN is not None:
            metrics.share_between_processes(settings.WATCHWORD_HOME / metrics.FOLDER)
        tracing.start(settings.WATCHWORD_TRACES_URL, "phones")
        heart, manager = ProcessHeart("phones"), ServiceManager(os.environ)
        phones, folder = settings.WATCHWORD_PHONES, settings.WATCHWORD_HOME
        try:
            asyncio.run(serve_phones(phones, folder, ready=_log_ready, heart=heart, manager=manager))
        finally:
            heart.stop()
            tracing.stop()


def _log_ready() -> None:
    logger.info("messaging worker started", extra=log_event("messaging.worker.started"))
