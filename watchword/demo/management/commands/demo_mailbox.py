"""Runs the embedded mailbox: IMAP and submission, on loopback."""

import asyncio
import logging
import signal
from argparse import ArgumentParser
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from watchword.core.log_events import log_event
from watchword.demo import imap_server, mailbox_store, submission_server
from watchword.demo.imap_server import AskingLogin
from watchword.signin.models import Revocation

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
LOOK_SECONDS = 0.3


class Command(BaseCommand):
    """``demo_mailbox``: one of the processes of the demo."""

    help = "Run the demo's embedded mailbox."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments of the command."""
        parser.add_argument("--imap-port", type=int, default=1143)
        parser.add_argument("--submission-port", type=int, default=1587)

    def handle(self, *_arguments: Any, **options: Any) -> None:
        """Serve until SIGTERM or SIGINT."""
        if not settings.WATCHWORD_DEMO:
            raise CommandError("the embedded mailbox is a part of the demo")
        door = Path(settings.WATCHWORD_MAIL_SOCKET_DIRECTORY) / "auth"
        asyncio.run(self._serve(door, options["imap_port"], options["submission_port"]))

    async def _serve(self, door: Path, imap_port: int, submission_port: int) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        mailbox_store.base().mkdir(parents=True, exist_ok=True)
        async with AsyncExitStack() as stack:
            backend, login, config = imap_server.make_backend(mailbox_store.base(), HOST, imap_port, door)
            await imap_server.start(backend, config, stack)
            server = await submission_server.start(HOST, submission_port, door)
            stack.callback(server.close)
            watcher = asyncio.create_task(_close_revoked(login))
            stack.callback(watcher.cancel)
            logger.info("listening on %s port %d (IMAP)", HOST, imap_port, extra=log_event("demo.imap.listening"))
            logger.info("listening on %s port %d (SMTP)", HOST, submission_port, extra=log_event("demo.smtp.listening"))
            await stop.wait()


async def _close_revoked(login: AskingLogin) -> None:
    newest = await asyncio.to_thread(_newest)
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        for number, name in await asyncio.to_thread(_since, newest):
            login.close(name)
            newest = max(newest, number)


def _newest() -> int:
    row = Revocation.objects.order_by("-id").values_list("id", flat=True).first()
    connection.close()
    return row or 0


def _since(newest: int) -> list[tuple[int, str]]:
    try:
        return list(Revocation.objects.filter(id__gt=newest).order_by("id").values_list("id", "mailbox"))
    except DatabaseError:
        return []
    finally:
        connection.close()
