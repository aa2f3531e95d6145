"""The addresses that a provider is told for one message: nobody else knows them, and they open nothing else."""

from __future__ import annotations

import hmac
from uuid import UUID

from django.conf import settings

_LENGTH = 32
"""Hexadecimal digits, 128 bits."""


def token_of(channel: str, delivery_id: UUID) -> str:
    """Return what makes the address of one message unguessable."""
    mac: bytes = settings.WATCHWORD_KEY_RING.mac("receipts.address", f"{channel}:{delivery_id}".encode())
    return mac.hex()[:_LENGTH]


def is_token(channel: str, delivery_id: UUID, token: str) -> bool:
    """Whether an address was made by us, under any key that is still known."""
    macs = settings.WATCHWORD_KEY_RING.macs("receipts.address", f"{channel}:{delivery_id}".encode())
    given = token.encode("utf-8", "replace")
    return any(hmac.compare_digest(given, mac.hex()[:_LENGTH].encode()) for mac in macs)


def addresses_of(channel: str, delivery_id: UUID) -> tuple[str, str]:
    """Return where receipts of a message go, and where a call asks what to say."""
    base = f"{settings.WATCHWORD_PUBLIC_URL}/carriers/{channel}/{delivery_id}/{token_of(channel, delivery_id)}/"
    return base, f"{base}voice/"
