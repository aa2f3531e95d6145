"""The ports of the demo, on the loopback interface."""

from __future__ import annotations

import errno
import json
import socket
from argparse import ArgumentTypeError
from dataclasses import asdict, dataclass
from pathlib import Path

HOST = "127.0.0.1"
FILE = "demo-ports.json"
HIGHEST = 65_535


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of the demo's three servers."""

    web: int = 8000
    imap: int = 1143
    submission: int = 1587


def port(typed: str) -> int:
    """Return the port that was typed; raise ArgumentTypeError with a message for people."""
    try:
        number = int(typed)
    except ValueError:
        number = 0
    if not 1 <= number <= HIGHEST:
        raise ArgumentTypeError(f"{typed!r} is no port; expected a number from 1 to {HIGHEST}")
    return number


def why_not_free(number: int) -> str:
    """Return in words why no server can listen on a port of this machine; empty if the port is free."""
    with socket.socket() as probe:
        # Without this option, a port of a demo that ended a moment ago would count as in use.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, number))
        except OSError as error:
            match error.errno:
                case errno.EADDRINUSE:
                    return "is in use"
                case errno.EACCES:
                    return "is for the system's own services"
                case _:
                    return f"can't be used ({error.strerror})"
    return ""


def keep(home: Path, ports: Ports) -> None:
    """Store the ports, so that the webmail can show them."""
    (home / FILE).write_text(json.dumps(asdict(ports)), encoding="utf-8")


def stored(home: Path) -> Ports:
    """Return the ports of the running demo; the defaults if none are stored."""
    try:
        return Ports(**json.loads((home / FILE).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return Ports()
