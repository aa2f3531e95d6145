"""The request that a proxy asks about, read from the headers of that proxy alone.

A browser can send any header, and a proxy replaces only its own: nginx leaves an ``X-Forwarded-Uri`` of the browser as
it is, Caddy an ``X-Original-URL``. So each proxy asks at an address of its own, where only its headers count.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[0-9]{1,5})?")
_METHOD = re.compile(r"[A-Z]{1,20}")


@dataclass(frozen=True, slots=True)
class ProxiedRequest:
    """What the browser asked for: method, host as it is registered, and the target with its query."""

    method: str
    host: str
    target: str

    @property
    def is_navigation(self) -> bool:
        """Return whether a redirect to the sign-in makes sense."""
        return self.method in {"GET", "HEAD"}


def read(proxy: str, environ: Mapping[str, Any]) -> ProxiedRequest | None:
    """Return the request that a proxy of this kind asks about; None if its headers are missing or make no sense."""
    reader = _READERS.get(proxy)
    return reader(environ) if reader is not None else None


def _from_nginx(environ: Mapping[str, Any]) -> ProxiedRequest | None:
    try:
        parts = urlsplit(environ.get("HTTP_X_ORIGINAL_URL") or "")
    except ValueError:
        return None
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    return _checked(environ.get("HTTP_X_ORIGINAL_METHOD") or "", parts.netloc, target, parts.scheme)


def _from_forwarded(environ: Mapping[str, Any]) -> ProxiedRequest | None:
    return _checked(
        environ.get("HTTP_X_FORWARDED_METHOD") or "",
        environ.get("HTTP_X_FORWARDED_HOST") or "",
        environ.get("HTTP_X_FORWARDED_URI") or "",
        environ.get("HTTP_X_FORWARDED_PROTO") or "",
    )


def _checked(method: str, host: str, target: str, scheme: str) -> ProxiedRequest | None:
    host = host.lower()
    default = {"https": ":443", "http": ":80"}.get(scheme)
    if default is not None and host.endswith(default):
        host = host.removesuffix(default)
    if default is None or not _HOST.fullmatch(host) or not _METHOD.fullmatch(method) or not target.startswith("/"):
        return None
    return ProxiedRequest(method, host, target)


_READERS: Mapping[str, Callable[[Mapping[str, Any]], ProxiedRequest | None]] = {
    "nginx": _from_nginx,
    "caddy": _from_forwarded,
    "traefik": _from_forwarded,
}
PROXIES = tuple(_READERS)
