"""The URLs of pages for use outside of the browser: in mails, on paper and on a console."""

from __future__ import annotations

from django.conf import settings
from django.urls import reverse


def public_address(name: str, *arguments: object) -> str:
    """Return the full public URL of a page, from its name and arguments."""
    return str(settings.WATCHWORD_PUBLIC_URL).rstrip("/") + reverse(name, args=arguments)


def link_address(name: str, code: str) -> str:
    """Return the full one-time link of a page: the code is the fragment, which no request has (RFC 9110, 4.2.5)."""
    return f"{public_address(name)}#{code}"
