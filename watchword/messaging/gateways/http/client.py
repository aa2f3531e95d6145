"""An HTTP client that can't be abused to reach an internal network (SSRF).

The host is resolved here, all of its addresses must be public, and the connection goes to exactly the address that was
checked: a name that resolves differently a moment later (DNS rebinding) has no effect. No redirects, no proxies from
the environment, a bounded response, one timeout for the whole request.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import ssl
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpcore

LONGEST_ANSWER = 64 * 1024
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_HANDED_OUT = ipaddress.ip_network("2000::/3")
"""RFC 4291 section 2.4: global unicast."""
_TUNNELS_AND_EXAMPLES = [
    ipaddress.ip_network(each) for each in ("2001::/23", "2002::/16", "2001:db8::/32", "3fff::/20")
]
"""RFC 6890, 3056, 3849 and 9637; tunnels wrap addresses of any kind, and no provider needs them."""
CONNECT_SHARE = 0.6
"""Share of the timeout for connecting: after a failed connection nothing was sent, so another gateway may be tried."""
LEAST_SECONDS = 1.0
"""Shortest timeout in seconds for one address of a host that has several."""

# Both libraries log whole URLs, and so the values in their queries.
for _name in ("httpcore", "hpack"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class AddressForbidden(Exception):
    """The host has an address that is not public."""


class NoAnswer(Exception):
    """No response came. ``maybe_taken``: the request may have arrived all the same.

    ``is_untrusted``: the server's certificate could not be verified.
    """

    def __init__(self, *, maybe_taken: bool, is_untrusted: bool = False) -> None:
        super().__init__("no answer")
        self.maybe_taken = maybe_taken
        self.is_untrusted = is_untrusted


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """The response to a request."""

    status: int
    body: bytes = field(repr=False)


def is_public(address: str) -> bool:
    """Return whether an IP address is public, also when it is embedded in an IPv6 address."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return is_public(str(parsed.ipv4_mapped))
        if parsed in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(parsed) & 0xFFFF_FFFF)))
        # Everything else allocated is in 2000::/3; ::127.0.0.1 and site-local addresses, global for Python, are not.
        if parsed not in _HANDED_OUT or any(parsed in network for network in _TUNNELS_AND_EXAMPLES):
            return False
    return parsed.is_global and not parsed.is_multicast


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host; raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class _CheckedBackend(httpcore.AsyncNetworkBackend):
    """A network backend that connects to exactly the address that was checked."""

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
        """Resolve, check, connect: try one address after the other until one accepts."""
        try:
            async with asyncio.timeout(timeout):
                addresses = await resolve(host, port)
                if not self._private_networks_allowed and not all(is_public(address) for address in addresses):
                    raise AddressForbidden("the address is not a public one")
                # A firewall that drops packets to one address must leave time for the next.
                share = None if timeout is None else max(timeout / len(addresses), LEAST_SECONDS)
                for address in addresses:
                    with suppress(httpcore.ConnectError, TimeoutError):
                        async with asyncio.timeout(share):
                            return await self._inner.connect_tcp(
                                address, port, local_address=local_address, socket_options=socket_options
                            )
        except TimeoutError:
            raise httpcore.ConnectTimeout("too slow") from None
        except (OSError, UnicodeError):
            raise httpcore.ConnectError("no such host") from None
        raise httpcore.ConnectError("nobody answers at any address")

    async def connect_unix_socket(self, *_arguments: Any, **_options: Any) -> httpcore.AsyncNetworkStream:
        """Refuse sockets of this machine."""
        raise AddressForbidden("no sockets of this machine")

    async def sleep(self, seconds: float) -> None:
        """Sleep; a method that httpcore requires."""
        await self._inner.sleep(seconds)


class SafeClient:
    """An HTTP client for one provider; connections are reused between requests."""

    def __init__(self, *, private_networks_allowed: bool = False, ssl_context: ssl.SSLContext | None = None) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl_context or ssl.create_default_context(),
            max_connections=50,
            keepalive_expiry=30,
            network_backend=_CheckedBackend(private_networks_allowed=private_networks_allowed),
        )

    async def ask(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes, seconds: float
    ) -> HttpAnswer:
        """Send a request and return the response; raises AddressForbidden, or NoAnswer if none came in time."""
        body = bytearray()
        try:
            async with (
                asyncio.timeout(seconds),
                self._pool.stream(
                    method,
                    url,
                    headers=[(name.encode(), value.encode()) for name, value in headers.items()],
                    content=content or None,
                    extensions={"timeout": {"connect": seconds * CONNECT_SHARE, "pool": seconds * CONNECT_SHARE}},
                ) as answer,
            ):
                async for part in answer.aiter_stream():
                    body += part
                    if len(body) > LONGEST_ANSWER:
                        raise NoAnswer(maybe_taken=True)
                return HttpAnswer(answer.status, bytes(body))
        except (
            httpcore.ConnectError,
            httpcore.ConnectTimeout,
            httpcore.PoolTimeout,
            httpcore.LocalProtocolError,
            httpcore.UnsupportedProtocol,
        ) as error:
            # httpcore passes the original exception as an argument.
            is_untrusted = any(isinstance(told, ssl.SSLCertVerificationError) for told in error.args)
            raise NoAnswer(maybe_taken=False, is_untrusted=is_untrusted) from None
        except (TimeoutError, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, OSError):
            raise NoAnswer(maybe_taken=True) from None

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.aclose()
