"""The origin of acts on the server's console: no person of the directory, but the system's user and the host."""

from __future__ import annotations

import getpass
import socket

from watchword.audit.record import Origin

DOOR = "console"


def console_origin() -> Origin:
    """Return the origin of an act on the command line; ``agent`` is ``user@host``, from the operating system."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A user id without a name, as in some containers.
        user = "unknown"
    return Origin(door=DOOR, agent=f"{user}@{socket.gethostname()}")
