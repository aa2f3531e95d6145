"""Ports for servers started by tests; no two tests get the same one."""

from __future__ import annotations

import os
import secrets
import socket

FIRST, EACH, WORKERS = 12_000, 1_750, 8
"""Each parallel worker has a range of its own, below the system's range of ephemeral ports."""

_given: set[int] = set()


def free_ports(number: int) -> list[int]:
    """Return free ports of 127.0.0.1 that this process has not given out before."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    found: list[int] = []
    while len(found) < number:
        port = FIRST + worker * EACH + secrets.randbelow(EACH)
        if port not in _given and _is_free(port):
            _given.add(port)
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
