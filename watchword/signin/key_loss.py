"""What people hold, as the command that retires or gives up a key needs it: only this room opens the vault."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from watchword.factors import vault

PHONES = vault.SEALED
"""The column of registered telephone numbers."""


def app_passwords_under(key_id: str) -> int:
    """Return how many working app passwords can only be found by a key."""
    return vault.app_passwords_under(key_id)


def revoke_app_passwords_under(key_ids: Collection[str], *, because: str, now: datetime) -> set[UUID]:
    """Revoke the app passwords that only these keys find; return their people's ids."""
    return vault.revoke_app_passwords_under(key_ids, because=because, now=now)


def people_with(pks: Collection[object]) -> set[UUID]:
    """Return the ids of the people who hold these things."""
    return vault.people_with(pks)
