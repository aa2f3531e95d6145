"""Counts what the guard judges by, writes down what it let out and what it did not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q, Sum

from watchword.audit.events import EventKind
from watchword.audit.record import record
from watchword.core.policy import Way
from watchword.delivery import guard, ranges
from watchword.delivery.channel import Result
from watchword.delivery.guard import DAY, HOUR, Asked, Budget, Free, NotBefore, Rule
from watchword.delivery.models import Closure, Delivery, Refusal, Tally
from watchword.directory.models import Organisation, User

__all__ = ["Free", "NotBefore", "Rule", "Telephone", "budget_of", "may_send", "note_refusal", "telephone_of"]

SETTLED_AFTER = timedelta(minutes=5)
"""So long a code has to be typed before its being missing means anything; it is what a code lives."""


@dataclass(frozen=True, slots=True)
class Telephone:
    """One number as deliveries remember it."""

    number_key: bytes
    range_key: bytes
    country: str
    kind: ranges.Kind
    ends: str

    def row(self) -> dict[str, Any]:
        """Return the columns of a delivery that say where it went."""
        return {
            "number_key": self.number_key,
            "range_key": self.range_key,
            "country": self.country,
            "ends": self.ends,
        }


def telephone_of(e164: str) -> Telephone:
    """Return what is remembered of a number: keyed hashes and its country, never the number."""
    seen = ranges.look_at(e164)
    ring = settings.WATCHWORD_KEY_RING
    return Telephone(
        number_key=ring.mac("delivery.number", e164.encode()),
        range_key=ring.mac("delivery.range", ranges.block_of(e164).encode()),
        country=seen.country,
        kind=seen.kind,
        ends=e164[-2:],
    )


def budget_of(organisation: Organisation) -> Budget:
    """Return what an organisation may spend, by its wishes and its size."""
    people = User.objects.filter(organisation=organisation, deleted_at=None).count()
    return Budget.of(
        region=organisation.region,
        people=people,
        countries=list(organisation.phone_countries),
        wishes=organisation.phone_budget,
    )


def may_send(
    user: User, telephone: Telephone, way: Way, *, sends_in_attempt: int, is_new: bool, now: datetime
) -> Free | NotBefore:
    """Judge one more code to one number and count it if it may leave. The caller holds the lock on the person's row.

    ``is_new``: nobody has proven yet that this number is theirs.
    """
    organisation = user.organisation
    budget = budget_of(organisation)
    tally = _locked_tally(organisation, telephone.country, way, is_new=is_new, now=now)
    asked = _count(user, telephone, sends_in_attempt=sends_in_attempt, is_new=is_new, now=now)
    verdict = guard.judge(asked, organisation.policy.limits, budget)
    if isinstance(verdict, NotBefore):
        if verdict.rule not in {Rule.ATTEMPT, Rule.PAUSE}:
            note_refusal(user, telephone, way, verdict, now=now)
            Tally.objects.filter(pk=tally.pk).update(refused=F("refused") + 1)
        return verdict
    Tally.objects.filter(pk=tally.pk).update(asked=F("asked") + 1)
    return verdict


def note_refusal(user: User, telephone: Telephone, way: Way, verdict: NotBefore, *, now: datetime) -> None:
    """Write down that a message did not leave and which rule decided, for the administrator."""
    Refusal.objects.create(
        organisation_id=user.organisation_id,
        user=user,
        at=now,
        way=way,
        country=telephone.country,
        ends=telephone.ends,
        rule=verdict.rule,
        details=dict(verdict.details),
    )


def _locked_tally(organisation: Organisation, country: str, way: Way, *, is_new: bool, now: datetime) -> Tally:
    """Return today's row for a country under its lock: sends at the same moment are judged one after the other."""
    key = {
        "organisation": organisation,
        "day": now.astimezone(UTC).date(),
        "country": country,
        "way": way,
        "is_new": is_new,
    }
    Tally.objects.bulk_create([Tally(**key)], ignore_conflicts=True)
    return Tally.objects.select_for_update(of=("self",)).get(**key)


def _count(user: User, telephone: Telephone, *, sends_in_attempt: int, is_new: bool, now: datetime) -> Asked:
    day = Delivery.objects.filter(created_at__gt=now - DAY).order_by("-created_at")
    mine = list(day.filter(user=user).values_list("created_at", "number_key", "purpose", "result"))
    to_number = list(day.filter(number_key=telephone.number_key).values_list("created_at", "user_id"))
    today = _today(user.organisation, telephone.country, now)
    tried = {bytes(key) for _at, key, purpose, _result in mine if purpose == "register"} - {telephone.number_key}
    return Asked(
        now=now,
        kind=telephone.kind,
        country=telephone.country,
        is_new=is_new,
        is_administrator=user.is_administrator,
        sends_in_attempt=sends_in_attempt,
        mine=tuple(row[0] for row in mine),
        last_was_trouble=bool(mine) and Result(mine[0][3]).is_trouble,
        new_numbers_of_person=len(tried),
        to_number=tuple(at for at, _user in to_number),
        others_at_number=len({user_id for _at, user_id in to_number} - {user.pk}),
        unproven_in_range=_unproven_in_range(telephone, now) if is_new else (),
        closed_until=_closed_until(user, telephone.country, now) if is_new else None,
        **today,
    )


def _unproven_in_range(telephone: Telephone, now: datetime) -> tuple[datetime, ...]:
    rows = Delivery.objects.filter(
        range_key=telephone.range_key, created_at__gt=now - HOUR, purpose="register", entered_at=None
    )
    return tuple(rows.order_by("-created_at").values_list("created_at", flat=True))


def _today(organisation: Organisation, country: str, now: datetime) -> dict[str, int]:
    rows = Tally.objects.filter(organisation=organisation, day=now.astimezone(UTC).date())
    sums = rows.aggregate(
        organisation_today=Sum("asked", default=0),
        new_today=Sum("asked", filter=Q(is_new=True), default=0),
        new_in_country_today=Sum("asked", filter=Q(is_new=True, country=country), default=0),
        cost_micros_today=Sum("cost_micros", default=0),
    )
    return {name: int(value) for name, value in sums.items()}


def _closed_until(user: User, country: str, now: datetime) -> datetime | None:
    closure = (
        Closure.objects.filter(organisation_id=user.organisation_id, country=country, until__gt=now)
        .order_by("-until")
        .first()
    )
    if closure is not None:
        return None if closure.reopened_at is not None else closure.until
    return _close_if_pumped(user, country, now)


def _close_if_pumped(user: User, country: str, now: datetime) -> datetime | None:
    """Look whether next to none of the last day's codes to new numbers in a country were typed, and close it then.

    Only codes that a carrier took and that had their time count: a carrier that is down is no attack.
    """
    rows = Delivery.objects.filter(
        organisation_id=user.organisation_id,
        country=country,
        purpose="register",
        created_at__gt=now - DAY,
        created_at__lte=now - SETTLED_AFTER,
    )
    taken = rows.exclude(result__in=[Result.WAITING, Result.FAILED, Result.EXPIRED])
    sent, entered = taken.count(), taken.exclude(entered_at=None).count()
    budget = budget_of(user.organisation)
    if not guard.is_pumping(sent, entered, budget):
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


def note_entered(delivery_id: UUID, *, now: datetime) -> None:
    """Write down that the code of a delivery was typed, or approved by keys: the one proof that it arrived."""
    if Delivery.objects.filter(pk=delivery_id, entered_at=None).update(entered_at=now):
        count(Delivery.objects.get(pk=delivery_id), entered=1)


def count(delivery: Delivery, **more: int) -> None:
    """Add to today's numbers of the country that a delivery went to."""
    rows = Tally.objects.filter(
        organisation_id=delivery.organisation_id,
        day=delivery.created_at.astimezone(UTC).date(),
        country=delivery.country,
        way=delivery.way,
        is_new=delivery.purpose == "register",
    )
    rows.update(**{name: F(name) + number for name, number in more.items()})
