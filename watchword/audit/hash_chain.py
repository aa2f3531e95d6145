"""Seals events in a hash chain, so that a row that is changed or deleted later is detected.

A seal is a MAC over the events since the previous seal and that seal's digest, with a key that is not in the database.
Events younger than the last seal (a second or so, while a worker runs) are not protected yet. An attacker who deletes
the newest seals together with their events is detected only by comparison with a digest stored elsewhere:
``watchword verify`` prints the last digest, and ``--expect`` compares it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max

from watchword.audit.models import Event, Seal
from watchword.core.codes import same

PURPOSE = "audit.seal"
LONGEST_RUN = 10_000
"""The most events under one seal, so that each transaction stays short after a long pause too."""

_FIELDS = tuple(field.attname for field in Event._meta.concrete_fields)


@dataclass(frozen=True, slots=True)
class Chain:
    """The result of checking the whole chain."""

    problems: tuple[str, ...]
    sealed: int
    unsealed: int
    last_digest: str


def seal(*, now: datetime) -> int:
    """Seal the events since the last seal, at most LONGEST_RUN, and return their number.

    Call it outside a transaction.
    """
    number = 0
    with transaction.atomic():
        newest = _newest_committed()
        last = Seal.objects.order_by("-id").first()
        if last is not None and last.last_id >= newest:
            return 0
        after = last.last_id if last is not None else 0
        rows = list(
            Event.objects.filter(id__gt=after, id__lte=newest).order_by("id")[:LONGEST_RUN].values_list(*_FIELDS)
        )
        if not rows:
            return 0
        digest = settings.WATCHWORD_KEY_RING.mac(PURPOSE, _content(last, iter(rows)))
        number = len(rows)
        Seal.objects.create(first_id=rows[0][0], last_id=rows[-1][0], number=number, digest=digest, at=now)
    return number


def start_anew(*, now: datetime) -> str:
    """Seal every event again, from the first one, with the newest key; return the last digest of the previous chain.

    For a key that is retired, because an attacker who knows it could forge its seals. Call it outside a transaction.
    If it is interrupted, the worker seals the remaining events.
    """
    last = Seal.objects.order_by("-id").first()
    Seal.objects.all().delete()
    while seal(now=now):
        pass
    return bytes(last.digest).hex() if last is not None else ""


def look(*, newest: int | None = None) -> Chain:
    """Check every seal against its events, or only the newest ones, and return the problems found."""
    problems: list[str] = []
    before: Seal | None = None
    sealed = 0
    seals = Seal.objects.order_by("id")
    if newest is not None and (first := seals.reverse()[newest : newest + 1].first()) is not None:
        before, seals = first, seals.filter(id__gt=first.pk)
    for this in seals.iterator():
        after = before.last_id if before is not None else 0
        run = Event.objects.filter(id__gt=after, id__lte=this.last_id).order_by("id")
        number = run.count()
        if number != this.number:
            problems.append(f"{this}: {this.number} were sealed, {number} are there")
        else:
            content = _content(before, run.values_list(*_FIELDS).iterator())
            if not any(same(bytes(this.digest), mac) for mac in settings.WATCHWORD_KEY_RING.macs(PURPOSE, content)):
                problems.append(f"{this}: the seal is broken; an event or a seal was changed")
        sealed += number
        before = this
    unsealed = Event.objects.filter(id__gt=before.last_id if before is not None else 0).count()
    return Chain(tuple(problems), sealed, unsealed, bytes(before.digest).hex() if before is not None else "")


def _newest_committed() -> int:
    """Return the newest id for which every event up to it is committed or was rolled back."""
    if connection.vendor == "postgresql":
        # Ids are assigned before the commit, so a lower id can appear later: the lock waits for running writers.
        with connection.cursor() as cursor:
            # One worker seals at a time: two would seal the same events, and one of them fail.
            cursor.execute(f"LOCK TABLE {Seal._meta.db_table} IN SHARE ROW EXCLUSIVE MODE")
            cursor.execute(f"LOCK TABLE {Event._meta.db_table} IN SHARE MODE")
    return Event.objects.aggregate(newest=Max("id"))["newest"] or 0


def _content(before: Seal | None, rows: Iterator[tuple[Any, ...]]) -> bytes:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(row, default=_plain, sort_keys=True, separators=(",", ":")).encode())
        digest.update(b"\n")
    return (bytes(before.digest) if before is not None else b"") + digest.digest()


def _plain(value: object) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)
