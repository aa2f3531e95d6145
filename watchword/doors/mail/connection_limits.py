"""How many connections the daemon holds, and of whom: none of its peers can take all places from the others.

Pure: peers come in and go, numbers come out.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum

MOST_CONNECTIONS = 1024
TCP_SHARE = 0.5
"""Of the places for all TCP connections together; the rest is kept for the sockets of mail servers."""
TCP_PEER_SHARE = 0.25
"""Of the places for one TCP address."""
UNIX_PEER_SHARE = 0.75
"""Of the places for one user of the system: a Postfix that runs wild leaves some to Dovecot."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is connected: an address by TCP, or a user of the system by a Unix socket."""

    is_tcp: bool
    name: str


class Full(Enum):
    """Which limit leaves no place."""

    PEER = "peer"
    TCP = "tcp"
    ALL = "all"


class ConnectionLimits:
    """Counts the places that are taken."""

    def __init__(self) -> None:
        self._taken: Counter[Peer] = Counter()

    def full(self, peer: Peer) -> Full | None:
        """Return which limit leaves no place for one more connection of a peer, or None if there is one."""
        share = TCP_PEER_SHARE if peer.is_tcp else UNIX_PEER_SHARE
        if self._taken[peer] >= max(int(MOST_CONNECTIONS * share), 1):
            return Full.PEER
        by_tcp = sum(number for taken, number in self._taken.items() if taken.is_tcp)
        if peer.is_tcp and by_tcp >= max(int(MOST_CONNECTIONS * TCP_SHARE), 1):
            return Full.TCP
        return Full.ALL if self._taken.total() >= MOST_CONNECTIONS else None

    def take(self, peer: Peer) -> None:
        """Take a place."""
        self._taken[peer] += 1

    def give_back(self, peer: Peer) -> None:
        """Give a place back."""
        self._taken[peer] -= 1
        if self._taken[peer] <= 0:
            del self._taken[peer]
