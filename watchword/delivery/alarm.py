"""The alarm for pumping: where next to none of the codes to new numbers are typed, a country is closed for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db.models import Max, Sum

from watchword.audit.events import EventKind
from watchword.audit.record import record
from watchword.delivery import guard
from watchword.delivery.channel import Result
from watchword.delivery.guard import DAY, Budget
from watchword.delivery.models import Closure, Delivery, Tally
from watchword.directory.models import User

SETTLED_AFTER = timedelta(minutes=5)
"""So long a code has to be typed before its being missing means anything; it is what a code lives."""
LOOKED_AT = 200
"""So many of the newest codes to new numbers in a country tell whether somebody pumps: what was typed in the morning
does not excuse the afternoon, and a busy day costs no more than a quiet one."""
NUMBERS_AT_HOME = 30
"""To so many different numbers must have gone what nobody typed before the organisation's own country is closed. As a
number gets five codes in a day to be registered, the newest LOOKED_AT never go to fewer where somebody pumps."""


def closed_until(user: User, country: str, now: datetime) -> datetime | None:
    """Return until when codes to new numbers in a country are stopped, and stop them if they have to be."""
    closures = Closure.objects.filter(organisation_id=user.organisation_id, country=country, until__gt=now)
    still = closures.filter(reopened_at=None).order_by("-until").first()
    if still is not None:
        return still.until
    # What an administrator has seen and let pass is not held against the country again.
    reopened: datetime | None = closures.aggregate(at=Max("reopened_at"))["at"]
    return _close_if_pumped(user, country, since=max(reopened, now - DAY) if reopened else now - DAY, now=now)


def _close_if_pumped(user: User, country: str, *, since: datetime, now: datetime) -> datetime | None:
    """Look whether next to none of the newest codes to new numbers in a country were typed, and close it then.

    Only codes that a carrier took and that had their time count: a carrier that is down is no attack.
    """
    budget = Budget(frozenset())
    days = [now.astimezone(UTC).date(), (now - DAY).astimezone(UTC).date()]
    asked = Tally.objects.filter(organisation_id=user.organisation_id, country=country, is_new=True, day__in=days)
    if asked.aggregate(total=Sum("asked", default=0))["total"] < budget.alarm_sends:
        return None
    rows = Delivery.objects.filter(
        organisation_id=user.organisation_id,
        country=country,
        purpose="register",
        created_at__gt=since,
        created_at__lte=now - SETTLED_AFTER,
    ).exclude(result__in=[Result.WAITING, Result.FAILED, Result.EXPIRED])
    newest = list(rows.order_by("-created_at").values_list("number_key", "entered_at")[:LOOKED_AT])
    untyped = [bytes(number) for number, entered_at in newest if entered_at is None]
    sent, entered = len(newest), len(newest) - len(untyped)
    if not guard.is_pumping(sent, entered, budget):
        return None
    if country == user.organisation.region and len(set(untyped)) < _needed_at_home(user):
        return None
    closure = Closure.objects.create(
        organisation_id=user.organisation_id,
        country=country,
        at=now,
        until=now + budget.alarm_closes,
        sent=sent,
        entered=entered,
    )
    details = {"country": country, "sent": sent, "entered": entered}
    record(EventKind.COUNTRY_CLOSED, now=now, subject=user, details=details)
    return closure.until


def _needed_at_home(user: User) -> int:
    """Return to how many numbers untyped codes must have gone at home: one for each person, NUMBERS_AT_HOME at most.

    Without its own country nearly nobody new gets in. Two people who ask for code after code must not bring that about,
    nor a carrier that drops what it took while some people ask again; and there a text earns the least.
    """
    everybody = User.objects.filter(organisation_id=user.organisation_id, deleted_at=None).order_by()
    return int(everybody[:NUMBERS_AT_HOME].count())
