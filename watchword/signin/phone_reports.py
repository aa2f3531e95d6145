"""What happens at a telephone and means something for a sign-in: digits keyed, fraud reported, a number that moved."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from watchword.audit.events import EventKind
from watchword.audit.record import NOWHERE, record
from watchword.delivery.channel import Result
from watchword.signin import challenges, failures


def note(delivery_id: UUID, result: Result, *, now: datetime) -> None:
    """Do what a delivery's new result asks for; most ask for nothing."""
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


def report_fraud(delivery_id: UUID, *, now: datetime) -> bool:
    """Somebody at the telephone says that they are not signing in: the code dies, and it is remembered.

    Where the organisation wants that, the second proof is locked until an administrator unlocks it.
    """
    with transaction.atomic():
        user = challenges.void_by_delivery(delivery_id, now=now)
        if user is None:
            return False
        record(EventKind.FRAUD_REPORTED, now=now, subject=user)
        if user.organisation.policy.fraud_locks:
            failures.lock(user, origin=NOWHERE, now=now)
        return True


def _end(delivery_id: UUID, kind: EventKind, now: datetime) -> None:
    with transaction.atomic():
        user = challenges.void_by_delivery(delivery_id, now=now)
        if user is not None:
            record(kind, now=now, subject=user)
