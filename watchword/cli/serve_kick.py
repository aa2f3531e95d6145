"""`watchword serve kick`: the daemon that closes open mail connections as root.

It loads neither Django nor the settings: what runs as root knows no key, no database and no web server.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import pwd
import sys
from collections.abc import Sequence

from watchword.config.logs import FORMATTERS
from watchword.doors.mail.kick_server import KICK_SOCKET, KickServer
from watchword.doors.service_manager import InvalidSockets, ServiceManager, Sockets, only, passed_sockets

DOVEADM = "/usr/bin/doveadm"
USER = "watchword"


class CannotServe(Exception):
    """A mistake in the arguments, or in the unit that starts the daemon; the message says what to do."""


def serve_kick(arguments: Sequence[str]) -> int:
    """Serve at the passed sockets until SIGTERM or SIGINT, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="watchword serve kick",
        description="Close the open mail connections of one mailbox name at a time, as root.",
    )
    parser.add_argument("--doveadm", metavar="PATH", default=DOVEADM, help=f"the program that is run ({DOVEADM})")
    parser.add_argument(
        "--config", metavar="PATH", default="", help="Dovecot's configuration, if it is not where doveadm looks"
    )
    parser.add_argument("--allow", metavar="USER", default=USER, help=f"the user that may ask, name or id ({USER})")
    config = parser.parse_args(arguments)
    handler = logging.StreamHandler()
    handler.setFormatter(FORMATTERS["text"]())
    logging.basicConfig(handlers=[handler], level=logging.INFO)
    try:
        users = frozenset({0, _user_id(config.allow)})
        command = [_program(config.doveadm), *(["-c", config.config] if config.config else []), "kick", "--"]
        sockets = _sockets()
    except CannotServe as error:
        print(f"watchword serve kick: {error}", file=sys.stderr)
        return 1
    asyncio.run(KickServer(command, users=users).serve(sockets[KICK_SOCKET], ServiceManager(os.environ)))
    return 0


def _user_id(user: str) -> int:
    try:
        return int(user) if user.isascii() and user.isdigit() else pwd.getpwnam(user).pw_uid
    except KeyError:
        raise CannotServe(f"there is no user {user!r}; name the user of the mail door by --allow.") from None


def _program(path: str) -> str:
    if not path.startswith("/") or not os.access(path, os.X_OK):
        raise CannotServe(f"{path} is no program; name the absolute path of doveadm by --doveadm.")
    return path


def _sockets() -> Sockets:
    try:
        sockets = only(passed_sockets(os.environ, os.getpid()), [KICK_SOCKET])
    except InvalidSockets as error:
        raise CannotServe(f"{error}.") from None
    if not sockets:
        raise CannotServe("no socket was passed; start watchword-kick.socket instead (docs/operating/systemd.md).")
    return sockets
