"""Webhook URLs of one message, or of one gateway: only the provider knows them, and they are valid for nothing else.

They are short, because some providers accept at most a hundred characters.
"""

from __future__ import annotations

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

from django.conf import settings

from watchword.core.keyring import KeyRing

_MESSAGE = "receipts.address"
_GATEWAY = "receipts.channel"
_OCTETS = 16
"""Length of a token: 128 bits."""


def name_of(delivery_id: UUID) -> str:
    """Return the delivery id as it appears in a URL: 22 letters."""
    return _letters(delivery_id.bytes)


def delivery_of(name: str) -> UUID | None:
    """Return the delivery id for its form in a URL; None if it is malformed."""
    try:
        delivery_id = UUID(bytes=urlsafe_b64decode(f"{name}=="))
    except (binascii.Error, ValueError):
        return None
    # Several base64 spellings decode to the same octets; we accept only ours.
    return delivery_id if name_of(delivery_id) == name else None


def token_of(gateway: str, delivery_id: UUID) -> str:
    """Return the token that makes the webhook URL of one message unguessable."""
    mac: bytes = settings.WATCHWORD_KEY_RING.mac(_MESSAGE, f"{gateway}:{delivery_id}".encode())
    return _letters(mac[:_OCTETS])


def is_token(gateway: str, delivery_id: UUID, token: str) -> bool:
    """Return whether we made a message's webhook token, under any key that is still known."""
    return _is_ours(_MESSAGE, f"{gateway}:{delivery_id}", token)


def addresses_of(gateway: str, delivery_id: UUID) -> tuple[str, str]:
    """Return the webhook URL for receipts of a message, and the one from which its call fetches what to say."""
    path = f"{gateway}/{name_of(delivery_id)}/{token_of(gateway, delivery_id)}"
    base = f"{settings.WATCHWORD_PUBLIC_URL}/gateways/{path}/"
    return base, f"{base}voice/"


def gateway_path(gateway: str, ring: KeyRing) -> str:
    """Return the path of the one webhook that may take all receipts of a gateway. It does not change."""
    return f"/gateways/{gateway}/{_letters(ring.mac(_GATEWAY, gateway.encode())[:_OCTETS])}/"


def is_gateway_token(gateway: str, token: str) -> bool:
    """Return whether we made a gateway's webhook token, under any key that is still known."""
    return _is_ours(_GATEWAY, gateway, token)


def _is_ours(purpose: str, about: str, token: str) -> bool:
    given = token.encode("utf-8", "replace")
    macs = settings.WATCHWORD_KEY_RING.macs(purpose, about.encode())
    return any(hmac.compare_digest(given, _letters(mac[:_OCTETS]).encode()) for mac in macs)


def _letters(octets: bytes) -> str:
    return urlsafe_b64encode(octets).decode().rstrip("=")
