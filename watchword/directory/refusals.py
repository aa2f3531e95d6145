"""Records refused administrative acts, and notifies administrators of a person who repeats such attempts."""

from __future__ import annotations

from datetime import datetime, timedelta

from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.audit.record import Origin, record
from watchword.directory.models import User
from watchword.directory.roles import Act

WITHIN = timedelta(hours=1)
OFTEN = 5
"""The number of refusals within an hour after which they no longer look like a mistake."""
MOST = 20
"""The most refusals recorded for one person in an hour, so that repeated clicks can't fill the log."""


def note_refusal(by: User, act: Act, on: User | None, *, origin: Origin, now: datetime) -> None:
    """Record that an administrator was refused an act, on a person if ``on`` is given."""
    before = Event.objects.filter(
        organisation_id=by.organisation_id, kind=EventKind.ACT_REFUSED, actor_id=by.pk, at__gt=now - WITHIN
    )[:MOST].count()
    if before >= MOST:
        return
    record(EventKind.ACT_REFUSED, now=now, subject=on, by=by, origin=origin, reason=act.value)
    if before + 1 == OFTEN:
        details = {"times": OFTEN, "act": act.value}
        record(EventKind.ACTS_REFUSED_OFTEN, now=now, subject=by, by=by, origin=origin, details=details)
