"""What happens at a telephone and means something for a sign-in: digits keyed, fraud reported, a number that moved."""

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


def hold_person(delivery_id: UUID) -> None:
    """Take the lock on whose code a delivery carried, before anything of a report is written down.

    Who checks a code has it too, and then locks the code and its delivery, in the other order than a report does.
    """
    user = challenges.owner_of(delivery_id)
    if user is not None:
        lock_person(user)


def may_be_spoken(delivery_id: UUID, *, now: datetime) -> bool:
    """Whether a call may say its code: not once another one took its place. What has no code may always be said."""
    row = CodeChallenge.objects.filter(delivery_id=delivery_id).first()
    return row is None or challenges.is_alive(row, now)


def report_fraud(delivery_id: UUID, *, now: datetime) -> bool:
    """Somebody at the telephone says that they are not signing in: every code of the person dies, and it is remembered.

    Also where the code of this call was replaced already: whoever asks for another one while the telephone rings must
    not take its meaning from the key. Where the organisation wants that, the second proof is locked until an
    administrator unlocks it.
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
