"""Which web address the operator may give to people."""

import ipaddress
from urllib.parse import urlsplit


def wrong_with_public_url(text: str) -> str | None:
    """Why this can't be the address that people type, or None if it can."""
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        return "is not a web address"
    if url.scheme not in ("https", "http") or not url.hostname:
        return "is not a web address"
    if url.username is not None or url.password is not None:
        return "holds a user name or password"
    if url.path or url.query or url.fragment:
        return "has something after the host and port"
    if url.scheme == "http" and not is_loopback(url.hostname):
        return "begins with http:// though its host is not this machine (use https://)"
    return None


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine (RFC 6761 section 6.3 for names)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
