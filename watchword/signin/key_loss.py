"""Access to credentials for the commands that retire or give up a key: only this package may use the vault."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from watchword.factors import vault

PHONES = vault.SEALED
"""The column of registered telephone numbers."""


def app_passwords_under(key_id: str) -> int:
    """Return how many working app passwords can be found only under one key."""
    return vault.app_passwords_under(key_id)


def revoke_app_passwords_under(key_ids: Collection[str], *, because: str, now: datetime) -> set[UUID]:
    """Revoke the app passwords that can be found only under these keys; return their owners' ids."""
    return vault.revoke_app_passwords_under(key_ids, because=because, now=now)


def people_with(pks: Collection[object]) -> set[UUID]:
    """Return the ids of the owners of these credentials."""
    return vault.people_with(pks)
