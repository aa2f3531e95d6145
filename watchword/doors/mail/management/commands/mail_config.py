"""Prints or writes the configuration files that connect a mail server to Watchword."""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from watchword.doors.mail.server_config import (
    DOVECOT_FOLDER,
    EXIM_FOLDER,
    POSTFIX_FOLDER,
    ConfigurationFile,
    DovecotVersion,
    for_dovecot,
    for_exim,
    for_postfix,
)


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
            default=DovecotVersion.V2_3.value,
            dest="dovecot_version",
            metavar="VERSION",
            help="Dovecot's version: 2.3 (tried) or 2.4 (written by its documentation, not tried)",
        )
        parser.add_argument(
            "--folder", type=Path, help="where the files will lie (/etc/dovecot, /etc/postfix or /etc/exim4)"
        )
        parser.add_argument("--write", action="store_true", help="write the files there instead of printing them")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        """Print or write the files."""
        sockets = settings.WATCHWORD_MAIL_SOCKET_DIRECTORY
        if options["server"] == "dovecot":
            folder = (options["folder"] or DOVECOT_FOLDER).absolute()
            version = DovecotVersion(options["dovecot_version"])
            files = for_dovecot(version, sockets=sockets, folder=folder, ring=settings.WATCHWORD_KEY_RING)
        elif options["server"] == "exim":
            files = for_exim(sockets=sockets, folder=(options["folder"] or EXIM_FOLDER).absolute())
        else:
            folder = (options["folder"] or POSTFIX_FOLDER).absolute()
            files = for_postfix(sockets=sockets, folder=folder, loopback=settings.WATCHWORD_MAIL.listen)
        if options["write"]:
            for file in files:
                self._write(file)
        else:
            self.stdout.write("\n".join(f"# ==== {file.path} ====\n{file.text}" for file in files), ending="")

    def _write(self, file: ConfigurationFile) -> None:
        try:
            # Created with its final mode: other users must not be able to read a key at any time.
            descriptor = os.open(
                file.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600 if file.is_secret else 0o644
            )
        except FileExistsError:
            raise CommandError(f"{file.path} exists; move it away first, nothing is overwritten") from None
        except OSError as error:
            raise CommandError(f"{file.path} can't be written: {error.strerror}") from None
        with os.fdopen(descriptor, "w") as stream:
            stream.write(file.text)
            # The command's umask (077) would stop the mail server's own user from reading files without a secret.
            os.fchmod(stream.fileno(), 0o600 if file.is_secret else 0o644)
        self.stdout.write(f"wrote {file.path}")
