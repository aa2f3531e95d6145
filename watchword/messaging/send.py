"""Put messages into the outbox, within the caller's transaction and without waiting for a gateway.

The commit wakes `watchword serve phones`, which sends the message. A rollback leaves no message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from watchword.audit.notifications import Topic, notify
from watchword.core.policy import Channel
from watchword.directory.models import User
from watchword.messaging.gateway import Outgoing, Result, may_follow
from watchword.messaging.limits.counters import CountedTelephone
from watchword.messaging.limits.daily_totals import add
from watchword.messaging.models import Delivery
from watchword.messaging.worker import outbox


def channels_carried() -> frozenset[Channel]:
    """Return the channels that have at least one gateway."""
    return frozenset(settings.WATCHWORD_PHONES.channels)


def new_delivery(user: User, telephone: CountedTelephone, channel: Channel, purpose: str, *, now: datetime) -> Delivery:
    """Write the row of a message to a user's telephone, before the message itself, and return it."""
    return Delivery.objects.create(
        organisation_id=user.organisation_id,
        user=user,
        channel=channel,
        purpose=purpose,
        **telephone.row(),
        created_at=now,
        changed_at=now,
    )


def enqueue(outgoing: Outgoing, *, now: datetime) -> None:
    """Write a message into the outbox within the caller's transaction; its commit wakes the dispatcher.

    The message is committed together with its code and its ``Delivery``, or not at all.
    """
    outbox.put(outgoing, now=now)
    notify(Topic.MESSAGES)
    # Robust: a dispatcher that could not be woken polls the outbox anyway, and the commit must not end in an error.
    transaction.on_commit(outbox.wake, robust=True)


@dataclass(frozen=True, slots=True)
class Noted:
    """A new result of one delivery. ``gateway`` took it, with its message id ``reference`` and its price."""

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
    """Store and count the result of a delivery; return False if the stored result is already more specific."""
    return note_results([Noted(delivery_id, result, gateway, reference, cost_micros)], now=now)[0]


def note_results(noted: Sequence[Noted], *, now: datetime) -> list[bool]:
    """Store the results of deliveries in this order and count them; return for each whether it was new.

    Lock order, which prevents deadlocks: first all ``Delivery`` rows by primary key, then the ``DailyTotal`` rows in
    sorted order. Each ``Delivery`` row is updated once: PostgreSQL checks the foreign keys of a row that one
    transaction updates twice, and that check waits for the lock on the user's row, whose holder may wait for a
    ``DailyTotal`` row.
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
"""Key of a daily total: organisation, day, country, channel, and whether to new numbers."""


def _take_over(one: Noted, row: Delivery, counted: dict[_Place, Counter[str]], now: datetime) -> bool:
    """Update a row by a new result and add to the counts; return whether the result was new."""
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
    """Write the changed columns of locked rows; plain SQL, because this is the dispatcher's most frequent query."""
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
