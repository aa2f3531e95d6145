"""The addresses that a provider is told for one message: nobody else knows them, and they open nothing else.

They are short, because a provider may take no more than a hundred characters.
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
"""Of a token: 128 bits."""


def name_of(delivery_id: UUID) -> str:
    """Return the name of a message in an address: 22 letters."""
    return _letters(delivery_id.bytes)


def delivery_of(name: str) -> UUID | None:
    """Return the message that a name in an address stands for; None if it is no such name."""
    try:
        delivery_id = UUID(bytes=urlsafe_b64decode(f"{name}=="))
    except (binascii.Error, ValueError):
        return None
    # Several spellings mean the same octets; one of them is ours.
    return delivery_id if name_of(delivery_id) == name else None


def token_of(gateway: str, delivery_id: UUID) -> str:
    """Return what makes the address of one message unguessable."""
    mac: bytes = settings.WATCHWORD_KEY_RING.mac(_MESSAGE, f"{gateway}:{delivery_id}".encode())
    return _letters(mac[:_OCTETS])


def is_token(gateway: str, delivery_id: UUID, token: str) -> bool:
    """Whether an address was made by us, under any key that is still known."""
    return _is_ours(_MESSAGE, f"{gateway}:{delivery_id}", token)


def addresses_of(gateway: str, delivery_id: UUID) -> tuple[str, str]:
    """Return where receipts of a message go, and where a call asks what to say."""
    path = f"{gateway}/{name_of(delivery_id)}/{token_of(gateway, delivery_id)}"
    base = f"{settings.WATCHWORD_PUBLIC_URL}/gateways/{path}/"
    return base, f"{base}voice/"


def gateway_path(gateway: str, ring: KeyRing) -> str:
    """Return the path of the one address to which all receipts of a channel may come. It does not change."""
    return f"/gateways/{gateway}/{_letters(ring.mac(_GATEWAY, gateway.encode())[:_OCTETS])}/"


def is_gateway_token(gateway: str, token: str) -> bool:
    """Whether the address of a channel was made by us, under any key that is still known."""
    return _is_ours(_GATEWAY, gateway, token)


def _is_ours(purpose: str, about: str, token: str) -> bool:
    given = token.encode("utf-8", "replace")
    macs = settings.WATCHWORD_KEY_RING.macs(purpose, about.encode())
    return any(hmac.compare_digest(given, _letters(mac[:_OCTETS]).encode()) for mac in macs)


def _letters(octets: bytes) -> str:
    return urlsafe_b64encode(octets).decode().rstrip("=")
