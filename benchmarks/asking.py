"""A mail server as a client of the mail door: holds requests in flight over several connections, counts answers."""

from __future__ import annotations

import asyncio
import base64
import itertools
import time
from collections.abc import Sequence

CONNECTIONS = 8
IN_FLIGHT = 8
PROCESS_IDS = itertools.count(100_000)
"""Every connection to Dovecot needs a process id of its own."""


def line_of(name: str, secret: str) -> bytes:
    """Return one AUTH request of Dovecot's authentication protocol without its id."""
    response = base64.b64encode(f"\0{name}\0{secret}".encode())
    return b"\tPLAIN\tservice=imap\trip=192.0.2.1\tresp=" + response + b"\n"


class Asker(asyncio.Protocol):
    """One connection that always has a fixed number of requests in flight."""

    def __init__(self, lines: itertools.cycle[bytes], in_flight: int) -> None:
        self.lines, self.in_flight = lines, in_flight
        self.numbers = itertools.count(1)
        self.rest = b""
        self.yes = self.no = 0
        self.is_greeted = False
        self.is_done = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the handshake."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(b"VERSION\t1\t2\nCPID\t%d\n" % (next(PROCESS_IDS)))

    def data_received(self, data: bytes) -> None:
        """Count answers and send as many new requests."""
        *lines, self.rest = (self.rest + data).split(b"\n")
        answered = 0
        for line in lines:
            if line.startswith(b"OK\t"):
                self.yes += 1
                answered += 1
            elif line.startswith(b"FAIL\t"):
                self.no += 1
                answered += 1
            elif line == b"DONE" and not self.is_greeted:
                self.is_greeted = True
                answered += self.in_flight
        if answered and not self.is_done:
            asked = [b"AUTH\t%d" % next(self.numbers) + next(self.lines) for _ in range(answered)]
            self.transport.write(b"".join(asked))


async def _measure(
    path: str, lines: Sequence[bytes], seconds: float, connections: int, in_flight: int
) -> tuple[int, int, float]:
    loop = asyncio.get_running_loop()
    cycle = itertools.cycle(lines)
    askers = [(await loop.create_unix_connection(lambda: Asker(cycle, in_flight), path))[1] for _ in range(connections)]
    await asyncio.sleep(seconds / 4)
    before = [(asker.yes, asker.no) for asker in askers]
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    took = time.perf_counter() - began
    yes = sum(asker.yes for asker in askers) - sum(yes for yes, _ in before)
    no = sum(asker.no for asker in askers) - sum(no for _, no in before)
    for asker in askers:
        asker.is_done = True
        asker.transport.abort()
    return yes, no, took


def rate(
    path: str,
    lines: Sequence[bytes],
    *,
    seconds: float = 1.5,
    connections: int = CONNECTIONS,
    in_flight: int = IN_FLIGHT,
) -> tuple[float, float]:
    """Return the answers per second, and the share of them that were OK."""
    yes, no, took = asyncio.run(_measure(path, lines, seconds, connections, in_flight))
    return (yes + no) / took, yes / max(yes + no, 1)
