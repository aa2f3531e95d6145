"""``watchword verify``."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from watchword.audit.maintenance import Task, note_run
from watchword.audit.models import Seal
from watchword.cli.verify import verify
from watchword.core.database_errors import name_of_trouble


class Command(BaseCommand):
    """Checks every invariant of the database."""

    help = "Look whether everything in the database is as it must be; ends with status 1 where it is not."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the command's options."""
        parser.add_argument(
            "--expect",
            metavar="DIGEST",
            help="a last seal printed earlier: it must still stand in the chain (finds events cut off at the end)",
        )

    def handle(self, *_arguments: Any, **options: Any) -> None:
        """Print the problems found; raise CommandError if there are any."""
        found = verify(now=timezone.now())
        problems = list(found.problems)
        if options["expect"] and not _stands(options["expect"]):
            problems.append("I8 the expected seal is not in the chain any more")
        for problem in problems:
            self.stderr.write(problem)
        self.stdout.write(
            f"{found.sealed} events are sealed, {found.unsealed} not yet; last seal {found.last_digest or 'none'}"
        )
        if problems:
            raise CommandError(f"{len(problems)} things are not as they must be.")
        self.stdout.write("Everything is as it must be.")
        try:
            note_run(Task.VERIFY, now=timezone.now(), details={"sealed": found.sealed})
        except DatabaseError as error:
            # A replica can be verified too; it can't be written to.
            self.stderr.write(f"The time of this run could not be stored: {name_of_trouble(error)}.")


def _stands(digest: str) -> bool:
    try:
        octets = bytes.fromhex(digest)
    except ValueError:
        raise CommandError("--expect wants the hexadecimal digest that an earlier run printed.") from None
    return Seal.objects.filter(digest=octets).exists()
