"""The dispatcher's database queries. All of them run in the one thread that has its connection."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import (
    DatabaseError,
    InterfaceError,
    close_old_connections,
    connection,
    transaction,
)
from django.db.models import Count, Q

from watchword.audit.retries import UNAVAILABLE, cause_of
from watchword.core.database_errors import database_trouble
from watchword.core.log_events import log_event
from watchword.messaging.gateway import Condition, LeasedMessage, Report, Result
from watchword.messaging.models import DeliveryAttempt, GatewayState
from watchword.messaging.send import Noted, note_results
from watchword.messaging.worker import outbox
from watchword.messaging.worker.delivery_receipts import (
    Changed,
    DeliveryOutcome,
    apply_strays,
    forget_old,
    note_outcomes,
    note_reports,
)
from watchword.messaging.worker.message_ids import as_stored
from watchword.messaging.worker.route_selection import Measured

logger = logging.getLogger(__name__)

MEASURED_OVER = timedelta(hours=1)
HAS_HAD_TIME = timedelta(seconds=90)
"""A younger message may still arrive, so it says nothing about its gateway yet."""
RETRY_SECONDS = 1.0
_ARRIVED = [result.value for result in Result if result.has_arrived]


@dataclass(frozen=True, slots=True)
class Finished:
    """A message that left the outbox: a gateway took it, or it was given up."""

    delivery_id: UUID
    result: Result
    gateway: str
    reference: str
    cost_micros: int
    fetches_voice_script: bool = False
    """The provider will fetch what the call says."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is written together: results since the last write."""

    outcomes: Sequence[DeliveryOutcome] = ()
    finished: Sequence[Finished] = ()
    again: Sequence[tuple[UUID, datetime]] = ()
    reports: Sequence[Report] = ()


@dataclass(frozen=True, slots=True)
class RecentResults:
    """Results by gateway and country (``""``: all countries), and how many messages each gateway took today."""

    measured: Mapping[tuple[str, str], Measured] = field(default_factory=dict)
    carried_today: Mapping[str, int] = field(default_factory=dict)


def claim(clock: Callable[[], datetime], at_most: int) -> list[LeasedMessage]:
    """Lease messages from the outbox; the lease begins now and not when the dispatcher asked for it.

    Return an empty list when the database is unavailable.
    """
    close_old_connections()
    try:
        return outbox.claim(now=clock(), at_most=min(at_most, outbox.BATCH_SIZE))
    except (DatabaseError, InterfaceError) as error:
        trouble = database_trouble(error)
        logger.warning("outbox not read", extra=log_event("messaging.outbox.deferred", trouble=trouble))
        connection.close()
        return []


def write(batch: Batch, decided: Callable[[Changed], None], now: datetime) -> None:
    """Write a batch, with retries until it is written: gateways report only once.

    What left the outbox is committed before receipts are processed: until then a killed process would send it again.
    """
    changed: list[Changed] = []
    for half in (replace(batch, reports=()), Batch(reports=batch.reports)):
        try:
            changed += _insist(partial(_write, half, now))
        except Exception:  # noqa: BLE001  (a row that can't be written must not block the rest)
            changed += [change for part in _parts(half) for change in _write_if_it_fits(part, now)]
    for change in changed:
        try:
            _insist(partial(decided, change))
        except Exception as error:  # noqa: BLE001  (as above)
            logger.error(
                "delivery result not applied to its sign-in",
                extra=log_event("messaging.result.error", trouble=cause_of(error), delivery=change.delivery_id),
            )


def _insist[Answer](act: Callable[[], Answer]) -> Answer:
    """Call ``act``, with retries while the database is unavailable; raise all other errors."""
    while True:
        try:
            return act()
        except UNAVAILABLE as error:
            trouble = database_trouble(error)
            logger.warning("delivery results deferred", extra=log_event("messaging.result.deferred", trouble=trouble))
            connection.close()
            time.sleep(RETRY_SECONDS)


def _write(batch: Batch, now: datetime) -> list[Changed]:
    with transaction.atomic():
        early = note_outcomes(batch.outcomes, now=now)
        finished = [
            Noted(one.delivery_id, one.result, one.gateway or None, as_stored(one.reference), one.cost_micros)
            for one in batch.finished
        ]
        news = note_results([*finished, *early], now=now)
        outbox.done(one.delivery_id for one in batch.finished if not one.fetches_voice_script)
        outbox.keep_for_speaking(one.delivery_id for one in batch.finished if one.fetches_voice_script)
        outbox.have_arrived({one.delivery_id for one in early if one.result.has_arrived})
        for delivery_id, at in batch.again:
            outbox.later(delivery_id, at=at)
        moved = [
            one for one, is_news in zip(finished, news, strict=False) if is_news and one.result is Result.SIM_CHANGED
        ]
        return [*(Changed(one.delivery_id, one.result) for one in moved), *note_reports(batch.reports, now=now)]


def _write_if_it_fits(part: Batch, now: datetime) -> list[Changed]:
    try:
        return _insist(lambda: _write(part, now))
    except Exception as error:  # noqa: BLE001  (as above)
        # For example, the user was deleted meanwhile: then the result has no sign-in that it could be applied to.
        logger.warning(
            "delivery result dropped",
            extra=log_event("messaging.result.dropped", trouble=cause_of(error), **_ids(part)),
        )
        return []


def _ids(part: Batch) -> dict[str, UUID]:
    """Return the delivery that a batch of one is about, where it is known; a receipt may have only the gateway's id."""
    known = [
        *(one.delivery_id for one in part.outcomes),
        *(one.delivery_id for one in part.finished),
        *(delivery_id for delivery_id, _at in part.again),
        *(one.delivery_id for one in part.reports if one.delivery_id is not None),
    ]
    return {"delivery": known[0]} if known else {}


def _parts(batch: Batch) -> Iterator[Batch]:
    """Yield a batch as batches of one, in the order in which they are written."""
    yield from (Batch(outcomes=[one]) for one in batch.outcomes)
    yield from (Batch(finished=[one]) for one in batch.finished)
    yield from (Batch(again=[one]) for one in batch.again)
    yield from (Batch(reports=[one]) for one in batch.reports)


def give_back(delivery_ids: Sequence[UUID], at: datetime) -> None:
    """Release messages that this dispatcher will not send: from ``at`` on any dispatcher may claim them."""
    try:
        outbox.release(delivery_ids, at=at)
    except (DatabaseError, InterfaceError) as error:
        # Otherwise the lease ends in half a minute.
        trouble = database_trouble(error)
        logger.warning("outbox leases not released", extra=log_event("messaging.outbox.not_released", trouble=trouble))


def measure(names: Sequence[str], now: datetime) -> RecentResults:
    """Return the recent results of each gateway; also apply stray receipts and delete old rows."""
    try:
        apply_strays(now=now)
        forget_old(now=now)
        outbox.forget_spoken(now=now)
        rows = DeliveryAttempt.objects.filter(gateway__in=names, at__gt=now - MEASURED_OVER, at__lte=now - HAS_HAD_TIME)
        counted = rows.exclude(reference="", result=Result.BAD_NUMBER).values("gateway", "country")
        measured: dict[tuple[str, str], Measured] = {}
        arrived = Count("pk", filter=Q(result__in=_ARRIVED) | Q(delivery__entered_at__isnull=False))
        for row in counted.annotate(taken=Count("pk"), arrived=arrived):
            measured[row["gateway"], row["country"]] = Measured(row["taken"], row["arrived"])
        for name in names:
            mine = [value for (gateway, _country), value in measured.items() if gateway == name]
            measured[name, ""] = Measured(sum(one.taken for one in mine), sum(one.arrived for one in mine))
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        sent = DeliveryAttempt.objects.filter(gateway__in=names, at__gte=today).exclude(reference="")
        carried = dict(sent.values_list("gateway").annotate(Count("pk")))
        return RecentResults(measured, {name: carried.get(name, 0) for name in names})
    except (DatabaseError, InterfaceError) as error:
        trouble = database_trouble(error)
        logger.warning("gateway statistics not read", extra=log_event("messaging.statistics.deferred", trouble=trouble))
        connection.close()
        return RecentResults()


def note_states(states: Mapping[str, tuple[Condition, bool]], now: datetime) -> None:
    """Store the condition of the gateways, for the administrator's page."""
    try:
        for name, (condition, is_closed) in states.items():
            before = GatewayState.objects.filter(pk=name).first()
            same = before is not None and (before.is_up, before.is_open) == (condition.is_up, is_closed)
            GatewayState.objects.update_or_create(
                name=name,
                defaults={
                    "is_up": condition.is_up,
                    "words": condition.words[:200],
                    "is_open": is_closed,
                    "seen_at": now,
                    "changed_at": before.changed_at if before is not None and same else now,
                },
            )
    except (DatabaseError, InterfaceError) as error:
        trouble = database_trouble(error)
        logger.warning("gateway states not written", extra=log_event("messaging.state.deferred", trouble=trouble))
        connection.close()


def close() -> None:
    """Close the connection of this thread."""
    connection.close()
