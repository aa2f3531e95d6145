"""Who works on the server's console: nobody of the directory, so the event names the system's user and the host."""

from __future__ import annotations

import getpass
import socket

from watchword.audit.record import Origin

DOOR = "console"


def console_origin() -> Origin:
    """Return where an act of the command line comes from; ``agent`` is ``user@host``, as the system knows them."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A user id without a name, as in some containers.
        user = "unknown"
    return Origin(door=DOOR, agent=f"{user}@{socket.gethostname()}")
