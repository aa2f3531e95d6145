"""Runs the mail door's daemon until it receives a signal to stop."""

import asyncio
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from watchword.audit import metrics, tracing
from watchword.audit.heartbeats import ProcessHeart
from watchword.doors.mail.backend import DatabaseBackend, use_short_timeouts
from watchword.doors.mail.server import Plan, serve
from watchword.doors.mail.sockets import Access, CannotListen

POSITION_FILE = "mail-door.position"
"""Stored in Watchword's home folder, because the sockets' folder may be emptied at each boot."""


class Command(BaseCommand):
    """The command ``watchword serve mail``."""

    help = "Answer mail servers: Dovecot by its dict protocol, Postfix, Exim and others by Dovecot's auth protocol."

    def handle(self, *_arguments: Any, **_options: Any) -> None:
        """Serve until SIGTERM or SIGINT."""
        use_short_timeouts()
        config = settings.WATCHWORD_MAIL
        plan = Plan(
            folder=settings.WATCHWORD_MAIL_SOCKET_DIRECTORY,
            access=Access(config.socket_owner, config.socket_group, config.socket_mode),
            loopback=config.listen,
            kick=config.kick,
            position=settings.WATCHWORD_HOME / POSITION_FILE,
        )
        if settings.WATCHWORD_METRICS_LISTEN is not None:
            metrics.share_between_processes(settings.WATCHWORD_HOME / metrics.FOLDER)
        tracing.start(settings.WATCHWORD_TRACES_URL, "mail")
        heart = ProcessHeart("mail")
        try:
            asyncio.run(serve(plan, DatabaseBackend(), settings.WATCHWORD_KEY_RING, heart=heart))
        except CannotListen as error:
            raise CommandError(f"the mail door can't be opened: {error}") from None
        finally:
            heart.stop()
            tracing.stop()
