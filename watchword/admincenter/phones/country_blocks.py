"""Countries that are stopped for new numbers, because next to none of their codes are entered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from watchword.admincenter.phones.labels import country_words
from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.directory.models import Organisation, User
from watchword.directory.permissions import demand
from watchword.directory.roles import Act
from watchword.messaging.models import Closure

MOST = 20


@dataclass(frozen=True, slots=True)
class ClosureRow:
    """One closure as pages show it."""

    closure: Closure
    country: str
    is_open: bool
    """Whether it still stops codes."""


def open_closures_of(organisation: Organisation, *, now: datetime) -> list[ClosureRow]:
    """Return what is stopped now."""
    return [row for row in closures_of(organisation, now=now) if row.is_open]


def closures_of(organisation: Organisation, *, now: datetime) -> list[ClosureRow]:
    """Return the newest closures, those that are over too."""
    rows = Closure.objects.filter(organisation=organisation).select_related("reopened_by").order_by("-until", "-pk")
    return [_row(closure, now) for closure in rows[:MOST]]


def find_closure(organisation: Organisation, closure_id: int, *, now: datetime) -> ClosureRow | None:
    """Return one closure of this organisation."""
    if closure_id > 2**63 - 1:
        return None
    closure = Closure.objects.filter(pk=closure_id, organisation=organisation).first()
    return _row(closure, now) if closure is not None else None


def reopen(closure: Closure, *, by: User, origin: Origin, now: datetime) -> bool:
    """Let codes to new numbers of a country out again; False if it was open already. Raises NotAllowed."""
    with transaction.atomic():
        demand(by, Act.CHANGE_SETTINGS)
        mine = Closure.objects.filter(organisation=by.organisation_id, country=closure.country)
        # Whoever reopens a country means the country, not one of two closures that cross.
        if not mine.filter(until__gt=now, reopened_at=None).update(reopened_at=now, reopened_by=by):
            return False
        details = {"country": closure.country, "sent": closure.sent, "entered": closure.entered}
        record(EventKind.COUNTRY_REOPENED, now=now, by=by, origin=origin, details=details)
        return True


def _row(closure: Closure, now: datetime) -> ClosureRow:
    is_open = closure.until > now and closure.reopened_at is None
    return ClosureRow(closure, country_words(closure.country), is_open)
