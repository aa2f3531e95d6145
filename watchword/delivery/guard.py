"""Decides whether one more message may leave: pure rules over counted facts, the first that says no decides.

Order matters: what can never be sent to comes first, then the person's own limits, then the telephone's (a victim is
not flooded through many accounts), then the organisation's purse. The last group never stops administrators, and counts
numbers that nobody has proven apart: who signs in must not suffer from somebody who plays with registrations.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from watchword.core.policy import Limits
from watchword.delivery.ranges import Kind

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)


class Rule(StrEnum):
    """Which limit decided; the administrator reads it, the person hears only when to try again."""

    ATTEMPT = "sends_each_attempt"
    PAUSE = "resend_seconds"
    QUARTER_HOUR = "sends_each_quarter_hour"
    DAY = "sends_each_day"
    NEW_NUMBERS = "new_numbers_each_day"
    NUMBER_DAY = "sends_each_number_and_day"
    NUMBER_PEOPLE = "people_each_number_and_day"
    RANGE_KIND = "range_never_sent_to"
    COUNTRY = "country_not_allowed"
    COUNTRY_CLOSED = "country_closed"
    RANGE_HOUR = "sends_each_range_and_hour"
    NEW_COUNTRY_DAY = "new_sends_each_country_and_day"
    NEW_DAY = "new_sends_each_day"
    ORGANISATION_DAY = "organisation_sends_each_day"
    COST_DAY = "cost_each_day"

    @property
    def is_of_the_purse(self) -> bool:
        """Whether it protects the organisation's money: administrators at proven numbers pass."""
        return self in _PURSE


_PURSE = frozenset({Rule.ORGANISATION_DAY, Rule.COST_DAY})


@dataclass(frozen=True, slots=True)
class Budget:
    """What one organisation spends at most; made from its wishes and its size."""

    countries: frozenset[str]
    """ISO 3166-1 codes to which anything may be sent."""
    organisation_sends_each_day: int = 500
    new_sends_each_day: int = 200
    new_sends_each_country_and_day: int = 200
    sends_each_range_and_hour: int = 10
    """To new numbers that differ in their last four digits, as long as their codes are not typed."""
    new_numbers_each_day: int = 3
    """Different new numbers that one person may try in a day."""
    cost_micros_each_day: int | None = None
    alarm_sends: int = 20
    alarm_share: float = 0.25
    """A country is closed for new numbers when of this many codes a smaller share was ever typed."""
    alarm_closes: timedelta = DAY

    @classmethod
    def of(cls, *, region: str, people: int, countries: list[str], wishes: Mapping[str, object]) -> Budget:
        """Return the budget of an organisation: its own country and enough for its people, or what it wishes."""
        known = {
            "organisation_sends_each_day": 200 + 6 * people,
            "new_sends_each_day": 50 + people,
            "new_sends_each_country_and_day": 50 + people,
            "sends_each_range_and_hour": 10,
            "new_numbers_each_day": 3,
        }
        for name in known:
            wish = wishes.get(name)
            if isinstance(wish, int) and not isinstance(wish, bool) and wish >= 0:
                known[name] = wish
        cost = wishes.get("cost_each_day")
        micros = round(float(cost) * 1_000_000) if isinstance(cost, int | float) and cost > 0 else None
        budget = cls(countries=frozenset(countries or [region]), cost_micros_each_day=micros)
        return dataclasses.replace(budget, **known)  # type: ignore[arg-type]  # the names above are all whole numbers


@dataclass(frozen=True, slots=True)
class Asked:
    """One message that wants to leave, and everything counted about it."""

    now: datetime
    kind: Kind
    country: str
    is_new: bool
    """The number is not proven yet: somebody registers it."""
    is_administrator: bool = False
    sends_in_attempt: int = 0
    mine: tuple[datetime, ...] = ()
    """When codes left for this person in the last day, newest first."""
    last_was_trouble: bool = False
    """Whether the newest of them is known not to have got through."""
    new_numbers_of_person: int = 0
    """How many other numbers this person tried to register in the last day."""
    to_number: tuple[datetime, ...] = ()
    """When codes left for this number in the last day, newest first."""
    others_at_number: int = 0
    """How many other people's codes went to this number in the last day."""
    unproven_in_range: tuple[datetime, ...] = ()
    """When codes left in the last hour for new numbers of this block whose codes were not typed, newest first."""
    organisation_today: int = 0
    new_today: int = 0
    new_in_country_today: int = 0
    cost_micros_today: int = 0
    closed_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Free:
    """One more may be sent now."""


@dataclass(frozen=True, slots=True)
class NotBefore:
    """One more may be sent at that time, or never in this attempt where ``until`` is None."""

    until: datetime | None
    rule: Rule
    details: Mapping[str, str] = field(default_factory=dict)


def judge(asked: Asked, limits: Limits, budget: Budget) -> Free | NotBefore:
    """Return whether one more message may leave, or the rule that forbids it and until when."""
    for look in (_never, _person, _telephone, _neighbours, _purse):
        verdict = look(asked, limits, budget)
        if verdict is not None:
            return verdict
    return Free()


def _never(asked: Asked, _limits: Limits, budget: Budget) -> NotBefore | None:
    if not asked.kind.may_be_sent_to:
        return NotBefore(None, Rule.RANGE_KIND, {"kind": asked.kind.value})
    if asked.country not in budget.countries:
        return NotBefore(None, Rule.COUNTRY, {"country": asked.country})
    return None


def _person(asked: Asked, limits: Limits, budget: Budget) -> NotBefore | None:
    now, mine = asked.now, asked.mine
    if asked.sends_in_attempt >= limits.sends_each_attempt:
        return NotBefore(None, Rule.ATTEMPT)
    if len(mine) >= limits.sends_each_day:
        return NotBefore(mine[limits.sends_each_day - 1] + DAY, Rule.DAY)
    lately = [at for at in mine if now - at < QUARTER]
    if len(lately) >= limits.sends_each_quarter_hour:
        return NotBefore(lately[limits.sends_each_quarter_hour - 1] + QUARTER, Rule.QUARTER_HOUR)
    pause = timedelta(seconds=limits.resend_seconds)
    # What did not get through needs no patience: another way may be tried at once.
    if asked.sends_in_attempt and mine and not asked.last_was_trouble and now - mine[0] < pause:
        return NotBefore(mine[0] + pause, Rule.PAUSE)
    if asked.is_new and asked.new_numbers_of_person >= budget.new_numbers_each_day:
        return NotBefore(now + DAY, Rule.NEW_NUMBERS)
    return None


def _telephone(asked: Asked, limits: Limits, _budget: Budget) -> NotBefore | None:
    if len(asked.to_number) >= limits.sends_each_number_and_day:
        return NotBefore(asked.to_number[limits.sends_each_number_and_day - 1] + DAY, Rule.NUMBER_DAY)
    if asked.others_at_number >= limits.people_each_number_and_day:
        return NotBefore(asked.to_number[-1] + DAY, Rule.NUMBER_PEOPLE)
    return None


def _neighbours(asked: Asked, _limits: Limits, budget: Budget) -> NotBefore | None:
    if not asked.is_new:
        return None
    if asked.closed_until is not None and asked.closed_until > asked.now:
        return NotBefore(asked.closed_until, Rule.COUNTRY_CLOSED, {"country": asked.country})
    if len(asked.unproven_in_range) >= budget.sends_each_range_and_hour:
        in_the_way = asked.unproven_in_range[: budget.sends_each_range_and_hour]
        return NotBefore((in_the_way[-1] if in_the_way else asked.now) + HOUR, Rule.RANGE_HOUR)
    if asked.new_in_country_today >= budget.new_sends_each_country_and_day:
        return NotBefore(_tomorrow(asked.now), Rule.NEW_COUNTRY_DAY, {"country": asked.country})
    if asked.new_today >= budget.new_sends_each_day:
        return NotBefore(_tomorrow(asked.now), Rule.NEW_DAY)
    return None


def _purse(asked: Asked, _limits: Limits, budget: Budget) -> NotBefore | None:
    if asked.is_administrator and not asked.is_new:
        return None
    if asked.organisation_today >= budget.organisation_sends_each_day:
        return NotBefore(_tomorrow(asked.now), Rule.ORGANISATION_DAY)
    ceiling = budget.cost_micros_each_day
    if ceiling is not None and asked.cost_micros_today >= ceiling:
        return NotBefore(_tomorrow(asked.now), Rule.COST_DAY)
    return None


def is_pumping(sent: int, entered: int, budget: Budget) -> bool:
    """Whether so few of the codes that left for new numbers in a country were typed that nobody can be reading them."""
    return sent >= budget.alarm_sends and entered < sent * budget.alarm_share


def _tomorrow(now: datetime) -> datetime:
    """Return when the day (UTC) that limits are counted in ends."""
    return (now.astimezone(UTC) + DAY).replace(hour=0, minute=0, second=0, microsecond=0)
