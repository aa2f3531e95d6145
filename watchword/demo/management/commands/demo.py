"""``make demo``: everything at once, without root and without any service."""

from __future__ import annotations

import os
import signal
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from watchword.delivery.simulator import speech
from watchword.demo import card, sample
from watchword.demo.processes import HOST, Child, ChildDied, Processes, is_free, python
from watchword.directory.models import Organisation

KEPT = ("watchword.sqlite3", "watchword.sqlite3-wal", "watchword.sqlite3-shm", card.FILE)


class Command(BaseCommand):
    """Prepare the sample organisation, start web, mail door and mailbox, print the card, stay until Ctrl-C."""

    help = "Try everything: sample people, a telephone on a page, an embedded mailbox."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the command's words."""
        parser.add_argument("--web-port", type=int, default=8000, help="default 8000")
        parser.add_argument("--imap-port", type=int, default=1143, help="default 1143")
        parser.add_argument("--submission-port", type=int, default=1587, help="default 1587")
        parser.add_argument("--reset", action="store_true", help="forget everything and begin anew")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        """Run the demo."""
        if not settings.WATCHWORD_DEMO:
            raise CommandError("the demo runs in demo mode only: start it by `watchword demo`")
        ports = card.Ports(options["web_port"], options["imap_port"], options["submission_port"])
        self._refuse_busy(ports)
        home = Path(settings.WATCHWORD_HOME)
        if options["reset"]:
            _forget(home)
        made = self._prepare(home)
        if not speech.is_available():
            self.stderr.write(
                self.style.WARNING("No synthesiser is installed: calls are shown, not heard. Install espeak-ng.")
            )
        children = Processes(_children(ports), _environment(ports))
        status = 0
        try:
            children.start()
            door = Path(settings.WATCHWORD_MAIL_SOCKET_DIRECTORY) / "auth"
            children.wait_until_ready([ports.web, ports.imap, ports.submission], [str(door)])
            self.stdout.write(card.text(made, ports))
            self.stdout.flush()
            connection.close()
            children.run()
            self.stdout.write("The demo ends.")
        except ChildDied as death:
            self.stderr.write(self.style.ERROR(f"The demo ends: {death}"))
            status = 1
        except KeyboardInterrupt:
            self.stdout.write("The demo ends.")
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            children.stop()
        sys.exit(status)

    def _refuse_busy(self, ports: card.Ports) -> None:
        wanted = {"web": ports.web, "imap": ports.imap, "submission": ports.submission}
        busy = [
            f"  port {port} ({name}) is in use; choose another: make demo {name.upper()}_PORT={port + 1}"
            for name, port in wanted.items()
            if not is_free(port)
        ]
        if busy:
            raise CommandError("The demo can't start:\n" + "\n".join(busy))

    def _prepare(self, home: Path) -> sample.Made:
        call_command("migrate", verbosity=0, interactive=False)
        made = card.kept(home)
        if made is not None and Organisation.objects.exists():
            return made
        if Organisation.objects.exists():
            raise CommandError(f"{home} holds an organisation that this demo did not make; use another WATCHWORD_HOME")
        self.stdout.write("Making the sample organisation …")
        self.stdout.flush()
        made = sample.make()
        card.keep(home, made)
        return made


def _forget(home: Path) -> None:
    connection.close()
    for name in KEPT:
        (home / name).unlink(missing_ok=True)
    mail = home / "mailboxes"
    for path in sorted(mail.rglob("*"), reverse=True) if mail.is_dir() else []:
        path.rmdir() if path.is_dir() else path.unlink()


def _children(ports: card.Ports) -> list[Child]:
    command = ["watchword.config.command"]
    return [
        Child("the web server", python(*command, "serve", "web", "--listen", f"{HOST}:{ports.web}")),
        Child("the mail door", python(*command, "serve", "mail")),
        Child(
            "the mailbox",
            python(
                *command,
                "demo_mailbox",
                "--imap-port",
                str(ports.imap),
                "--submission-port",
                str(ports.submission),
            ),
        ),
    ]


def _environment(ports: card.Ports) -> dict[str, str]:
    return {
        # The card is to stay in sight: only what went wrong is printed below it.
        "WATCHWORD_LOG_LEVEL": "ERROR",
        **os.environ,
        "WATCHWORD_DEMO": "yes",
        "WATCHWORD_HOME": str(settings.WATCHWORD_HOME),
        "WATCHWORD_PUBLIC_URL": f"http://{HOST}:{ports.web}",
        # The embedded mailbox closes its connections by itself; there is no Dovecot to be told.
        "WATCHWORD_MAIL_KICK": "none",
    }
