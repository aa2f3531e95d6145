"""Prints or writes the configuration files that connect a mail server to Watchword, and checks Dovecot's."""

import itertools
import os
import sys
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from getpass import getpass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils import timezone

from watchword.applications.issuer import endpoint
from watchword.applications.models import Client
from watchword.doors.mail import dovecot_check
from watchword.doors.mail.server_config import (
    DOVECOT_FOLDER,
    EXIM_FOLDER,
    POSTFIX_FOLDER,
    ConfigurationFile,
    DovecotVersion,
    for_dovecot,
    for_exim,
    for_postfix,
    for_tokens,
)

NO_SECRET = "SECRET"  # noqa: S105  (no secret)
"""What is printed in the place of an app's secret."""


class Command(BaseCommand):
    """The command ``watchword mail-config dovecot|postfix|exim``."""

    help = "Print the configuration by which Dovecot, Postfix or Exim asks Watchword."
    requires_system_checks = ()

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        """Return a parser in which ``--version`` is Dovecot's version, not Django's option."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **options)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the command's arguments."""
        parser.add_argument("server", choices=["dovecot", "postfix", "exim"])
        parser.add_argument(
            "--version",
            choices=[version.value for version in DovecotVersion],
            dest="dovecot_version",
            metavar="VERSION",
            help="Dovecot's version, 2.3 or 2.4; without it the version of the Dovecot that is installed here",
        )
        parser.add_argument(
            "--folder", type=Path, help="where the files will lie (/etc/dovecot, /etc/postfix or /etc/exim4)"
        )
        parser.add_argument(
            "--tls",
            nargs=2,
            type=Path,
            metavar=("CHAIN", "KEY"),
            help="Dovecot's certificate chain and its key",
        )
        parser.add_argument(
            "--webmail",
            action="append",
            default=[],
            metavar="ADDRESS",
            help="a webmail server's address, as often as needed",
        )
        parser.add_argument(
            "--oauth2",
            metavar="CLIENT_ID",
            help="also the files by which Dovecot takes tokens; with --write asks for the secret of that app",
        )
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--write", action="store_true", help="write the files there; a file that differs is kept under another name"
        )
        what.add_argument("--check", action="store_true", help="look for what is wrong here, and play a sign-in")
        parser.add_argument(
            "--as", dest="name", metavar="NAME", help="with --check: sign in as this person; asks for the password"
        )

    def handle(self, *_arguments: Any, **options: Any) -> None:
        """Print, write or check the files."""
        server = options["server"]
        if server != "dovecot" and (
            options["check"] or options["tls"] or options["webmail"] or options["dovecot_version"] or options["oauth2"]
        ):
            raise CommandError("--version, --tls, --webmail, --oauth2 and --check are for Dovecot alone")
        if options["oauth2"] and options["check"]:
            raise CommandError("--check plays a sign-in with a password: leave --oauth2 out")
        if options["name"] and not options["check"]:
            raise CommandError("--as NAME needs --check, which plays the sign-in")
        sockets = settings.WATCHWORD_MAIL_SOCKET_DIRECTORY
        if server == "dovecot":
            version = _version(options)
            files = for_dovecot(
                version,
                sockets=sockets,
                folder=(options["folder"] or DOVECOT_FOLDER).absolute(),
                ring=settings.WATCHWORD_KEY_RING,
                certificate=_certificate(options["tls"]),
                webmail=_single_addresses(options["webmail"]),
            )
            if options["check"]:
                self._check(version, files, sockets, options["name"])
                return
            if options["oauth2"]:
                files += _for_tokens(version, files[0].path.parent, options["oauth2"], is_written=options["write"])
        elif server == "exim":
            files = for_exim(sockets=sockets, folder=(options["folder"] or EXIM_FOLDER).absolute())
        else:
            folder = (options["folder"] or POSTFIX_FOLDER).absolute()
            files = for_postfix(sockets=sockets, folder=folder, loopback=settings.WATCHWORD_MAIL.listen)
        if options["write"]:
            for file in files:
                self._write(file)
        else:
            self.stdout.write("\n".join(f"# ==== {file.path} ====\n{file.text}" for file in files), ending="")

    def _check(
        self, version: DovecotVersion, files: Sequence[ConfigurationFile], sockets: Path, name: str | None
    ) -> None:
        if os.geteuid() != 0:
            raise CommandError("--check reads Dovecot's configuration and its sockets: run it as root")
        wrong = list(dovecot_check.faults(version, files, sockets))
        if wrong:
            raise CommandError("\n".join(wrong))
        self.stdout.write(f"Dovecot {version} asks Watchword: a wrong password was refused.")
        if name is None:
            return
        secret = _typed(f"Password of {name} for mail: ")
        played = dovecot_check.play_sign_in(name, secret)
        if played.trouble:
            raise CommandError(played.trouble)
        if played.is_refused:
            try:
                why = dovecot_check.why_refused(name, now=timezone.now())
            except DatabaseError:
                why = "the database can't be read here, so look into the events"
            raise CommandError(f"{name} is refused: {why}")
        self.stdout.write(f"{name} is let in.")

    def _write(self, file: ConfigurationFile) -> None:
        mode = 0o600 if file.is_secret else 0o644
        try:
            if file.path.exists() and file.path.read_text() == file.text:
                file.path.chmod(mode)
                self.stdout.write(f"unchanged: {file.path}")
                return
            fresh = file.path.with_name(f".{file.path.name}.new")
            fresh.unlink(missing_ok=True)
            # Created with its final mode: other users must not be able to read a key at any time.
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=mode)
            with os.fdopen(descriptor, "w") as stream:
                stream.write(file.text)
                # The command's umask (077) would stop the mail server's own user from reading files without a secret.
                os.fchmod(stream.fileno(), mode)
            kept = self._keep(file.path)
            fresh.replace(file.path)
        except OSError as error:
            raise CommandError(f"{file.path} can't be written: {error.strerror}") from None
        self.stdout.write(f"wrote {file.path}" + (f" (what was there is kept as {kept})" if kept else ""))

    def _keep(self, path: Path) -> Path | None:
        """Give an existing file a second name, so that the file is never missing and nothing in it is lost."""
        if not path.exists():
            return None
        for number in itertools.count(1):
            kept = path.with_name(f"{path.name}.before-{number}")
            try:
                kept.hardlink_to(path)
            except FileExistsError:
                continue
            return kept
        raise AssertionError("unreachable")


def _version(options: Mapping[str, Any]) -> DovecotVersion:
    if options["dovecot_version"] and not options["check"]:
        return DovecotVersion(options["dovecot_version"])
    try:
        return dovecot_check.installed_version()
    except dovecot_check.NoDovecot as error:
        raise CommandError(str(error)) from None


def _for_tokens(version: DovecotVersion, folder: Path, client_id: str, *, is_written: bool) -> list[ConfigurationFile]:
    """Return the files by which Dovecot takes tokens; the secret is only in those that are written."""
    try:
        client = Client.objects.select_related("app__organisation").filter(pk=UUID(client_id)).first()
    except ValueError:
        client = None
    except DatabaseError:
        raise CommandError("--oauth2 looks for the app in the database, which can't be read here") from None
    if client is None:
        raise CommandError(f"--oauth2 {client_id}: there is no such app; its page shows the client ID")
    if not client.introspects or client.introspection_scope != "mail":
        raise CommandError(
            f"--oauth2: {client.app.name} must be an app that takes tokens of others, with the scope mail"
        )
    secret = NO_SECRET
    if is_written:
        secret = _typed(f"Secret of {client.app.name}: ").strip()
        if not client.check_client_secret(secret):
            raise CommandError(f"this is no valid secret of {client.app.name}; make a new one on its page")
    address = endpoint(client.app.organisation, "introspect")
    return for_tokens(version, folder=folder, address=address, client_id=client.client_id, secret=secret)


def _typed(prompt: str) -> str:
    return getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")


def _certificate(files: Sequence[Path] | None) -> tuple[Path, Path] | None:
    if files is None:
        return None
    for file in files:
        if not file.is_absolute() or not file.is_file():
            raise CommandError(f"--tls {file}: there is no such file (its whole path is needed)")
    return files[0], files[1]


def _single_addresses(words: Sequence[str]) -> list[str]:
    try:
        return [str(ip_address(word)) for word in words]
    except ValueError as error:
        raise CommandError(f"--webmail takes the address of one server, never a network or a name: {error}") from None
