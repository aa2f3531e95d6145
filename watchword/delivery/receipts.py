"""Reports of carriers become results of deliveries: late, twice, or before our own note of the handover."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from watchword.delivery.channel import Report, Result
from watchword.delivery.models import Handover, Receipt
from watchword.delivery.routing import note_result

KEPT = timedelta(days=1)
LOOKED_FOR = timedelta(minutes=10)
PORTION = 200
_NOT_SETTLED = [Result.SENT.value, Result.DELIVERED.value, Result.UNREACHABLE.value]


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


def note_outcomes(outcomes: Iterable[Outcome], *, now: datetime) -> None:
    """Write down handovers, and apply the receipts that were quicker than this note. The caller has a transaction."""
    for outcome in outcomes:
        Handover.objects.create(
            delivery_id=outcome.delivery_id,
            channel=outcome.channel,
            reference=outcome.reference[:100],
            result=outcome.result,
            country=outcome.country,
            cost_micros=outcome.cost_micros,
            at=now,
            changed_at=now,
        )
        if outcome.result is not Result.SENT or not outcome.reference:
            continue
        early = Receipt.objects.filter(channel=outcome.channel, reference=outcome.reference[:100], is_applied=False)
        for receipt in early.order_by("at", "pk"):
            _apply(outcome.delivery_id, outcome.channel, outcome.reference, Result(receipt.result), now)
        early.update(is_applied=True)


def note_reports(reports: Iterable[Report], *, now: datetime) -> list[Changed]:
    """Write down what carriers reported and return the deliveries of which something new is known by that."""
    changed = []
    for report in reports:
        with transaction.atomic():
            delivery_id = report.delivery_id or _delivery_of(report)
            if report.delivery_id is None:
                _, is_first = Receipt.objects.get_or_create(
                    channel=report.channel,
                    reference=report.reference[:100],
                    result=report.result,
                    defaults={"at": now, "is_applied": delivery_id is not None},
                )
                if not is_first:
                    continue
            if delivery_id is not None and _apply(delivery_id, report.channel, report.reference, report.result, now):
                changed.append(Changed(delivery_id, report.result))
    return changed


def apply_strays(*, now: datetime) -> int:
    """Apply receipts that were written by another process at the moment at which their handover was; how many."""
    applied = 0
    for receipt in Receipt.objects.filter(is_applied=False, at__gt=now - LOOKED_FOR).order_by("at")[:PORTION]:
        report = Report(receipt.channel, receipt.reference, Result(receipt.result))
        with transaction.atomic():
            delivery_id = _delivery_of(report)
            if delivery_id is not None:
                Receipt.objects.filter(pk=receipt.pk).update(is_applied=True)
                _apply(delivery_id, report.channel, report.reference, report.result, now)
                applied += 1
    return applied


def forget_old(*, now: datetime) -> int:
    """Delete receipts that nobody will ask for any more; returns how many."""
    return Receipt.objects.filter(at__lt=now - KEPT).delete()[0]


def _delivery_of(report: Report) -> UUID | None:
    rows = Handover.objects.filter(channel=report.channel, reference=report.reference[:100]).order_by("-at")
    return rows.values_list("delivery_id", flat=True).first()


def _apply(delivery_id: UUID, channel: str, reference: str, result: Result, now: datetime) -> bool:
    handovers = Handover.objects.filter(delivery_id=delivery_id, channel=channel, result__in=_NOT_SETTLED)
    if reference:
        handovers = handovers.filter(reference=reference[:100])
    handovers.update(result=result, changed_at=now)
    return note_result(delivery_id, result, now=now)
