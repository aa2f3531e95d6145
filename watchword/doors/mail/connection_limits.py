"""Limits for the number of open connections, in total and for each peer, so that no peer can use up all of them.

Pure: counts peers, and does no input or output.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum

MOST_CONNECTIONS = 1024
TCP_SHARE = 0.5
"""The share of MOST_CONNECTIONS for all TCP connections together; the rest is reserved for Unix sockets."""
TCP_PEER_SHARE = 0.25
"""The share of MOST_CONNECTIONS for one TCP address."""
UNIX_PEER_SHARE = 0.75
"""The share of MOST_CONNECTIONS for one user of the system: a Postfix that runs wild leaves the rest to Dovecot."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection: an IP address (TCP), or a user of the system (Unix socket)."""

    is_tcp: bool
    name: str


class Full(Enum):
    """The limit that is reached."""

    PEER = "peer"
    TCP = "tcp"
    ALL = "all"


class ConnectionLimits:
    """The counts of open connections by peer, checked against the limits."""

    def __init__(self) -> None:
        self._taken: Counter[Peer] = Counter()

    def full(self, peer: Peer) -> Full | None:
        """Return the limit that forbids one more connection of a peer, or None if the connection is permitted."""
        share = TCP_PEER_SHARE if peer.is_tcp else UNIX_PEER_SHARE
        if self._taken[peer] >= max(int(MOST_CONNECTIONS * share), 1):
            return Full.PEER
        by_tcp = sum(number for taken, number in self._taken.items() if taken.is_tcp)
        if peer.is_tcp and by_tcp >= max(int(MOST_CONNECTIONS * TCP_SHARE), 1):
            return Full.TCP
        return Full.ALL if self._taken.total() >= MOST_CONNECTIONS else None

    def take(self, peer: Peer) -> None:
        """Count a connection that was opened."""
        self._taken[peer] += 1

    def give_back(self, peer: Peer) -> None:
        """Stop counting a connection that was closed."""
        self._taken[peer] -= 1
        if self._taken[peer] <= 0:
            del self._taken[peer]
