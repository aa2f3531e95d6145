"""The alarm for pumping: where next to none of the codes to new numbers are typed, a country is closed for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db.models import Max, Q, QuerySet, Sum

from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.audit.record import record
from watchword.directory.models import User
from watchword.messaging.gateway import Result
from watchword.messaging.limits import rules
from watchword.messaging.limits.rules import DAY, HOUR, SETTLED_AFTER, Budget
from watchword.messaging.models import CountryBlock, DailyTotal, Delivery

LOOKED_AT = 200
"""So many of the newest codes to new numbers in a country tell whether somebody pumps: what was typed in the morning
does not excuse the afternoon, and a busy day costs no more than a quiet one."""
NUMBERS_AT_HOME = 30
"""To so many different numbers must have gone what nobody typed before the organisation's own country is closed. As a
number gets five codes in a day to be registered, the newest LOOKED_AT never go to fewer where somebody pumps."""
_ARRIVED = [result for result in Result if result.has_arrived]
_NOT_TAKEN = [Result.WAITING, Result.FAILED, Result.EXPIRED]
UNTYPED_NUMBERS = 15
"""So many new numbers within a day, and at least half of all, of whose codes none was typed are told of."""
LATE_CODES, LATE_PEOPLE = 10, 5
"""So many codes to proven numbers, of so many people, must have gone untyped in an hour before the carrier is to blame:
two accounts can't excuse what they do to new numbers."""


def close_if_pumped(user: User, country: str, now: datetime) -> datetime | None:
    """Close a country for codes to new numbers if they are pumped there; return until when it is closed, or None.

    One that is closed already stays closed as long as it is.
    """
    country_blocks = CountryBlock.objects.filter(
        organisation_id=user.organisation_id, country=country, until__gt=now - DAY
    )
    still = country_blocks.filter(until__gt=now, reopened_at=None).order_by("-until").first()
    if still is not None:
        return still.until
    # What an administrator has seen and let pass is not held against the country again, nor what closed it before.
    ends = country_blocks.aggregate(reopened=Max("reopened_at"), over=Max("until", filter=Q(until__lte=now)))
    since = max(at for at in (ends["reopened"], ends["over"], now - DAY) if at is not None)
    return _close(user, country, since=since, now=now)


def _close(user: User, country: str, *, since: datetime, now: datetime) -> datetime | None:
    """Look whether next to none of the newest codes to new numbers in a country were typed, and close it then.

    Only codes that a carrier took and that had their time count: a carrier that is down is no attack, nor is one that
    is late. A code that was typed when it was dead proves a reader as well as one that opened something.
    """
    budget = Budget(frozenset())
    if _asked_of_new_numbers(user.organisation_id, now, country=country) < budget.alarm_sends:
        return None
    newest = list(_newest(user.organisation_id, "register", since=since, now=now, country=country)[:LOOKED_AT])
    untyped = [row for row in newest if row.entered_at is None and row.typed_late_at is None]
    entered = len(newest) - len(untyped)
    if not rules.is_pumping(len(newest), entered, budget):
        return None
    lives = timedelta(seconds=user.organisation.policy.limits.code_seconds)
    receipted = gateways_with_receipts(user.organisation_id, country, now)
    untyped = [row for row in untyped if had_its_time(row, lives) or row.gateway not in receipted]
    sent = entered + len(untyped)
    if not rules.is_pumping(sent, entered, budget):
        return None
    is_home = country == user.organisation.region
    if is_home and len({bytes(row.number_key) for row in untyped}) < _needed_at_home(user):
        return None
    if is_home and _is_gateway_late(user, country, now):
        return None
    country_block = CountryBlock.objects.create(
        organisation_id=user.organisation_id,
        country=country,
        at=now,
        until=now + (budget.alarm_closes_home if is_home else budget.alarm_closes),
        sent=sent,
        entered=entered,
    )
    details = {"country": country, "sent": sent, "entered": entered}
    record(EventKind.COUNTRY_CLOSED, now=now, subject=user, details=details)
    return country_block.until


def tell_of_untyped(user: User, now: datetime) -> None:
    """Tell administrators once a day of many new numbers whose codes nobody typed: too slow for the alarm, and paid.

    Nothing is stopped by it: the budgets hold, and most often it is people who had trouble.
    """
    organisation_id = user.organisation_id
    if _asked_of_new_numbers(organisation_id, now) < UNTYPED_NUMBERS:
        return
    told = Event.objects.filter(organisation_id=organisation_id, kind=EventKind.NEW_NUMBERS_UNTYPED)
    newest_told = told.order_by("-id").values_list("at", flat=True).first()
    if newest_told is not None and newest_told > now - DAY:
        return
    newest = list(_newest(organisation_id, "register", since=now - DAY, now=now)[:LOOKED_AT])
    typed = {bytes(row.number_key) for row in newest if row.entered_at or row.typed_late_at}
    untyped = [row for row in newest if bytes(row.number_key) not in typed]
    numbers = {bytes(row.number_key) for row in untyped}
    if len(numbers) < max(UNTYPED_NUMBERS, len(typed)):
        return
    details = {"numbers": len(numbers), "asked_by": len({row.user_id for row in untyped}), "codes": len(untyped)}
    record(EventKind.NEW_NUMBERS_UNTYPED, now=now, organisation_id=organisation_id, details=details)


def had_its_time(row: Delivery, lives: timedelta) -> bool:
    """Whether a message is known to have reached the telephone while its code lived."""
    return Result(row.result).has_arrived and row.changed_at - row.created_at < lives


def gateways_with_receipts(organisation_id: int, country: str, now: datetime) -> frozenset[str]:
    """Return the channels that reported of anything in a country, within a day, that it arrived.

    What such a channel took and never reported as arrived says nothing about who should have read it.
    """
    rows = Delivery.objects.filter(
        organisation_id=organisation_id, country=country, created_at__gt=now - DAY, result__in=_ARRIVED
    )
    return frozenset(rows.order_by().values_list("gateway", flat=True).distinct())


def _is_gateway_late(user: User, country: str, now: datetime) -> bool:
    """Whether people with proven numbers don't type their codes either: then it is not the new numbers' fault."""
    rows = _newest(user.organisation_id, "sign_in", since=now - HOUR, now=now, country=country)
    newest = list(rows.values_list("user_id", "entered_at")[:LOOKED_AT])
    waiting = [whose for whose, entered_at in newest if entered_at is None]
    share = Budget(frozenset()).alarm_share
    is_untyped = len(newest) - len(waiting) < len(newest) * share
    return is_untyped and len(waiting) >= LATE_CODES and len(set(waiting)) >= LATE_PEOPLE


def _newest(organisation_id: int, purpose: str, *, since: datetime, now: datetime, **only: str) -> QuerySet[Delivery]:
    """Return what carriers took and what had its time, the newest first."""
    rows = Delivery.objects.filter(
        organisation_id=organisation_id,
        purpose=purpose,
        created_at__gt=since,
        created_at__lte=now - SETTLED_AFTER,
        **only,
    )
    return rows.exclude(result__in=_NOT_TAKEN).order_by("-created_at")


def _asked_of_new_numbers(organisation_id: int, now: datetime, **only: str) -> int:
    """Return how many codes to new numbers were asked for today and yesterday: cheap, before rows are read."""
    days = [now.astimezone(UTC).date(), (now - DAY).astimezone(UTC).date()]
    asked = DailyTotal.objects.filter(organisation_id=organisation_id, is_new=True, day__in=days, **only)
    return int(asked.aggregate(total=Sum("asked", default=0))["total"])


def _needed_at_home(user: User) -> int:
    """Return to how many numbers untyped codes must have gone at home: one for each person, NUMBERS_AT_HOME at most.

    Without its own country nearly nobody new gets in. Two people who ask for code after code must not bring that about,
    nor a carrier that drops what it took while some people ask again; and there a text earns the least.
    """
    everybody = User.objects.filter(organisation_id=user.organisation_id, deleted_at=None).order_by()
    return int(everybody[:NUMBERS_AT_HOME].count())
