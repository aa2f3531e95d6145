"""Apply reports of gateways to deliveries; they may come late, twice, or before the attempt itself was stored."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from watchword.messaging.gateway import Report, Result
from watchword.messaging.limits.counters import number_keys
from watchword.messaging.models import Delivery, DeliveryAttempt, Receipt
from watchword.messaging.send import Noted, note_results
from watchword.messaging.worker import outbox
from watchword.messaging.worker.message_ids import as_stored, key_of, keys_of

STORED = timedelta(days=1)
LOOKED_FOR = timedelta(minutes=10)
BATCH_SIZE = 200
_NOT_SETTLED = [Result.SENT.value, Result.UNREACHABLE.value]
_MAY_GO_ON = [*_NOT_SETTLED, Result.DELIVERED.value]
"""A late report does not downgrade a text that arrived; a call may get a more specific result."""


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """The outcome of one delivery attempt through one gateway."""

    delivery_id: UUID
    gateway: str
    result: Result
    country: str
    reference: str = ""
    cost_micros: int = 0


@dataclass(frozen=True, slots=True)
class Changed:
    """A delivery with a new result."""

    delivery_id: UUID
    result: Result


def note_outcomes(outcomes: Sequence[DeliveryOutcome], *, now: datetime) -> list[Noted]:
    """Store delivery attempts and return the receipts that came before them. Call it in a transaction."""
    DeliveryAttempt.objects.bulk_create(
        DeliveryAttempt(
            delivery_id=outcome.delivery_id,
            gateway=outcome.gateway,
            reference=as_stored(outcome.reference),
            reference_key=key_of(outcome.reference),
            result=outcome.result,
            country=outcome.country,
            cost_micros=outcome.cost_micros,
            at=now,
            changed_at=now,
        )
        for outcome in outcomes
    )
    early = _early([outcome for outcome in outcomes if outcome.result is Result.SENT and outcome.reference])
    Receipt.objects.filter(pk__in=[receipt.pk for receipt, _one in early]).update(is_applied=True)
    quick = [
        _Settled(one.delivery_id, receipt.gateway, as_stored(one.reference), Result(receipt.result))
        for receipt, one in early
    ]
    _settle_delivery_attempts(quick, now)
    return [Noted(one.delivery_id, one.result) for one in quick]


def note_reports(reports: Sequence[Report], *, now: datetime) -> list[Changed]:
    """Store what gateways reported, and return the deliveries that got a new result by that."""
    if not reports:
        return []
    with transaction.atomic():
        sought = [_sought_by(report) for report in reports]
        found = _delivery_attempts_of(sought)
        noted = _noted({report.delivery_id for report in reports if report.delivery_id is not None})
        first = _written_first(sought, found, [report.result for report in reports], noted, now)
        settled = [
            _Settled(one.delivery_id, report.gateway, one.reference, report.result)
            for report, one, is_first in zip(reports, found, first, strict=True)
            if is_first and one is not None
        ]
        return _apply(settled, now)


def apply_strays(*, now: datetime) -> int:
    """Apply receipts that another process stored while their attempt was being stored; return how many."""
    with transaction.atomic():
        rows = list(Receipt.objects.filter(is_applied=False, at__gt=now - LOOKED_FOR).order_by("at")[:BATCH_SIZE])
        delivery_attempts = _delivery_attempts_of([_sought_again(row) for row in rows])
        found = [(row, one) for row, one in zip(rows, delivery_attempts, strict=True) if one is not None]
        Receipt.objects.filter(pk__in=[row.pk for row, _one in found]).update(is_applied=True)
        settled = [_Settled(one.delivery_id, row.gateway, one.reference, Result(row.result)) for row, one in found]
        _apply(settled, now)
    return len(settled)


def forget_old(*, now: datetime) -> int:
    """Delete receipts that are no longer needed; return how many."""
    return Receipt.objects.filter(at__lt=now - STORED).delete()[0]


@dataclass(frozen=True, slots=True)
class _Settled:
    """A result for a delivery that has been identified."""

    delivery_id: UUID
    gateway: str
    reference: str
    result: Result


@dataclass(frozen=True, slots=True)
class _Found:
    """A delivery attempt that a report is about."""

    delivery_id: UUID
    reference: str
    """The gateway's message id as first given; empty where the report names our delivery."""
    number_key: bytes = b""


def _early(taken: Sequence[DeliveryOutcome]) -> list[tuple[Receipt, DeliveryOutcome]]:
    """Return stored receipts, with their attempts, that came before the attempt was stored."""
    # By the gateway's message id, or by our delivery id where the receipt came to a webhook URL of ours.
    named = {(one.gateway, name): one for one in taken for name in (str(one.delivery_id), as_stored(one.reference))}
    if not named:
        return []
    spelled: dict[tuple[str, str], list[DeliveryOutcome]] = {}
    for one in taken:
        for key in keys_of(one.reference):
            spelled.setdefault((one.gateway, key), []).append(one)
    waiting = Receipt.objects.filter(
        Q(gateway__in={one.gateway for one in taken}, reference__in={name for _gateway, name in named})
        | Q(reference_key__in={key for _gateway, key in spelled}),
        is_applied=False,
    )
    early, loose = [], []
    for receipt in sorted(waiting, key=lambda row: (row.at, row.pk)):
        if (mine := named.get((receipt.gateway, receipt.reference))) is not None:
            early.append((receipt, mine))
        elif receipt.number_key is not None:
            loose += [(receipt, one) for one in spelled.get((receipt.gateway, receipt.reference_key), ())]
    if loose:
        rows = Delivery.objects.filter(pk__in={one.delivery_id for _receipt, one in loose})
        numbers = {pk: bytes(key) for pk, key in rows.values_list("pk", "number_key")}
        early += [
            (receipt, one) for receipt, one in loose if numbers.get(one.delivery_id) == bytes(receipt.number_key or b"")
        ]
    return early


@dataclass(frozen=True, slots=True)
class _Sought:
    """How a report, or a stored receipt, identifies its message."""

    gateway: str
    names: tuple[str, ...]
    """Message ids as received, without empty ones: a rejected message has no id, and an empty id matches nothing."""
    number_keys: tuple[bytes, ...]
    is_certain: bool = True
    is_spelled_freely: bool = False
    delivery_id: UUID | None = None

    @property
    def spellings(self) -> list[str]:
        """Return the keys of all message ids, in their order."""
        return [key for name in self.names for key in sorted(keys_of(name))]


def _sought_by(report: Report) -> _Sought:
    names = (as_stored(name) for name in (report.reference, *report.other_references))
    return _Sought(
        report.gateway,
        tuple(name for name in names if name),
        number_keys(report.number) if report.number and report.delivery_id is None else (),
        report.is_certain,
        report.is_spelled_freely,
        report.delivery_id,
    )


def _sought_again(row: Receipt) -> _Sought:
    keys = (bytes(row.number_key),) if row.number_key is not None else ()
    return _Sought(row.gateway, (row.reference,), keys, is_spelled_freely=bool(row.reference_key))


type _Attempts = dict[tuple[str, str], list[_Found]]
"""By gateway and message id, the newest first: some gateways start their ids anew."""


def _delivery_attempts_of(sought: Sequence[_Sought]) -> list[_Found | None]:
    """Return the delivery attempt that each report is about, by our delivery id or by the gateway's message id.

    An exact message id is tried first, that of the receipt's optional parameter before that of its text. Another
    spelling counts only where the receipt is about the number of the message: a short id may mean one message in
    hexadecimal and another in decimal.
    """
    exact = _by_reference([one for one in sought if one.delivery_id is None])
    freely = [one for one in sought if one.is_spelled_freely and _fitting(one, one.names, exact) is None]
    loose = _by_key(freely)
    return [_delivery_attempt_of(one, exact, loose) for one in sought]


def _delivery_attempt_of(sought: _Sought, exact: _Attempts, loose: _Attempts) -> _Found | None:
    if sought.delivery_id is not None:
        return _Found(sought.delivery_id, sought.names[0] if sought.names else "")
    fitting = _fitting(sought, sought.names, exact)
    if fitting is None and sought.is_spelled_freely:
        fitting = _fitting(sought, sought.spellings, loose)
    if fitting is not None:
        return fitting
    as_it_stands = [found for name in sought.names for found in exact.get((sought.gateway, name), ())[:1]]
    return as_it_stands[0] if as_it_stands and sought.is_certain else None


def _fitting(sought: _Sought, names: Iterable[str], delivery_attempts: _Attempts) -> _Found | None:
    """Return the first attempt with one of these message ids that went to the number of the receipt."""
    found = (one for name in names for one in delivery_attempts.get((sought.gateway, name), ()))
    return next((one for one in found if one.number_key in sought.number_keys), None)


def _by_reference(sought: Sequence[_Sought]) -> _Attempts:
    names = {name for one in sought for name in one.names}
    ours = set()
    for name in names:
        with suppress(ValueError):
            ours.add(UUID(name))
    found: _Attempts = {}
    if names:
        # Two conditions with an index each: there are many attempts, and receipts come all day.
        named = Q(gateway__in={one.gateway for one in sought}, reference__in=names)
        for gateway, one in _newest_first(DeliveryAttempt.objects.filter(named | Q(delivery_id__in=ours))):
            found.setdefault((gateway, one.reference), []).append(one)
            found.setdefault((gateway, str(one.delivery_id)), []).append(one)
    return found


def _by_key(sought: Sequence[_Sought]) -> _Attempts:
    keys = {key for one in sought if one.number_keys for key in one.spellings}
    found: _Attempts = {}
    if keys:
        rows = DeliveryAttempt.objects.filter(reference_key__in=keys, gateway__in={one.gateway for one in sought})
        for gateway, one in _newest_first(rows):
            found.setdefault((gateway, key_of(one.reference)), []).append(one)
    return found


def _newest_first(delivery_attempts: QuerySet[DeliveryAttempt]) -> Iterator[tuple[str, _Found]]:
    columns = ("at", "pk", "gateway", "reference", "delivery_id", "delivery__number_key")
    # Sorted here: for ORDER BY, SQLite would read all attempts of a gateway by time.
    for _at, _pk, gateway, reference, delivery_id, number_key in sorted(
        delivery_attempts.values_list(*columns), key=lambda row: row[:2], reverse=True
    ):
        yield gateway, _Found(delivery_id, reference, bytes(number_key))


def _noted(delivery_ids: Collection[UUID]) -> set[tuple[UUID, str]]:
    """Return which of these attempts are stored already as accepted; a receipt may come first."""
    if not delivery_ids:
        return set()
    taken = DeliveryAttempt.objects.filter(delivery_id__in=delivery_ids).exclude(result=Result.FAILED)
    return set(taken.values_list("delivery_id", "gateway"))


def _written_first(
    sought: Sequence[_Sought],
    found: Sequence[_Found | None],
    results: Sequence[Result],
    noted: Collection[tuple[UUID, str]],
    now: datetime,
) -> list[bool]:
    """Store receipts, each once, so that repeated and early ones are recognised; return which reports are new."""
    stored = [
        [(one.gateway, name, result.value) for name in _stored_under(one, delivery_attempt, noted)]
        for one, delivery_attempt, result in zip(sought, found, results, strict=True)
    ]
    asked = {key[1] for keys in stored for key in keys}
    rows_known = Receipt.objects.filter(gateway__in={one.gateway for one in sought}, reference__in=asked)
    known = set(rows_known.values_list("gateway", "reference", "result"))
    first, rows = [], []
    for one, delivery_attempt, keys in zip(sought, found, stored, strict=True):
        first.append(not keys or keys[0] not in known)
        for key in keys:
            if key in known:
                continue
            known.add(key)
            is_applied = one.delivery_id is None and delivery_attempt is not None
            row = Receipt(gateway=key[0], reference=key[1], result=key[2], at=now, is_applied=is_applied)
            if one.is_spelled_freely and one.number_keys:
                row.reference_key, row.number_key = key_of(key[1]), one.number_keys[0]
            rows.append(row)
    Receipt.objects.bulk_create(rows, ignore_conflicts=True)
    return first


def _stored_under(sought: _Sought, found: _Found | None, noted: Collection[tuple[UUID, str]]) -> Sequence[str]:
    """Return under which message ids a report is stored; none where that is not needed or not allowed."""
    if sought.delivery_id is not None:
        if (sought.delivery_id, sought.gateway) in noted:
            return ()
        # The gateway's message id, or our delivery id where the receipt came to a webhook URL of ours.
        return sought.names[:1] or (str(sought.delivery_id),)
    if found is not None:
        return sought.names[:1]
    # Looked up again by every id, until the attempt that it is about is stored.
    return sought.names if sought.is_certain else ()


def _apply(settled: Sequence[_Settled], now: datetime) -> list[Changed]:
    _settle_delivery_attempts(settled, now)
    news = note_results([Noted(one.delivery_id, one.result) for one in settled], now=now)
    changed = [Changed(one.delivery_id, one.result) for one, is_news in zip(settled, news, strict=True) if is_news]
    outbox.have_arrived({one.delivery_id for one in changed if one.result.has_arrived})
    return changed


def _settle_delivery_attempts(settled: Sequence[_Settled], now: datetime) -> None:
    together: dict[tuple[str, Result, bool], list[_Settled]] = {}
    for one in settled:
        together.setdefault((one.gateway, one.result, bool(one.reference)), []).append(one)
    for (gateway, result, is_named), ones in together.items():
        before = _MAY_GO_ON if result.has_arrived else _NOT_SETTLED
        rows = DeliveryAttempt.objects.filter(
            gateway=gateway, result__in=before, delivery_id__in=[one.delivery_id for one in ones]
        )
        if is_named:
            rows = rows.filter(reference__in=[one.reference for one in ones])
        rows.update(result=result, changed_at=now)
