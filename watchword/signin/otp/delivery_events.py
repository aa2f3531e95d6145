"""What a sign-in does about events on the phone: digits keyed, fraud reported, a SIM changed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.audit.record import NOWHERE, record
from watchword.messaging.gateway import Result
from watchword.signin import throttling
from watchword.signin.flow import lock_person
from watchword.signin.models import CodeChallenge
from watchword.signin.otp import challenges


def note(delivery_id: UUID, result: Result, *, now: datetime) -> None:
    """Apply a delivery's new result to its code; most results change nothing."""
    match result:
        case Result.APPROVED:
            challenges.approve(delivery_id, now=now)
        case Result.FRAUD_REPORTED:
            report_fraud(delivery_id, now=now)
        case Result.MISMATCHED:
            _end(delivery_id, EventKind.CALL_MISMATCHED, now)
        case Result.SIM_CHANGED:
            _end(delivery_id, EventKind.SIM_CHANGED, now)
        case _:
            return


def hold_person(delivery_id: UUID) -> None:
    """Lock the person whose code a delivery contained, before anything about its report is written.

    The check of a code takes this lock too, and then locks the code and its delivery in the opposite order to a report.
    """
    user = challenges.owner_of(delivery_id)
    if user is not None:
        lock_person(user)


def may_be_spoken(delivery_id: UUID, *, now: datetime) -> bool:
    """Return whether a call may speak: not after a newer code replaced its code; always if it has no code."""
    row = CodeChallenge.objects.filter(delivery_id=delivery_id).first()
    return row is None or challenges.is_alive(row, now)


def report_fraud(delivery_id: UUID, *, now: datetime) -> bool:
    """Void every code of a person who reports from the phone that the sign-in isn't theirs, and record it.

    Also where the code of this call was replaced already: an attacker who requests another code while the phone rings
    must not disable the key. Where the organisation requires it, the second factor is locked until an administrator
    unlocks it. Returns False where the delivery is unknown or was reported before.
    """
    with transaction.atomic():
        user = challenges.owner_of(delivery_id)
        details = {"delivery": str(delivery_id)}
        if user is None or Event.objects.filter(
            kind=EventKind.FRAUD_REPORTED, subject_id=user.pk, details__delivery=details["delivery"]
        ):
            return False
        challenges.void_all(user, now=now)
        record(EventKind.FRAUD_REPORTED, now=now, subject=user, details=details)
        if user.organisation.policy.fraud_locks:
            throttling.lock(user, origin=NOWHERE, now=now)
        return True


def _end(delivery_id: UUID, kind: EventKind, now: datetime) -> None:
    with transaction.atomic():
        user = challenges.void_by_delivery(delivery_id, now=now)
        if user is not None:
            record(kind, now=now, subject=user)
