"""Detects an administrator who resets both the password and the second factor of one person."""

from __future__ import annotations

from datetime import datetime, timedelta

from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.audit.record import Origin, record
from watchword.directory.models import User

WITHIN = timedelta(days=1)
GIVES_PASSWORD = frozenset({EventKind.PASSWORD_RESET, EventKind.INVITATION_MADE})
GIVES_SECOND_PROOF = frozenset({EventKind.METHODS_RESET, EventKind.ACCESS_PASS_MADE})


def note_both(user: User, done: EventKind, *, by: User | None, origin: Origin, now: datetime) -> None:
    """Record an event if one administrator has, within a day, given a person a password and reset the second factor.

    Both together give control of the account. Call it inside the transaction of the action, after its own event.
    """
    if by is None:
        return
    others = GIVES_SECOND_PROOF if done in GIVES_PASSWORD else GIVES_PASSWORD
    earlier = Event.objects.filter(subject_id=user.pk, actor_id=by.pk, kind__in=others, at__gt=now - WITHIN)
    if earlier.exists():
        record(EventKind.PASSWORD_AND_METHODS_RESET, now=now, subject=user, by=by, origin=origin)
