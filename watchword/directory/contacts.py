"""Contact addresses in events: sealed, because events are kept for ever and read by many."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings

_PURPOSE = "directory.contact"
_RECIPIENTS = "earlier_recipients"


def sealed_contact(address: str) -> str:
    """Return an address as an event keeps it, for the one warning that goes to it."""
    sealed: bytes = settings.WATCHWORD_KEY_RING.seal(_PURPOSE, address.encode())
    return sealed.hex()


def earlier_contact(details: Mapping[str, object]) -> str | None:
    """Return the contact address before an edit, from the event that remembers it; None where it did not change."""
    sealed = details.get("earlier_contact")
    if not isinstance(sealed, str):
        return None
    opened: bytes = settings.WATCHWORD_KEY_RING.open(_PURPOSE, bytes.fromhex(sealed))
    return opened.decode()


def remembered_recipients(addresses: str) -> dict[str, str]:
    """Return the list of who got alerts as an event keeps it, for the mail that tells them of the change."""
    return {_RECIPIENTS: sealed_contact(addresses)}


def earlier_recipients(details: Mapping[str, object]) -> list[str]:
    """Return who got alerts before the list was changed, from the event that remembers it."""
    sealed = details.get(_RECIPIENTS)
    if not isinstance(sealed, str):
        return []
    opened: bytes = settings.WATCHWORD_KEY_RING.open(_PURPOSE, bytes.fromhex(sealed))
    return opened.decode().split()
