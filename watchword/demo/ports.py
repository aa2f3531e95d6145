"""Where the demo answers, on this machine alone."""

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
    """Return the port that somebody typed; raises ArgumentTypeError in words."""
    try:
        number = int(typed)
    except ValueError:
        number = 0
    if not 1 <= number <= HIGHEST:
        raise ArgumentTypeError(f"{typed!r} is no port; expected a number from 1 to {HIGHEST}")
    return number


def why_not_free(number: int) -> str:
    """Return in words why nobody can listen at a port of this machine; nothing where one can."""
    with socket.socket() as probe:
        # Without it a port of a demo that ended a moment ago would count as taken.
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
    """Keep the ports, so that the webmail can tell them to people."""
    (home / FILE).write_text(json.dumps(asdict(ports)), encoding="utf-8")


def stored(home: Path) -> Ports:
    """Return the ports of the demo that runs here; the usual ones where none were kept."""
    try:
        return Ports(**json.loads((home / FILE).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return Ports()
