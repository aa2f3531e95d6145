"""Reports of carriers become results of deliveries: late, twice, or before our own note of the handover."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from watchword.delivery import queue
from watchword.delivery.channel import Report, Result
from watchword.delivery.models import Handover, Receipt
from watchword.delivery.routing import Noted, note_results

KEPT = timedelta(days=1)
LOOKED_FOR = timedelta(minutes=10)
PORTION = 200
LONGEST_REFERENCE = 100
_NOT_SETTLED = [Result.SENT.value, Result.UNREACHABLE.value]
_MAY_GO_ON = [*_NOT_SETTLED, Result.DELIVERED.value]
"""What arrived does not become less by a report that comes late; of a call more becomes known."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One try to hand a delivery to one carrier."""

    delivery_id: UUID
    channel: str
    result: Result
    country: str
    reference: str = ""
    cost_micros: int = 0


@dataclass(frozen=True, slots=True)
class Changed:
    """A delivery of which something new is known."""

    delivery_id: UUID
    result: Result


def kept(reference: str) -> str:
    """Return a carrier's name for a message as it is stored: a database would choke on what a carrier can send."""
    return "".join(sign for sign in reference if sign.isprintable())[:LONGEST_REFERENCE]


def note_outcomes(outcomes: Sequence[Outcome], *, now: datetime) -> list[Noted]:
    """Write down handovers and return the receipts that were quicker than this note. The caller has a transaction."""
    Handover.objects.bulk_create(
        Handover(
            delivery_id=outcome.delivery_id,
            channel=outcome.channel,
            reference=kept(outcome.reference),
            result=outcome.result,
            country=outcome.country,
            cost_micros=outcome.cost_micros,
            at=now,
            changed_at=now,
        )
        for outcome in outcomes
    )
    taken = [outcome for outcome in outcomes if outcome.result is Result.SENT and outcome.reference]
    # By the carrier's name, or by ours where the receipt came by an address of ours.
    named = {(one.channel, name): one for one in taken for name in (str(one.delivery_id), kept(one.reference))}
    if not named:
        return []
    waiting = Receipt.objects.filter(reference__in={name for _channel, name in named}, is_applied=False)
    early = [receipt for receipt in waiting.order_by("at", "pk") if (receipt.channel, receipt.reference) in named]
    Receipt.objects.filter(pk__in=[receipt.pk for receipt in early]).update(is_applied=True)
    quick = [
        _Settled(one.delivery_id, receipt.channel, kept(one.reference), Result(receipt.result))
        for receipt in early
        for one in [named[receipt.channel, receipt.reference]]
    ]
    _settle_handovers(quick, now)
    return [Noted(one.delivery_id, one.result) for one in quick]


def note_reports(reports: Sequence[Report], *, now: datetime) -> list[Changed]:
    """Write down what carriers reported and return the deliveries of which something new is known by that."""
    if not reports:
        return []
    with transaction.atomic():
        found = _deliveries_of(reports)
        noted = _noted({report.delivery_id for report in reports if report.delivery_id is not None})
        first = _written_first(reports, found, noted, now)
        settled = [
            _Settled(delivery_id, report.channel, kept(report.reference), report.result)
            for report, delivery_id, is_first in zip(reports, found, first, strict=True)
            if is_first and delivery_id is not None
        ]
        return _apply(settled, now)


def apply_strays(*, now: datetime) -> int:
    """Apply receipts that were written by another process at the moment at which their handover was; how many."""
    with transaction.atomic():
        rows = list(Receipt.objects.filter(is_applied=False, at__gt=now - LOOKED_FOR).order_by("at")[:PORTION])
        reports = [Report(row.channel, row.reference, Result(row.result)) for row in rows]
        found = [(row, one) for row, one in zip(rows, _deliveries_of(reports), strict=True) if one is not None]
        Receipt.objects.filter(pk__in=[row.pk for row, _one in found]).update(is_applied=True)
        settled = [
            _Settled(one, row.channel, "" if row.reference == str(one) else row.reference, Result(row.result))
            for row, one in found
        ]
        _apply(settled, now)
    return len(settled)


def forget_old(*, now: datetime) -> int:
    """Delete receipts that nobody will ask for any more; returns how many."""
    return Receipt.objects.filter(at__lt=now - KEPT).delete()[0]


@dataclass(frozen=True, slots=True)
class _Settled:
    """What a carrier says about a message of which we know which one it is."""

    delivery_id: UUID
    channel: str
    reference: str
    result: Result


def _deliveries_of(reports: Sequence[Report]) -> list[UUID | None]:
    """Return which delivery each report is about: it says so, or its reference is the carrier's name or ours for it."""
    names = {kept(report.reference) for report in reports if report.delivery_id is None}
    # What carriers refused has no name: a report without one is not about the newest of those.
    names.discard("")
    ours = set()
    for name in names:
        with suppress(ValueError):
            ours.add(UUID(name))
    found: dict[tuple[str, str], UUID] = {}
    if names:
        rows = Handover.objects.filter(Q(reference__in=names) | Q(delivery_id__in=ours)).order_by("at", "pk")
        # The newest stands last, and stays: some carriers begin anew with their names.
        for channel, reference, delivery_id in rows.values_list("channel", "reference", "delivery_id"):
            found[channel, reference] = found[channel, str(delivery_id)] = delivery_id
    return [report.delivery_id or found.get((report.channel, kept(report.reference))) for report in reports]


def _noted(delivery_ids: Collection[UUID]) -> set[tuple[UUID, str]]:
    """Return of which deliveries we wrote down already that a carrier took them; a receipt may be quicker."""
    if not delivery_ids:
        return set()
    taken = Handover.objects.filter(delivery_id__in=delivery_ids).exclude(result=Result.FAILED)
    return set(taken.values_list("delivery_id", "channel"))


def _written_first(
    reports: Sequence[Report], found: Sequence[UUID | None], noted: Collection[tuple[UUID, str]], now: datetime
) -> list[bool]:
    """Keep receipts that could not be placed otherwise, each once; return which reports are not there already."""
    keys = [
        # The name is the carrier's, or ours where the receipt came by an address of ours.
        (report.channel, kept(report.reference) or str(report.delivery_id), report.result.value)
        if report.delivery_id is None or (report.delivery_id, report.channel) not in noted
        else None
        for report in reports
    ]
    asked = {key[1] for key in keys if key is not None}
    known = set(Receipt.objects.filter(reference__in=asked).values_list("channel", "reference", "result"))
    first, rows = [], []
    for report, delivery_id, key in zip(reports, found, keys, strict=True):
        first.append(key is None or key not in known)
        if key is not None and key not in known:
            known.add(key)
            is_applied = report.delivery_id is None and delivery_id is not None
            rows.append(Receipt(channel=key[0], reference=key[1], result=key[2], at=now, is_applied=is_applied))
    Receipt.objects.bulk_create(rows, ignore_conflicts=True)
    return first


def _apply(settled: Sequence[_Settled], now: datetime) -> list[Changed]:
    _settle_handovers(settled, now)
    news = note_results([Noted(one.delivery_id, one.result) for one in settled], now=now)
    changed = [Changed(one.delivery_id, one.result) for one, is_news in zip(settled, news, strict=True) if is_news]
    queue.have_arrived({one.delivery_id for one in changed if one.result.has_arrived})
    return changed


def _settle_handovers(settled: Sequence[_Settled], now: datetime) -> None:
    together: dict[tuple[str, Result, bool], list[_Settled]] = {}
    for one in settled:
        together.setdefault((one.channel, one.result, bool(one.reference)), []).append(one)
    for (channel, result, is_named), ones in together.items():
        before = _MAY_GO_ON if result.has_arrived else _NOT_SETTLED
        rows = Handover.objects.filter(
            channel=channel, result__in=before, delivery_id__in=[one.delivery_id for one in ones]
        )
        if is_named:
            rows = rows.filter(reference__in=[one.reference for one in ones])
        rows.update(result=result, changed_at=now)
