"""The address from which a browser's request came, directly or through the proxies that the operator listed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from threading import Lock
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from watchword.core.log_events import log_event

logger = logging.getLogger(__name__)

MOST_HOPS = 20
"""How many chained proxies are followed; no real site has more."""

SAY_AGAIN_SECONDS = 600
"""The least time between two log lines about an unlisted peer: any client that reaches the port can cause them."""


def client_address(request: HttpRequest) -> str:
    """Return the address of the browser."""
    return address_of(request.META)


def address_of(environ: Mapping[str, Any]) -> str:
    """Return the address of the browser from a WSGI environment (PEP 3333).

    X-Forwarded-For is read only where the peer is a listed proxy, and then from the right: the first address that is
    not itself a listed proxy. Reading stops at an unreadable entry, so that a forged one has no effect.
    """
    peer: str = environ.get("REMOTE_ADDR") or ""
    address = _address(peer)
    if address is None:
        return peer
    forwarded: str = environ.get("HTTP_X_FORWARDED_FOR") or ""
    hops = forwarded.rsplit(",", maxsplit=MOST_HOPS)[-MOST_HOPS:]
    if forwarded and not _is_trusted_proxy(address):
        _COMPLAINTS.about(address)
    while hops and _is_trusted_proxy(address):
        hop = _address(hops.pop())
        if hop is None:
            break
        address = hop
    return str(address)


class Complaints:
    """The log message that an unlisted proxy forwards addresses, limited in rate."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._not_before = 0.0

    def about(self, peer: IPv4Address | IPv6Address) -> None:
        """Log that an unlisted peer forwards an address, unless this was logged lately."""
        with self._lock:
            now = self._clock()
            if now < self._not_before:
                return
            self._not_before = now + SAY_AGAIN_SECONDS
        logger.error(
            "X-Forwarded-For ignored: %s is not in WATCHWORD_TRUSTED_PROXIES. If that is your proxy, list it: all "
            "browsers behind it look like one until then.",
            peer,
            extra=log_event("web.proxy.untrusted"),
        )


_COMPLAINTS = Complaints()


def _address(hop: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a proxy wrote: bare, with a port, or in brackets; None if it is anything else."""
    bare = hop.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        # A zone is free text that names an interface of the proxy, so it is no use here.
        return None if address.scope_id is not None else address.ipv4_mapped or address
    return address


def _is_trusted_proxy(address: IPv4Address | IPv6Address) -> bool:
    return any(address in ip_network(network) for network in settings.WATCHWORD_TRUSTED_PROXIES)
