"""Where a page hands a code: at once, on this machine, never waiting for a carrier.

Either a channel of this process takes it (the telephone on a page), or it goes into the queue of `watchword serve
phones`, whose dispatcher is woken up at once and not when a poll comes.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils.module_loading import import_string

from watchword.core.log_events import log_event
from watchword.core.policy import Channel
from watchword.messaging.gateway import DeliveryFailed, MessageSender, OutboxSender, Outgoing, Result, may_follow
from watchword.messaging.limits.daily_totals import add
from watchword.messaging.models import Delivery

logger = logging.getLogger(__name__)

HAND_OVER_SECONDS = 5.0
"""How long a page waits for a channel of its own process; the queue takes milliseconds."""


@cache
def all_gateways() -> tuple[MessageSender, ...]:
    """Return the installed channels in the order of settings.DELIVERY_CHANNELS."""
    return tuple(import_string(path)() for path in settings.DELIVERY_CHANNELS)


def channels_carried() -> frozenset[Channel]:
    """Return the ways for which there is any channel."""
    return frozenset(channel for gateway in all_gateways() for channel in gateway.channels)


def keep(outgoing: Outgoing, *, now: datetime) -> None:
    """Write a message down where the channel for its way does that within the caller's transaction.

    ``hand_over`` follows after the commit all the same.
    """
    if (keeping := _keeping(outgoing.channel)) is not None:
        keeping.keep(outgoing, now=now)


def hand_over(outgoing: Outgoing, *, now: datetime, was_stored: bool = False) -> Result:
    """Give a message to the first channel that takes it, note the outcome, and return it.

    Call this after the transaction that made the code was committed: a code that can't be checked must not arrive.
    ``was_kept``: ``keep`` was called within that transaction.
    """
    if was_stored and (keeping := _keeping(outgoing.channel)) is not None:
        keeping.wake()
        return Result.WAITING
    result, name, reference = Result.FAILED, "", ""
    for gateway in all_gateways():
        if outgoing.channel not in gateway.channels:
            continue
        name = gateway.name
        try:
            handed = gateway.send(outgoing, timeout_seconds=HAND_OVER_SECONDS)
            reference, result = handed.reference, handed.result
        except DeliveryFailed as failure:
            result = failure.result
            logger.warning(
                "delivery failed: %s",
                failure.result,
                extra=log_event("messaging.channel.failed", gateway=name, delivery=outgoing.delivery_id),
            )
            if failure.permanent:
                break
            continue
        break
    if result is not Result.WAITING:
        note_result(outgoing.delivery_id, result, now=now, gateway=name, reference=reference)
    return result


def _keeping(channel: Channel) -> OutboxSender | None:
    gateway = next((gateway for gateway in all_gateways() if channel in gateway.channels), None)
    return gateway if isinstance(gateway, OutboxSender) else None


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
