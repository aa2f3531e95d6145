"""Reports of carriers become results of deliveries: late, twice, or before our own note of the handover."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from watchword.delivery import queue
from watchword.delivery.channel import Report, Result
from watchword.delivery.models import Handover, Receipt
from watchword.delivery.routing import note_result

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


def note_outcomes(outcomes: Sequence[Outcome], *, now: datetime) -> None:
    """Write down handovers, and apply the receipts that were quicker than this note. The caller has a transaction."""
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
        return
    early = Receipt.objects.filter(reference__in={name for _channel, name in named}, is_applied=False)
    for receipt in early.order_by("at", "pk"):
        outcome = named.get((receipt.channel, receipt.reference))
        if outcome is not None:
            _apply(outcome.delivery_id, outcome.channel, outcome.reference, Result(receipt.result), now)
            Receipt.objects.filter(pk=receipt.pk).update(is_applied=True)


def note_reports(reports: Iterable[Report], *, now: datetime) -> list[Changed]:
    """Write down what carriers reported and return the deliveries of which something new is known by that."""
    changed = []
    for report in reports:
        with transaction.atomic():
            delivery_id = report.delivery_id or _delivery_of(report)
            if report.delivery_id is None or not _is_noted(report.delivery_id, report.channel):
                # The name is the carrier's, or ours where the receipt came by an address of ours.
                _, is_first = Receipt.objects.get_or_create(
                    channel=report.channel,
                    reference=kept(report.reference) or str(report.delivery_id),
                    result=report.result,
                    defaults={"at": now, "is_applied": report.delivery_id is None and delivery_id is not None},
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
                reference = "" if report.reference == str(delivery_id) else report.reference
                _apply(delivery_id, report.channel, reference, report.result, now)
                applied += 1
    return applied


def forget_old(*, now: datetime) -> int:
    """Delete receipts that nobody will ask for any more; returns how many."""
    return Receipt.objects.filter(at__lt=now - KEPT).delete()[0]


def _delivery_of(report: Report) -> UUID | None:
    reference = kept(report.reference)
    named = Q(reference=reference)
    with suppress(ValueError):
        # Our own name for it: the receipt came by an address of ours.
        named |= Q(delivery_id=UUID(reference))
    rows = Handover.objects.filter(named, channel=report.channel).order_by("-at")
    return rows.values_list("delivery_id", flat=True).first()


def _is_noted(delivery_id: UUID, channel: str) -> bool:
    """Whether we wrote down already that a carrier took a message; its receipt may be quicker."""
    taken = Handover.objects.filter(delivery_id=delivery_id, channel=channel)
    return taken.exclude(result=Result.FAILED).exists()


def _apply(delivery_id: UUID, channel: str, reference: str, result: Result, now: datetime) -> bool:
    settled = _MAY_GO_ON if result.has_arrived else _NOT_SETTLED
    handovers = Handover.objects.filter(delivery_id=delivery_id, channel=channel, result__in=settled)
    if reference:
        handovers = handovers.filter(reference=kept(reference))
    handovers.update(result=result, changed_at=now)
    is_news = note_result(delivery_id, result, now=now)
    if is_news and result.has_arrived:
        queue.has_arrived(delivery_id)
    return is_news
