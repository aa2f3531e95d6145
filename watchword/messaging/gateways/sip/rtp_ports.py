"""Allocate UDP port pairs for RTP: a pair is bound before it is offered, so that no other socket can take it.

The operating system is the pool: two gateways of one process, two processes and other programs on the machine all see
which ports are bound, and skip them.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

_LONGEST_DATAGRAM = 65_536
_MOST_DRAINED = 2_000
_next: dict[tuple[int, int], int] = {}
"""Start of the next search, by port range. A port is not reused at once, as late packets of its last call may come."""


@dataclass(eq=False)
class PortPair:
    """An even port for RTP and the next one for RTCP (RFC 3550 section 11), both bound."""

    port: int
    rtp: socket.socket = field(repr=False)
    rtcp: socket.socket = field(repr=False)

    def drain(self) -> None:
        """Discard packets that came before the call was answered: music during ringing must not count as speech."""
        for one in (self.rtp, self.rtcp):
            with suppress(OSError):
                for _ in range(_MOST_DRAINED):
                    one.recv(_LONGEST_DATAGRAM)

    def close(self) -> None:
        """Release both ports; do nothing where they are closed already."""
        self.rtp.close()
        self.rtcp.close()


def reserve(host: str, first: int, last: int) -> PortPair | None:
    """Return a free pair of ports of a range, already bound; None if no pair is free."""
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
