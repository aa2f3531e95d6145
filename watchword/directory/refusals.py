"""Administrative acts that were refused are remembered, and administrators are told of whoever goes on trying."""

from __future__ import annotations

from datetime import datetime, timedelta

from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.audit.record import Origin, record
from watchword.directory.models import User
from watchword.directory.roles import Act

WITHIN = timedelta(hours=1)
OFTEN = 5
"""So many refusals within an hour are no mistake any more."""
MOST = 20
"""So many are remembered of one person in an hour: nobody fills the log by pressing a button again and again."""


def note_refusal(by: User, act: Act, on: User | None, *, origin: Origin, now: datetime) -> None:
    """Remember that somebody was refused an act, on somebody where it was one on a person."""
    before = Event.objects.filter(
        organisation_id=by.organisation_id, kind=EventKind.ACT_REFUSED, actor_id=by.pk, at__gt=now - WITHIN
    )[:MOST].count()
    if before >= MOST:
        return
    record(EventKind.ACT_REFUSED, now=now, subject=on, by=by, origin=origin, reason=act.value)
    if before + 1 == OFTEN:
        details = {"times": OFTEN, "act": act.value}
        record(EventKind.ACTS_REFUSED_OFTEN, now=now, subject=by, by=by, origin=origin, details=details)
