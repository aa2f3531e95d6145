"""Addresses of our pages as they are passed on: in mails, on paper and on a console."""

from __future__ import annotations

from django.conf import settings
from django.urls import reverse


def public_address(name: str, *arguments: object) -> str:
    """Return the whole address of a page, from its name and arguments, as people outside reach it."""
    return str(settings.WATCHWORD_PUBLIC_URL).rstrip("/") + reverse(name, args=arguments)
