"""Detect SMS pumping: where hardly any codes to new numbers are typed, block the country for new numbers."""

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
"""How many of the newest codes to new numbers in a country are evaluated: codes typed in the morning must not hide an
attack in the afternoon, and a busy day costs no more queries than a quiet one."""
NUMBERS_AT_HOME = 30
"""Untyped codes must have gone to this many different numbers before the organisation's own country is blocked. As a
number gets at most five codes a day for its registration, the newest LOOKED_AT codes of an attack reach this limit."""
_ARRIVED = [result for result in Result if result.has_arrived]
_NOT_TAKEN = [Result.WAITING, Result.FAILED, Result.EXPIRED]
UNTYPED_NUMBERS = 15
"""Report of untyped numbers: at least this many new numbers within a day, and half of all, had no code typed."""
LATE_CODES, LATE_PEOPLE = 10, 5
"""This many codes to proven numbers, of this many people, must have stayed untyped in an hour before the gateway is to
blame: two accounts of an attacker are not enough to excuse untyped codes to new numbers."""


def close_if_pumped(user: User, country: str, now: datetime) -> datetime | None:
    """Block a country for codes to new numbers if they are pumped there; return the end of the block, or None.

    An existing block is not prolonged.
    """
    country_blocks = CountryBlock.objects.filter(
        organisation_id=user.organisation_id, country=country, until__gt=now - DAY
    )
    still = country_blocks.filter(until__gt=now, reopened_at=None).order_by("-until").first()
    if still is not None:
        return still.until
    # Codes from before an earlier block ended, or before an administrator lifted it, don't count again.
    ends = country_blocks.aggregate(reopened=Max("reopened_at"), over=Max("until", filter=Q(until__lte=now)))
    since = max(at for at in (ends["reopened"], ends["over"], now - DAY) if at is not None)
    return _close(user, country, since=since, now=now)


def _close(user: User, country: str, *, since: datetime, now: datetime) -> datetime | None:
    """Evaluate the newest codes to new numbers in a country, and block the country if hardly any were typed.

    Only codes count that a gateway took and that arrived in time: a gateway that fails or is late is no attack. A code
    that was typed after its expiry proves a reader as well as a valid one.
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
    """Notify administrators, once a day, of many untyped new numbers: too slow for the block, but they cost money.

    Nothing is blocked by it: the quotas still limit the cost, and the usual reason is that people had difficulties.
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
    """Return whether a message is known to have reached the telephone during its code's lifetime."""
    return Result(row.result).has_arrived and row.changed_at - row.created_at < lives


def gateways_with_receipts(organisation_id: int, country: str, now: datetime) -> frozenset[str]:
    """Return the gateways that reported any message in a country as arrived, within a day.

    If such a gateway took a message and never reported its arrival, its untyped code says nothing about the recipient.
    """
    rows = Delivery.objects.filter(
        organisation_id=organisation_id, country=country, created_at__gt=now - DAY, result__in=_ARRIVED
    )
    return frozenset(rows.order_by().values_list("gateway", flat=True).distinct())


def _is_gateway_late(user: User, country: str, now: datetime) -> bool:
    """Return whether people with proven numbers don't type their codes either: then new numbers are not the reason."""
    rows = _newest(user.organisation_id, "sign_in", since=now - HOUR, now=now, country=country)
    newest = list(rows.values_list("user_id", "entered_at")[:LOOKED_AT])
    waiting = [whose for whose, entered_at in newest if entered_at is None]
    share = Budget(frozenset()).alarm_share
    is_untyped = len(newest) - len(waiting) < len(newest) * share
    return is_untyped and len(waiting) >= LATE_CODES and len(set(waiting)) >= LATE_PEOPLE


def _newest(organisation_id: int, purpose: str, *, since: datetime, now: datetime, **only: str) -> QuerySet[Delivery]:
    """Return messages that gateways took and that are older than SETTLED_AFTER, the newest first."""
    rows = Delivery.objects.filter(
        organisation_id=organisation_id,
        purpose=purpose,
        created_at__gt=since,
        created_at__lte=now - SETTLED_AFTER,
        **only,
    )
    return rows.exclude(result__in=_NOT_TAKEN).order_by("-created_at")


def _asked_of_new_numbers(organisation_id: int, now: datetime, **only: str) -> int:
    """Return how many codes to new numbers were requested today and yesterday: a cheap check before rows are read."""
    days = [now.astimezone(UTC).date(), (now - DAY).astimezone(UTC).date()]
    asked = DailyTotal.objects.filter(organisation_id=organisation_id, is_new=True, day__in=days, **only)
    return int(asked.aggregate(total=Sum("asked", default=0))["total"])


def _needed_at_home(user: User) -> int:
    """Return how many numbers must have untyped codes to block the home country: one per person, up to a maximum.

    During that block hardly any new person can register. Two people who request code after code must not cause it,
    nor a gateway that drops messages while some people retry; and an attacker earns least from texts to the home
    country.
    """
    everybody = User.objects.filter(organisation_id=user.organisation_id, deleted_at=None).order_by()
    return int(everybody[:NUMBERS_AT_HOME].count())
