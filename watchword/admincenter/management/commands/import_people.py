"""Imports people, or multi-factor states, from a CSV file: a preview, or with --apply the import itself."""

import csv
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from watchword.admincenter.labels import FILES, OUTCOMES
from watchword.admincenter.users.csv_import import import_rows
from watchword.audit.console import console_origin
from watchword.core.codes import shown_link_code
from watchword.core.usernames import InvalidSignInName, domain_key
from watchword.directory.models import Domain, Organisation
from watchword.directory.people_file import (
    LARGEST_FILE,
    MOST_ROWS,
    FileKind,
    PeopleFile,
    UnreadableFile,
    harmless,
    read_file,
)
from watchword.signin import invitations
from watchword.ui.addresses import link_address


class Command(BaseCommand):
    """``watchword import-people people.csv [--apply]``: the admin center's import, for more rows."""

    help = "Create and change people, or set multi-factor states, from a CSV file. Without --apply nothing is changed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments of the command."""
        parser.add_argument("file", type=Path, help="CSV; the first line names the columns")
        parser.add_argument("--apply", action="store_true", help="do it; otherwise only say what would happen")
        parser.add_argument("--links", type=Path, help="a new file for the invitation links of people who are created")
        parser.add_argument(
            "--days", type=int, choices=invitations.DAYS, default=1, help="how long those links last (default: one day)"
        )
        parser.add_argument("--domain", default="", help="a domain of the organisation, where there are several")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        """Print one line for each row that is not unchanged, and the number of rows for each outcome."""
        organisation = _organisation(options["domain"])
        file = _read(options["file"])
        links = options["links"] if options["apply"] else None
        # Open the file before the import: a link that can't be written would be lost.
        try:
            out = links.open("x", encoding="utf-8", newline="") if links is not None else None
        except OSError as error:
            raise CommandError(f"{links} can't be made: {error.strerror}") from None
        for line in _about(file):
            self.stdout.write(line)
        imported = import_rows(
            file,
            organisation=organisation,
            by=None,
            origin=console_origin(),
            is_real=options["apply"],
            links_last=timedelta(days=options["days"]),
        )
        results = imported.results
        for result in results:
            if result.outcome != "unchanged":
                said = f": {result.said}" if result.said else ""
                self.stdout.write(f"line {result.line}: {result.name}: {OUTCOMES[result.outcome]}{said}")
        invited = [(harmless(result.name), _link(result.token)) for result in results if result.token]
        if out is not None:
            with out:
                csv.writer(out).writerows([("Sign-in name", f"Link (once, {24 * options['days']} hours)"), *invited])
        else:
            for name, link in invited:
                self.stdout.write(f"{name}: {link}")
        counts = Counter(result.outcome for result in results)
        self.stdout.write(", ".join(f"{counts[outcome]} {word}" for outcome, word in OUTCOMES.items()))
        for line in imported.summary:
            self.stdout.write(line)
        if not options["apply"]:
            self.stdout.write("Nothing was changed. Say --apply to do it.")


def _read(path: Path) -> PeopleFile:
    try:
        with path.open("rb") as source:
            return read_file(source.read(LARGEST_FILE + 1))
    except OSError as error:
        raise CommandError(f"{path} can't be read: {error.strerror}") from None
    except UnreadableFile as error:
        said = str(FILES[error.reason]) % {"most": MOST_ROWS}
        raise CommandError(" ".join(part for part in (said, error.detail) if part)) from None


def _about(file: PeopleFile) -> Iterator[str]:
    if file.kind is FileKind.STATES:
        yield "This is a file of multi-factor states: it creates nobody."
    if file.is_windows_1252:
        yield "The file is not UTF-8, and was read as Windows-1252. Look at names with accents."
    if file.ignored:
        yield f"These columns are not used: {', '.join(file.ignored)}"
    for other, used in file.doubled:
        yield f"“{other}” is not used: “{used}” means the same."


def _organisation(domain: str) -> Organisation:
    if domain:
        try:
            found = Domain.objects.filter(name=domain_key(domain)).select_related("organisation").first()
        except InvalidSignInName:
            found = None
        if found is None:
            raise CommandError(f"no organisation here has the domain {domain!r}")
        return found.organisation
    organisations = list(Organisation.objects.all()[:2])
    match organisations:
        case [only]:
            return only
        case []:
            raise CommandError("there is no organisation yet: begin with `watchword createadmin`")
        case _:
            raise CommandError("there are several organisations: say which by --domain")


def _link(token: str) -> str:
    return link_address("web:invitation", shown_link_code(token))
