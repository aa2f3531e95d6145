"""Contact addresses in events: sealed, because events are stored for ever and read by many people."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings

_PURPOSE = "directory.contact"
_RECIPIENTS = "earlier_recipients"


def sealed_contact(address: str) -> str:
    """Return an address in the sealed form that an event stores, for the one warning that is sent to it."""
    sealed: bytes = settings.WATCHWORD_KEY_RING.seal(_PURPOSE, address.encode())
    return sealed.hex()


def earlier_contact(details: Mapping[str, object]) -> str | None:
    """Return the contact address before an edit, from the details of its event; None if it did not change."""
    sealed = details.get("earlier_contact")
    if not isinstance(sealed, str):
        return None
    opened: bytes = settings.WATCHWORD_KEY_RING.open(_PURPOSE, bytes.fromhex(sealed))
    return opened.decode()


def remembered_recipients(addresses: str) -> dict[str, str]:
    """Return an event's details with the previous recipients of alerts, for the mail that tells them of the change."""
    return {_RECIPIENTS: sealed_contact(addresses)}


def earlier_recipients(details: Mapping[str, object]) -> list[str]:
    """Return the recipients of alerts before a change, from the details of its event; empty if they did not change."""
    sealed = details.get(_RECIPIENTS)
    if not isinstance(sealed, str):
        return []
    opened: bytes = settings.WATCHWORD_KEY_RING.open(_PURPOSE, bytes.fromhex(sealed))
    return opened.decode().split()
