"""Prints a code for an administrator on the server's console, for times when no text and no call can be sent."""

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from watchword.audit.record import Origin
from watchword.directory.actions import find_by_name
from watchword.signin import access_passes
from watchword.signin.access_passes import NoUseForAPass


class Command(BaseCommand):
    """``watchword code NAME``: a single-use Temporary Access Pass for ten minutes, made by the server's operator."""

    help = "Print a code that stands in for an administrator's phone, once, for ten minutes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the command's arguments."""
        parser.add_argument("name", help="sign-in name of an administrator, such as root@example.org")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        """Make the pass and print it once."""
        user = find_by_name(options["name"])
        if user is None:
            raise CommandError(f"there is nobody by the name {options['name']!r}")
        if not user.is_administrator:
            raise CommandError(
                f"{user.sign_in_name} administers nothing: an administrator makes a Temporary Access Pass for them"
            )
        try:
            shown = access_passes.make(
                user,
                lifetime=access_passes.CONSOLE_LIFETIME,
                is_once=True,
                by=None,
                origin=Origin(door="console", agent=f"watchword code, by {getpass.getuser()}"),
                now=timezone.now(),
            )
        except NoUseForAPass:
            raise CommandError(f"{user.sign_in_name} is blocked or deleted; restore the person first") from None
        self.stdout.write(f"For {user.sign_in_name}, once, within ten minutes. Sign in with the password, then type:")
        self.stdout.write(f"\n    {shown.secret}\n")
        self.stdout.write("The administrators see in the log that it was made.")
