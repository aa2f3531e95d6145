"""Runs the mail door's daemon until it receives a signal to stop."""

import asyncio
import os
from argparse import SUPPRESS, ArgumentParser
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from watchword.audit import metrics, tracing
from watchword.audit.heartbeats import ProcessHeart
from watchword.doors.mail.backend import DatabaseBackend, use_short_timeouts
from watchword.doors.mail.kick import Kick, KickByCommand, KickBySocket
from watchword.doors.mail.server import Plan, serve
from watchword.doors.mail.sockets import MAIL_SOCKETS, Access, CannotListen
from watchword.doors.service_manager import (
    InvalidSockets,
    ServiceManager,
    Sockets,
    inherited_sockets,
    only,
    passed_sockets,
)

POSITION_FILE = "mail-door.position"
"""Stored in Watchword's home folder, because the sockets' folder may be emptied at each boot."""
LOCK_FILE = "mail-door.lock"


class Command(BaseCommand):
    """The command ``watchword serve mail``."""

    help = "Answer mail servers: Dovecot by its dict protocol, Postfix, Exim and others by Dovecot's auth protocol."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the listening sockets that `watchword serve` passes on."""
        parser.add_argument("--inherit", default="", help=SUPPRESS)

    def handle(self, *_arguments: Any, **options: Any) -> None:
        """Serve until SIGTERM or SIGINT."""
        use_short_timeouts()
        if settings.WATCHWORD_METRICS_LISTEN is not None:
            metrics.share_between_processes(settings.WATCHWORD_HOME / metrics.FOLDER)
        tracing.start(settings.WATCHWORD_TRACES_URL, "mail")
        heart = ProcessHeart("mail")
        try:
            sockets = _sockets(options["inherit"])
            asyncio.run(
                serve(
                    replace(plan(), sockets=sockets),
                    DatabaseBackend(),
                    settings.WATCHWORD_KEY_RING,
                    heart=heart,
                    manager=ServiceManager(os.environ),
                )
            )
        except (CannotListen, InvalidSockets) as error:
            raise CommandError(f"the mail door can't be opened: {error}") from None
        finally:
            heart.stop()
            tracing.stop()


def plan() -> Plan:
    """Return the daemon's settings."""
    config = settings.WATCHWORD_MAIL
    return Plan(
        folder=settings.WATCHWORD_MAIL_SOCKET_DIRECTORY,
        access=Access(config.socket_owner, config.socket_group, config.socket_mode),
        loopback=config.listen,
        kick=kick_of(config.kick, config.kick_socket),
        position=settings.WATCHWORD_HOME / POSITION_FILE,
        lock=settings.WATCHWORD_HOME / LOCK_FILE,
    )


def kick_of(command: tuple[str, ...], socket: str) -> Kick | None:
    """Return how connections are closed: by the daemon at a socket, else by a command; None for not at all."""
    if socket:
        return KickBySocket(socket)
    return KickByCommand(command) if command else None


def _sockets(inherited: str) -> Sockets:
    found = inherited_sockets(inherited) if inherited else passed_sockets(os.environ, os.getpid())
    return only(found, MAIL_SOCKETS)
