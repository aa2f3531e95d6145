"""Credentials of all people at once: for the access list, and for a database that was restored from a backup."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from watchword.core.policy import FactorKind
from watchword.factors.models import Credential

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class ValidCredential:
    """A credential that is neither revoked nor suspended; a paused one is, and proves nothing until resumed."""

    id: UUID
    user_id: UUID
    kind: FactorKind
    label: str
    is_paused: bool


def valid_credentials() -> Iterator[ValidCredential]:
    """Yield every credential that is neither revoked nor suspended."""
    rows = Credential.objects.filter(revoked_at=None, suspended_at=None).order_by("user_id", "created_at")
    columns = rows.values_list("pk", "user_id", "kind", "label", "paused_at")
    for pk, user_id, kind, label, paused_at in columns.iterator(chunk_size=AT_ONCE):
        yield ValidCredential(pk, user_id, FactorKind(kind), label, paused_at is not None)


def revoke_many(ids: Collection[UUID], *, because: str, now: datetime) -> None:
    """Turn these credentials into tombstones, whoever has them."""
    for some in _portions(ids):
        Credential.objects.filter(pk__in=some, revoked_at=None).update(revoked_at=now, revoked_because=because)


def pause_many(ids: Collection[UUID], *, now: datetime) -> None:
    """Pause these credentials, whoever has them; those that are paused already stay as they are."""
    for some in _portions(ids):
        Credential.objects.filter(pk__in=some, revoked_at=None, paused_at=None).update(paused_at=now)


def _portions(ids: Collection[UUID]) -> Iterator[list[UUID]]:
    every = list(ids)
    for first in range(0, len(every), AT_ONCE):
        yield every[first : first + AT_ONCE]
