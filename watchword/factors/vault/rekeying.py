"""What happens to what people hold when a key of the ring goes: sealed again, moved, or revoked."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from watchword.audit.sealed_columns import SealedColumn
from watchword.core.policy import FactorKind
from watchword.factors.models import Credential
from watchword.factors.vault.store import key_ring

UNKNOWN_KEY = ""
"""The key of a look-up that was made before keys were noted."""


def _void_phones(rows: QuerySet[Any], now: datetime) -> None:
    rows.filter(revoked_at=None).update(revoked_at=now, revoked_because="key_lost")
    rows.update(secret=b"")


SEALED = SealedColumn(
    words="telephone numbers that are registered",
    model=Credential,
    field="secret",
    purpose=f"factors.{FactorKind.PHONE}",
    void=_void_phones,
    rows=lambda: Credential.objects.filter(kind=FactorKind.PHONE).exclude(secret=b""),
)


def move_lookups(moves: Iterable[tuple[UUID, bytes]]) -> None:
    """Let app passwords be found by the newest key from now on: their letters were just shown."""
    for credential_id, lookup in moves:
        Credential.objects.filter(pk=credential_id).update(lookup=lookup, lookup_key=key_ring().keys[0].id)


def app_passwords_under(key_id: str) -> int:
    """Return how many app passwords that work can only be found by this key, or by one that is not known."""
    return _app_passwords([key_id, UNKNOWN_KEY]).count()


def revoke_app_passwords_under(key_ids: Collection[str], *, because: str, now: datetime) -> set[UUID]:
    """Revoke the app passwords that only these keys find, and return their people's ids.

    Those of an unknown key go too: on a ring that lost one they may be anybody's.
    """
    rows = _app_passwords([*key_ids, UNKNOWN_KEY])
    people = set(rows.values_list("user_id", flat=True))
    rows.update(revoked_at=now, revoked_because=because)
    return people


def people_with(pks: Collection[object]) -> set[UUID]:
    """Return the ids of the people who hold these rows."""
    return set(Credential.objects.filter(pk__in=list(pks)).values_list("user_id", flat=True))


def _app_passwords(key_ids: Collection[str]) -> QuerySet[Credential]:
    return Credential.objects.filter(kind=FactorKind.APP_PASSWORD, revoked_at=None, lookup_key__in=key_ids)
