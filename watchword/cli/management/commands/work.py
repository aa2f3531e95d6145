"""``watchword serve worker``."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from watchword.cli.background_worker import run_until_signal, work_once


class Command(BaseCommand):
    """Runs the background worker."""

    help = "Send warnings, seal the log of events, end sign-ins whose time is over."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the command's options."""
        parser.add_argument("--once", action="store_true", help="do what there is to do, then end")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        """Work until SIGTERM or SIGINT; with ``--once``, until no job has anything left to do."""
        if options["once"]:
            while work_once():
                pass
            return
        run_until_signal()
