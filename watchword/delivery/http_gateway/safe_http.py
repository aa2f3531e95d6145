"""A small HTTP client that can't be turned against the inside of a network (SSRF).

The host is resolved here, every address that it has must be public, and the connection goes to exactly the address
that was looked at: a name that changes its mind in between (DNS rebinding) changes nothing. No redirects, no proxies
from the environment, a bounded answer, one limit for the whole time.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpcore

LONGEST_ANSWER = 64 * 1024
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_SIX_TO_FOUR = ipaddress.ip_network("2002::/16")

# Both write whole addresses, and with them what stands in their queries.
for _name in ("httpcore", "hpack"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class NotAllowed(Exception):
    """The address leads to where no provider is."""


class NoAnswer(Exception):
    """Nothing came back. ``maybe_taken``: the request may have arrived all the same."""

    def __init__(self, *, maybe_taken: bool) -> None:
        super().__init__("no answer")
        self.maybe_taken = maybe_taken


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes = field(repr=False)


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, also when it is wrapped into another one."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return is_public(str(parsed.ipv4_mapped))
        if parsed in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(parsed) & 0xFFFF_FFFF)))
        if parsed in _SIX_TO_FOUR:
            return is_public(str(ipaddress.IPv4Address((int(parsed) >> 80) & 0xFFFF_FFFF)))
    return parsed.is_global and not parsed.is_multicast


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host; raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class _CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to the very address that was looked at."""

    def __init__(self, *, private_networks_allowed: bool) -> None:
        self._inner = httpcore.AnyIOBackend()
        self._private_networks_allowed = private_networks_allowed

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  (httpcore's own signature)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, look, connect."""
        try:
            addresses = await resolve(host, port)
        except OSError:
            raise httpcore.ConnectError("no such host") from None
        if not addresses:
            raise httpcore.ConnectError("no such host")
        if not self._private_networks_allowed and not all(is_public(address) for address in addresses):
            raise NotAllowed("the address is not a public one")
        return await self._inner.connect_tcp(
            addresses[0], port, timeout=timeout, local_address=local_address, socket_options=socket_options
        )

    async def connect_unix_socket(self, *_arguments: Any, **_options: Any) -> httpcore.AsyncNetworkStream:
        """Never."""
        raise NotAllowed("no sockets of this machine")

    async def sleep(self, seconds: float) -> None:
        """As httpcore wants it."""
        await self._inner.sleep(seconds)


class SafeClient:
    """Asks one provider; connections are kept between requests."""

    def __init__(self, *, private_networks_allowed: bool = False, ssl_context: ssl.SSLContext | None = None) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl_context or ssl.create_default_context(),
            max_connections=50,
            keepalive_expiry=30,
            network_backend=_CheckedBackend(private_networks_allowed=private_networks_allowed),
        )

    async def ask(self, method: str, url: str, *, headers: Mapping[str, str], content: bytes, seconds: float) -> Answer:
        """Ask and return the answer; raises NotAllowed, or NoAnswer when none came within the time."""
        body = bytearray()
        try:
            async with (
                asyncio.timeout(seconds),
                self._pool.stream(method, url, headers=list(headers.items()), content=content or None) as answer,
            ):
                async for part in answer.aiter_stream():
                    body += part
                    if len(body) > LONGEST_ANSWER:
                        raise NoAnswer(maybe_taken=True)
                return Answer(answer.status, bytes(body))
        except (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout, httpcore.UnsupportedProtocol):
            raise NoAnswer(maybe_taken=False) from None
        except (TimeoutError, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, OSError):
            raise NoAnswer(maybe_taken=True) from None

    async def close(self) -> None:
        """Let the connections go."""
        await self._pool.aclose()
