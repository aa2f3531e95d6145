"""What happens to credentials when a key is removed from the ring: resealed, moved, or revoked."""

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
"""The key id of a look-up that was made before key ids were stored."""


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
    """Store app passwords under the newest key; this is possible because their letters were just presented."""
    for credential_id, lookup in moves:
        Credential.objects.filter(pk=credential_id).update(lookup=lookup, lookup_key=key_ring().keys[0].id)


def app_passwords_under(key_id: str) -> int:
    """Return how many working app passwords can be found only under this key, or under an unknown one."""
    return _app_passwords([key_id, UNKNOWN_KEY]).count()


def revoke_app_passwords_under(key_ids: Collection[str], *, because: str, now: datetime) -> set[UUID]:
    """Revoke the app passwords that can be found only under these keys, and return their owners' ids.

    Those under an unknown key are revoked too: on a ring that lost a key they may belong to the lost one.
    """
    rows = _app_passwords([*key_ids, UNKNOWN_KEY])
    people = set(rows.values_list("user_id", flat=True))
    rows.update(revoked_at=now, revoked_because=because)
    return people


def people_with(pks: Collection[object]) -> set[UUID]:
    """Return the ids of the owners of these rows."""
    return set(Credential.objects.filter(pk__in=list(pks)).values_list("user_id", flat=True))


def _app_passwords(key_ids: Collection[str]) -> QuerySet[Credential]:
    return Credential.objects.filter(kind=FactorKind.APP_PASSWORD, revoked_at=None, lookup_key__in=key_ids)
