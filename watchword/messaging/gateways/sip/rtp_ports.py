"""UDP ports for sound: a pair is bound before it is offered, so that it can belong to nobody else.

The operating system is the pool: two channels of one process, two processes and other programs on the machine all see
what is bound, and skip it.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

_LONGEST_DATAGRAM = 65_536
_MOST_DRAINED = 2_000
_next: dict[tuple[int, int], int] = {}
"""By range: where the next search begins. What still comes to a port belongs to its last call: it comes back late."""


@dataclass(eq=False)
class PortPair:
    """An even port for RTP and the next one for RTCP (RFC 3550 section 11), both bound."""

    port: int
    rtp: socket.socket = field(repr=False)
    rtcp: socket.socket = field(repr=False)

    def drain(self) -> None:
        """Throw away what came before somebody listened: music while it rang is nobody who speaks."""
        for one in (self.rtp, self.rtcp):
            with suppress(OSError):
                for _ in range(_MOST_DRAINED):
                    one.recv(_LONGEST_DATAGRAM)

    def close(self) -> None:
        """Let others have the ports; nothing happens where they are closed already."""
        self.rtp.close()
        self.rtcp.close()


def reserve(host: str, first: int, last: int) -> PortPair | None:
    """Return a pair of ports of a range that nobody else on this machine has; None if there is none left."""
    for port in _ports(first, last):
        pair = _bound(host, port)
        if pair is not None:
            _next[first, last] = port + 2
            return pair
    return None


def _ports(first: int, last: int) -> Iterator[int]:
    ports = range(first + first % 2, last, 2)
    begin = _next.get((first, last), first)
    yield from (port for port in ports if port >= begin)
    yield from (port for port in ports if port < begin)


def _bound(host: str, port: int) -> PortPair | None:
    sockets: list[socket.socket] = []
    try:
        for one in (port, port + 1):
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            sockets.append(socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
            sockets[-1].bind((host, one))
    except OSError:
        for opened in sockets:
            opened.close()
        return None
    return PortPair(port, *sockets)
