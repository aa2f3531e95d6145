"""Which redirect addresses may be registered, and which of them a request may use."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit, urlunsplit

LONGEST = 2_000
_CUSTOM_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+")
"""RFC 8252 section 7.1: a private-use scheme is a domain name in reverse order, so it has a dot."""
_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1"})


def is_registered(uri: str, registered: Collection[str], *, is_native: bool) -> bool:
    """Return whether a redirect URI is one of the registered ones: the same string (RFC 9700 section 2.1).

    For a native app the port of a loopback address may differ (RFC 8252 section 7.3): it takes one that is free.
    """
    if uri in registered or not is_native:
        return uri in registered
    without_port = _loopback_without_port(uri)
    return without_port is not None and any(_loopback_without_port(each) == without_port for each in registered)


def is_loopback(uri: str) -> bool:
    """Return whether a redirect URI leads to a program on the person's own machine."""
    return _loopback_without_port(uri) is not None


def is_web(uri: str) -> bool:
    """Return whether a redirect URI is one of a web server (and not of a program on the person's own machine)."""
    return urlsplit(uri).scheme in {"http", "https"} and not is_loopback(uri)


def why_not_registrable(uri: str, *, is_public: bool) -> str:
    """Return the reason, in one word, why a redirect URI can't be registered; empty if it can.

    RFC 6749 section 3.1.2 wants an absolute URI without a fragment. Plain http goes to this machine only (a loopback
    address, as the demo and tests use); a private-use scheme belongs to native apps.
    """
    if (
        not uri
        or len(uri) > LONGEST
        or not uri.isascii()
        or not uri.isprintable()
        or any(sign in uri for sign in ' \\"<>^`{|}*')
    ):
        return "characters"
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "address"
    if "#" in uri:
        return "fragment"
    if parts.scheme in {"http", "https"}:
        return _why_not_web(parts.scheme, parts.netloc, host, port)
    if not _CUSTOM_SCHEME.fullmatch(parts.scheme):
        return "scheme"
    return "" if is_public else "scheme_of_native_app"


def _why_not_web(scheme: str, netloc: str, host: str | None, port: int | None) -> str:
    if not host or "@" in netloc or port == 0:
        return "address"
    if netloc.rpartition("@")[2] != netloc.lower():
        return "upper_case"
    if scheme == "https":
        return ""
    return "" if host in _LOOPBACK_HOSTS or host == "localhost" or _is_loopback_address(host) else "plain_http"


def _is_loopback_address(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _loopback_without_port(uri: str) -> str | None:
    """Return a loopback redirect URI without its port; None for any other URI."""
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return None
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK_HOSTS or "@" in parts.netloc or "#" in uri:
        return None
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else str(parts.hostname)
    return urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
