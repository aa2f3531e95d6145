"""``make demo``: all processes at once, without root and without external services."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from watchword import __version__
from watchword.audit import installation
from watchword.demo import card, ports, real_phones, sample
from watchword.demo import home as folder
from watchword.demo.ports import HOST, Ports
from watchword.demo.processes import ChildDied, DemoProcess, Processes, process_id_of, python
from watchword.directory.models import Organisation
from watchword.doors.mail.sockets import LONGEST_PATH
from watchword.messaging.voice import tts
from watchword.messaging.worker import outbox

PHONES = "the way to phones"
OTHER_HOME = "choose another by WATCHWORD_HOME"


class Command(BaseCommand):
    """Prepare the sample organisation, start web, mail door and mailbox, print the card, run until Ctrl-C."""

    help = "Try everything: sample people, a telephone on a page, an embedded mailbox."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments of the command."""
        usual = Ports()
        parser.add_argument("--web-port", type=ports.port, default=usual.web, help=f"default {usual.web}")
        parser.add_argument("--imap-port", type=ports.port, default=usual.imap, help=f"default {usual.imap}")
        parser.add_argument(
            "--submission-port", type=ports.port, default=usual.submission, help=f"default {usual.submission}"
        )
        parser.add_argument("--reset", action="store_true", help="forget everything and begin anew")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        """Run the demo."""
        if not settings.WATCHWORD_DEMO:
            raise CommandError("the demo runs in demo mode only: start it by `watchword demo`")
        wanted = Ports(options["web_port"], options["imap_port"], options["submission_port"])
        _refuse_busy(wanted)
        home = Path(settings.WATCHWORD_HOME)
        door = Path(settings.WATCHWORD_MAIL_SOCKET_DIRECTORY) / "auth"
        if len(os.fsencode(door)) > LONGEST_PATH:
            raise CommandError(f"{home} is too long a path for the sockets in it; {OTHER_HOME}")
        try:
            with folder.hold(home):
                if options["reset"]:
                    folder.forget(home)
                made = self._prepare(home)
                status = self._run(wanted, home, door, made)
        except folder.CannotUse as reason:
            raise CommandError(str(reason)) from None
        except OSError as error:
            raise CommandError(f"{home} can't be used ({error.strerror}); {OTHER_HOME}") from None
        except KeyboardInterrupt:
            self.stdout.write("The demo ends before it began.")
            status = 1
        sys.exit(status)

    def _run(self, wanted: Ports, home: Path, door: Path, made: sample.Made) -> int:
        if not tts.is_available():
            self.stderr.write(
                self.style.WARNING("No synthesiser is installed: calls are shown, not heard. Install espeak-ng.")
            )
        ports.keep(home, wanted)
        started = _children(wanted)
        children = Processes(started, _environment(wanted))
        try:
            children.start()
            carries = outbox.socket_path(home, process_id_of(started, PHONES))
            if children.wait_until_ready([wanted.web, wanted.imap, wanted.submission], [str(door), str(carries)]):
                self.stdout.write(card.text(made, wanted, settings.WATCHWORD_PHONES))
                self.stdout.flush()
                connection.close()
                children.run()
            self.stdout.write("The demo ends.")
        except ChildDied as death:
            self.stderr.write(self.style.ERROR(f"The demo ends: {death}"))
            return 1
        finally:
            children.stop()
        return 0

    def _prepare(self, home: Path) -> sample.Made:
        made = self._made(home)
        if forgotten := real_phones.forget_made_up(home, settings.WATCHWORD_PHONES, now=timezone.now()):
            self.stdout.write(f"Codes go to real telephones now: {forgotten} made-up ones were forgotten.")
        return made

    def _made(self, home: Path) -> sample.Made:
        loader = MigrationLoader(connection)
        if set(loader.applied_migrations) - set(loader.disk_migrations):
            raise CommandError(f"{home} holds the demo of another version of Watchword; begin anew: make demo RESET=1")
        call_command("migrate", verbosity=0, interactive=False)
        if installation.missing_keys(settings.WATCHWORD_KEY_RING):
            raise CommandError(f"the keys in {home} don't open its database; begin anew: make demo RESET=1")
        installation.note_release(__version__, now=timezone.now())
        made = card.stored(home)
        if made is not None and Organisation.objects.exists():
            return made
        if Organisation.objects.exists():
            if (home / card.FILE).exists():
                raise CommandError(f"the demo in {home} was never finished; begin anew: make demo RESET=1")
            raise CommandError(f"{home} holds an organisation that no demo made; {OTHER_HOME}")
        card.begin(home)
        folder.forget_mails(home)
        self.stdout.write("Making the sample organisation …")
        self.stdout.flush()
        made = sample.make()
        card.keep(home, made)
        return made


def _refuse_busy(wanted: Ports) -> None:
    chosen = {"web": wanted.web, "imap": wanted.imap, "submission": wanted.submission}
    problems = []
    for name, number in chosen.items():
        twice = list(chosen.values()).count(number) > 1
        if why := "was chosen twice" if twice else ports.why_not_free(number):
            others = (number + 1, number + 2, number + 3, number - 1, number - 2, number - 3)
            other = next(each for each in others if each <= ports.HIGHEST and each not in chosen.values())
            problems.append(f"  port {number} ({name}) {why}; choose another: make demo {name.upper()}_PORT={other}")
    if problems:
        raise CommandError("The demo can't start:\n" + "\n".join(problems))


def _children(wanted: Ports) -> list[DemoProcess]:
    command = ["watchword.cli.main"]
    # They end with this process, even if it is killed.
    serve = ["serve", "--parent", str(os.getpid())]
    return [
        DemoProcess("the web server", python(*command, *serve, "web", "--listen", f"{HOST}:{wanted.web}")),
        DemoProcess("the mail door", python(*command, *serve, "mail")),
        DemoProcess("the worker", python(*command, *serve, "worker")),
        DemoProcess(
            "the mailbox",
            python(
                *command,
                "demo_mailbox",
                "--imap-port",
                str(wanted.imap),
                "--submission-port",
                str(wanted.submission),
            ),
        ),
        DemoProcess(PHONES, python(*command, *serve, "phones")),
    ]


def _environment(wanted: Ports) -> dict[str, str]:
    return {
        # Log only errors, so that the card stays visible.
        "WATCHWORD_LOG_LEVEL": "ERROR",
        "WATCHWORD_SENDER": f"Watchword <watchword@{sample.DOMAIN}>",
        **os.environ,
        "WATCHWORD_DEMO": "yes",
        "WATCHWORD_HOME": str(settings.WATCHWORD_HOME),
        "WATCHWORD_PUBLIC_URL": f"http://{HOST}:{wanted.web}",
        # The embedded mailbox closes its connections by itself; there is no Dovecot to notify.
        "WATCHWORD_MAIL_KICK": "none",
    }
