"""`watchword check`: the checks that Django does not make: of the database, the keys, and the services around."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from watchword.core.child_environment import child_environment

PROBE_MAILBOX = "watchword-check@watchword.invalid"
"""A mailbox that can't exist (RFC 2606), so that trying the disconnect command closes no connection."""


def check(arguments: Sequence[str]) -> int:
    """Print every error and every warning; return 1 if an error keeps Watchword from serving."""
    from watchword.cli.main import run_management_command, set_up_django

    if (status := set_up_django()) != 0:
        return status
    from watchword.cli import readiness

    if {"-h", "--help"} & set(arguments):
        return run_management_command("check", arguments)
    if reason := readiness.why_unusable():
        print(f"watchword check: {reason}", file=sys.stderr)
        # Django's checks of the models connect, which would create a SQLite file, or fail with a traceback.
        print("Nothing else was looked at.", file=sys.stderr)
        return 1
    if reason := readiness.why_not_ready():
        print(f"watchword check: {reason}", file=sys.stderr)
        status = 1
    for warning in (*warnings(), *clock_warnings()):
        print(f"warning: {warning}", file=sys.stderr)
    try:
        # Django's own checks of the database would only fail with the same error.
        asked = [] if status else ["--database", "default"]
        status = run_management_command("check", [*asked, *arguments]) or status
    except SystemExit as end:
        status = int(end.code or 0) or status
    return status


def warnings() -> Iterator[str]:
    """Yield what does not work although Watchword starts. Django must be set up."""
    from django.conf import settings

    from watchword.core.policy import Channel
    from watchword.messaging import send

    carried = send.channels_carried()
    if not carried:
        yield "no code can be sent, so nobody can register a phone: set WATCHWORD_PHONES_FILE (see docs/operating)"
    else:
        names = {Channel.SMS: "text messages", Channel.VOICE: "calls"}
        yield from (
            f"no {names[channel]} can be sent: the phones file names no channel for them"
            for channel in Channel
            if channel not in carried
        )
    if not settings.WATCHWORD_CAN_MAIL:
        yield "no mail can be sent, so nobody is warned of anything: set WATCHWORD_SMTP_URL (see docs/operating)"
    mail = settings.WATCHWORD_MAIL
    if mail.kick_socket:
        if trouble := why_no_kick_socket(mail.kick_socket):
            yield f"open mail connections of blocked people can't be closed: {trouble} (WATCHWORD_MAIL_KICK_SOCKET)"
    elif mail.kick and (trouble := why_no_kick(mail.kick)):
        yield f"open mail connections of blocked people can't be closed: {trouble} (WATCHWORD_MAIL_KICK)"
    folder = Path(settings.WATCHWORD_MAIL_SOCKET_DIRECTORY)
    if mail.socket_group and (trouble := why_not_enterable(folder, mail.socket_group)):
        yield f"mail servers can't reach the mail door: {trouble}"


def clock_warnings() -> Iterator[str]:
    """Yield what is wrong with this machine's clock, by which codes and sessions end."""
    from django.db import DatabaseError

    from watchword.audit import clock

    try:
        offset = clock.offset_from_database()
    except DatabaseError:
        # The reason was printed before.
        offset = None
    if trouble := clock.trouble_of_clock(offset, synchronised=clock.is_synchronised()):
        yield f"codes and sessions end by this machine's clock: {trouble} (see docs/operating/monitoring.md)"


def why_no_kick_socket(path: str) -> str | None:
    """Return why the daemon at a socket closes no connections, or None. Asks for a mailbox that can't exist."""
    from watchword.doors.mail.kick import KickBySocket

    return asyncio.run(KickBySocket(path).ask(PROBE_MAILBOX)).trouble or None


def why_no_kick(template: Sequence[str]) -> str | None:
    """Return why the disconnect command can't run, or None. Runs it for a mailbox that can't exist."""
    # Only now Django is set up.
    from watchword.doors.mail.kick import COMMAND_SECONDS, NO_CONNECTION, command_for

    command = command_for(template, PROBE_MAILBOX)
    try:
        done = subprocess.run(  # noqa: S603  (the operator's own command)
            command,
            env=child_environment(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{command[0]} took more than {COMMAND_SECONDS} seconds"
    except (OSError, ValueError) as error:
        return f"{command[0]} can't be run ({getattr(error, 'strerror', None) or type(error).__name__})"
    if done.returncode in (0, NO_CONNECTION):
        return None
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return f"{command[0]} returned {done.returncode}{': ' + said[-1][:200] if said else ''}"


def why_not_enterable(folder: Path, group: str) -> str | None:
    """Return why the members of a group can't enter a folder, or None. The mail door itself creates a missing one."""
    import grp

    try:
        wanted = grp.getgrnam(group).gr_gid
    except KeyError:
        return f"there is no group {group}"
    try:
        found = folder.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"{folder} can't be looked at ({error.strerror})"
    if found.st_mode & stat.S_IXOTH or (found.st_gid == wanted and found.st_mode & stat.S_IXGRP):
        return None
    return f"the group {group} may not enter {folder}; chgrp {group} and chmod g+x it, or remove it and start again"
