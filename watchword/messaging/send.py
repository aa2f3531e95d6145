"""Where a page leaves a message: in the outbox, within its own transaction, never waiting for a carrier.

The commit wakes `watchword serve phones`, which carries it. A message whose transaction rolls back was never there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from watchword.core.policy import Channel
from watchword.messaging.gateway import Outgoing, Result, may_follow
from watchword.messaging.limits.daily_totals import add
from watchword.messaging.models import Delivery
from watchword.messaging.worker import outbox


def channels_carried() -> frozenset[Channel]:
    """Return the ways for which there is any carrier."""
    return frozenset(settings.WATCHWORD_PHONES.channels)


def enqueue(outgoing: Outgoing, *, now: datetime) -> None:
    """Write a message into the outbox within the caller's transaction; its commit wakes the dispatcher.

    The message and what belongs to it (its code, its ``Delivery``) are there together, or neither is.
    """
    outbox.put(outgoing, now=now)
    # Robust: a dispatcher that could not be woken finds the row by itself, and what was committed is no error any more.
    transaction.on_commit(outbox.wake, robust=True)


@dataclass(frozen=True, slots=True)
class Noted:
    """Something new about one delivery. ``channel`` is who took it, with its name for it and its price."""

    delivery_id: UUID
    result: Result
    gateway: str | None = None
    reference: str = ""
    cost_micros: int = 0


def note_result(
    delivery_id: UUID,
    result: Result,
    *,
    now: datetime,
    gateway: str | None = None,
    reference: str = "",
    cost_micros: int = 0,
) -> bool:
    """Write what became of a delivery and count it; False if what is known already says more."""
    return note_results([Noted(delivery_id, result, gateway, reference, cost_micros)], now=now)[0]


def note_results(noted: Sequence[Noted], *, now: datetime) -> list[bool]:
    """Write what became of deliveries, in this order, and count it; return of each whether it was news.

    All rows are locked before the tallies are, in one order, and each is written once: PostgreSQL looks at the keys of
    a row that one transaction changes twice, and that would wait for whoever has locked the person, who may be waiting
    for the tally.
    """
    with transaction.atomic():
        locked = Delivery.objects.select_for_update().filter(pk__in={one.delivery_id for one in noted})
        rows = {row.pk: row for row in locked.order_by("pk")}
        counted: dict[_Place, Counter[str]] = {}
        news = []
        for one in noted:
            row = rows.get(one.delivery_id)
            news.append(row is not None and _take_over(one, row, counted, now))
        changed = {
            one.delivery_id for one, is_news in zip(noted, news, strict=True) if is_news or one.gateway is not None
        }
        _write([row for row in rows.values() if row.pk in changed])
        for place, more in sorted(counted.items()):
            add(*place[:2], place[2], Channel(place[3]), is_new=place[4], **dict[str, int](more))
    return news


type _Place = tuple[int, datetime, str, str, bool]
"""Whose numbers of which day, country and way, and whether to new numbers."""


def _take_over(one: Noted, row: Delivery, counted: dict[_Place, Counter[str]], now: datetime) -> bool:
    """Change a row by what is new, and note what is to be counted; whether it was news."""
    more: Counter[str] = Counter()
    if one.gateway is not None:
        row.gateway, row.reference = one.gateway[:32], one.reference[:100]
        row.cost_micros += one.cost_micros
        more["cost_micros"] += one.cost_micros
    before = Result(row.result)
    is_news = may_follow(before, one.result, Channel(row.channel))
    if is_news:
        row.result, row.changed_at = one.result, now
        more["sent"] += before is Result.WAITING and (one.result is Result.SENT or one.result.has_arrived)
        more["arrived"] += one.result.has_arrived and not before.has_arrived
    if more := +more:
        day = row.created_at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        place = (row.organisation_id, day, row.country, row.channel, row.purpose == "register")
        counted.setdefault(place, Counter()).update(more)
    return is_news


_WRITTEN = frozenset({"gateway", "reference", "cost_micros", "result", "changed_at"})


def _write(rows: Sequence[Delivery]) -> None:
    """Write what may have changed in locked rows; plain SQL, because the dispatcher does nothing more often."""
    fields = [field for field in Delivery._meta.concrete_fields if field.name in _WRITTEN]
    key = Delivery._meta.pk
    table, columns = Delivery._meta.db_table, ", ".join(f"{field.column} = %s" for field in fields)
    values = [
        [
            *(field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields),
            key.get_db_prep_value(row.pk, connection),
        ]
        for row in rows
    ]
    if values:
        with connection.cursor() as cursor:
            cursor.executemany(f"UPDATE {table} SET {columns} WHERE {key.column} = %s", values)  # noqa: S608  (names of columns)
