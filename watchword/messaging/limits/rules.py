"""Decides whether one more message may leave: pure rules over counted facts, the first that says no decides.

Order matters: what can never be sent to comes first, then the person's own limits, then the telephone's (a victim is
not flooded through many accounts), then the organisation's purse. The last group never stops administrators, and counts
numbers that nobody has proven apart: who signs in must not suffer from somebody who plays with registrations. Of all
that a number, or a day's money, can take, registrations get half at most, so that nobody else's can use it up.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Literal

from watchword.core.phone_numbers import Kind
from watchword.core.policy import Limits

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)
SETTLED_AFTER = timedelta(minutes=5)
"""So long a code has to be typed before its being missing means anything; it is what a code lives."""
SWITCHBOARD_UNTYPED = 10
SWITCHBOARD_EACH_PROVEN = 3
"""Calls in a day to all extensions of one number that nobody types, and so many more for each person who has typed one
there: a switchboard rings at many desks, and an extension that nobody has is no way round the limit of a number."""
RANGE_EACH_PROVEN = 5
"""Untyped codes in an hour to neighbours, for each person of the organisation who has proven a number among them: a
company's phones are bought side by side."""
MOST_BURST = 100
WARNINGS_EACH_DAY = 5
"""Texts without a code that warn one person in a day; the mail says everything anyway."""


class Rule(StrEnum):
    """Which limit decided; the administrator reads it, the person hears only when to try again."""

    ATTEMPT = "sends_each_attempt"
    PAUSE = "resend_seconds"
    QUARTER_HOUR = "sends_each_quarter_hour"
    DAY = "sends_each_day"
    NEW_NUMBERS = "new_numbers_each_day"
    NUMBER_DAY = "sends_each_number_and_day"
    NUMBER_PEOPLE = "people_each_number_and_day"
    SWITCHBOARD = "untyped_each_switchboard_and_day"
    RANGE_KIND = "range_never_sent_to"
    COUNTRY = "country_not_allowed"
    COUNTRY_CLOSED = "country_closed"
    RANGE_HOUR = "sends_each_range_and_hour"
    NEW_COUNTRY_DAY = "new_sends_each_country_and_day"
    NEW_DAY = "new_sends_each_day"
    ORGANISATION_DAY = "organisation_sends_each_day"
    COST_DAY = "cost_each_day"

    @property
    def is_of_the_quota(self) -> bool:
        """Whether it protects the organisation's money: administrators at proven numbers pass."""
        return self in _QUOTA

    @property
    def grows_with_people(self) -> bool:
        """Whether its default depends on how many people the organisation has."""
        return self in _OF_SIZE


_QUOTA = frozenset({Rule.ORGANISATION_DAY, Rule.COST_DAY})
_OF_SIZE = frozenset({Rule.ORGANISATION_DAY, Rule.NEW_DAY, Rule.NEW_COUNTRY_DAY, Rule.RANGE_HOUR, Rule.COST_DAY})
ORGANISATION_BASE, ORGANISATION_EACH = 200, 6
NEW_BASE = 50
COST_BASE, COST_EACH = 50, 3
"""Where prices are set and no ceiling of money is: a day may cost so many messages, and so many for each person."""


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
    range_burst: int = 0
    """So many more to such numbers within SETTLED_AFTER, in which nobody can be expected to have typed them."""
    new_numbers_each_day: int = 3
    """Different new numbers that one person may try in a day."""
    cost_micros_each_day: int | None = None
    alarm_sends: int = 20
    alarm_share: float = 0.25
    """A country is closed for new numbers when of this many codes a smaller share was ever typed."""
    alarm_closes: timedelta = DAY
    alarm_closes_home: timedelta = HOUR
    """The organisation's own country: without it nearly nobody new gets in, so that an administrator is asked soon."""

    @classmethod
    def of(
        cls,
        *,
        region: str,
        people: int,
        countries: list[str],
        config: Mapping[str, object],
        price_micros: int = 0,
    ) -> Budget:
        """Return the budget of an organisation: its own country and enough for its people, or what it wishes.

        ``price_micros``: what a message costs at most in its own country, in millionths of the phones file's currency.
        """
        known = {
            "organisation_sends_each_day": ORGANISATION_BASE + ORGANISATION_EACH * people,
            "new_sends_each_day": NEW_BASE + people,
            "new_sends_each_country_and_day": NEW_BASE + people,
            "sends_each_range_and_hour": 10,
            "new_numbers_each_day": 3,
        }
        for name in known:
            options = config.get(name)
            if isinstance(options, int) and not isinstance(options, bool) and options >= 0:
                known[name] = options
        # Whatever was wished: half of the organisation's day is kept for people who sign in.
        half = -(-known["organisation_sends_each_day"] // 2)
        for name in ("new_sends_each_day", "new_sends_each_country_and_day"):
            known[name] = min(known[name], half)
        cost = config.get("cost_each_day")
        is_amount = isinstance(cost, int | float) and not isinstance(cost, bool) and 0 < cost < _MOST_MONEY
        micros: int | None = round(float(cost) * 1_000_000) if is_amount else None  # type: ignore[arg-type]  # a number
        if micros is None and price_micros > 0:
            micros = price_micros * (COST_BASE + COST_EACH * people)
        burst = min(people, MOST_BURST)
        budget = cls(countries=frozenset(countries or [region]), range_burst=burst, cost_micros_each_day=micros)
        return dataclasses.replace(budget, **known)  # type: ignore[arg-type]  # the names above are all whole numbers


_MOST_MONEY = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """One message that wants to leave, and everything counted about it. Times are newest first."""

    now: datetime
    kind: Kind
    country: str
    is_new: bool
    """The number is not proven yet: somebody registers it."""
    is_administrator: bool = False
    sends_in_attempt: int = 0
    mine: tuple[datetime, ...] = ()
    """When codes left for this person in the last day."""
    last_was_trouble: bool = False
    """Whether the newest of them is known not to have got through."""
    other_new_numbers: tuple[datetime, ...] = ()
    """When this person last tried each of the other numbers that they tried to register in the last day."""
    my_warnings: tuple[datetime, ...] = ()
    """When warnings left for this person in the last day, whatever the number."""
    to_number: tuple[datetime, ...] = ()
    """When anything left for this number in the last day."""
    new_to_number: tuple[datetime, ...] = ()
    """When codes for registering it left in the last day."""
    warnings_to_number: tuple[datetime, ...] = ()
    others_at_number: tuple[datetime, ...] = ()
    """When each other person's newest code left for this number in the last day; codes for registering it only count
    where somebody registers it, so that strangers can't use up a number that is not theirs."""
    unproven_in_range: tuple[datetime, ...] = ()
    """When codes left in the last hour for new numbers of this block whose codes were not typed."""
    proven_in_range: int = 0
    """How many people of the organisation have typed a code that went to this block, or to this switchboard."""
    untyped_at_switchboard: tuple[datetime, ...] = ()
    """When calls left in the last day for any extension of this number that nobody typed."""
    organisation_today: int = 0
    new_today: int = 0
    new_in_country_today: int = 0
    cost_micros_today: int = 0
    """What was spent today, and what is on its way."""
    price_micros: int = 0
    """What this message costs at most."""
    closed_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Permitted:
    """One more may be sent now."""


class NotReserved:
    """What every *no* to sending a message is: false, so that ``if not verdict`` means that nothing leaves."""

    __slots__ = ()

    def __bool__(self) -> Literal[False]:
        return False


@dataclass(frozen=True, slots=True)
class SendThrottled(NotReserved):
    """One more may be sent at that time, or never in this attempt where ``until`` is None."""

    until: datetime | None
    rule: Rule
    details: Mapping[str, str] = field(default_factory=dict, compare=False)
    """The numbers behind it, for the administrator: ``limit`` and ``count``, a country, a kind."""


def judge(asked: Asked, limits: Limits, budget: Budget) -> Permitted | SendThrottled:
    """Return whether one more code may leave, or the rule that forbids it and until when."""
    for look in (_never, _person, _telephone, _neighbours, _quota):
        verdict = look(asked, limits, budget)
        if verdict is not None:
            return verdict
    return Permitted()


def judge_warning(asked: Asked, limits: Limits, budget: Budget) -> Permitted | SendThrottled:
    """Return whether a text without a code may leave: never more than a mail that was sent anyway is worth.

    It uses up no codes of the person, half of the number's day at most, and nobody's warning passes the purse.
    """
    verdict = _first(
        _never(asked, limits, budget),
        _too_many(asked.my_warnings, WARNINGS_EACH_DAY, DAY, Rule.DAY),
        _too_many(asked.to_number, limits.sends_each_number_and_day, DAY, Rule.NUMBER_DAY),
        _too_many(asked.warnings_to_number, half_of(limits), DAY, Rule.NUMBER_DAY),
        _spent(asked, budget),
    )
    return verdict if verdict is not None else Permitted()


def _first(*verdicts: SendThrottled | None) -> SendThrottled | None:
    """Return the first no; ``or`` would pass over it, because every no is false."""
    return next((verdict for verdict in verdicts if verdict is not None), None)


def half_of(limits: Limits) -> int:
    """Return how many of a number's messages in a day may be for registering it, or warnings."""
    return -(-limits.sends_each_number_and_day // 2)


def _never(asked: Asked, _limits: Limits, budget: Budget) -> SendThrottled | None:
    if not asked.kind.may_be_sent_to:
        return SendThrottled(None, Rule.RANGE_KIND, {"kind": asked.kind.value, "country": asked.country})
    if asked.country not in budget.countries:
        return SendThrottled(None, Rule.COUNTRY, {"country": asked.country})
    return None


def _person(asked: Asked, limits: Limits, budget: Budget) -> SendThrottled | None:
    now, mine = asked.now, asked.mine
    if asked.sends_in_attempt >= limits.sends_each_attempt:
        return SendThrottled(None, Rule.ATTEMPT, _numbers(limits.sends_each_attempt, asked.sends_in_attempt))
    lately = [at for at in mine if now - at < QUARTER]
    verdict = _first(
        _too_many(mine, limits.sends_each_day, DAY, Rule.DAY),
        _too_many(lately, limits.sends_each_quarter_hour, QUARTER, Rule.QUARTER_HOUR),
    )
    if verdict is not None:
        return verdict
    pause = timedelta(seconds=limits.resend_seconds)
    # What did not get through needs no patience: another way may be tried at once.
    if asked.sends_in_attempt and mine and not asked.last_was_trouble and now - mine[0] < pause:
        return SendThrottled(mine[0] + pause, Rule.PAUSE, {"limit": str(limits.resend_seconds)})
    if asked.is_new:
        return _too_many(asked.other_new_numbers, budget.new_numbers_each_day, DAY, Rule.NEW_NUMBERS, now=now)
    return None


def _telephone(asked: Asked, limits: Limits, _budget: Budget) -> SendThrottled | None:
    verdict = _too_many(asked.to_number, limits.sends_each_number_and_day, DAY, Rule.NUMBER_DAY)
    if verdict is None and asked.is_new:
        verdict = _too_many(asked.new_to_number, half_of(limits), DAY, Rule.NUMBER_DAY)
    ceiling = SWITCHBOARD_UNTYPED + SWITCHBOARD_EACH_PROVEN * asked.proven_in_range
    return _first(
        verdict,
        _too_many(asked.others_at_number, limits.people_each_number_and_day, DAY, Rule.NUMBER_PEOPLE),
        _too_many(asked.untyped_at_switchboard, ceiling, DAY, Rule.SWITCHBOARD),
    )


def _neighbours(asked: Asked, _limits: Limits, budget: Budget) -> SendThrottled | None:
    if not asked.is_new:
        return None
    country = {"country": asked.country}
    if asked.closed_until is not None and asked.closed_until > asked.now:
        return SendThrottled(asked.closed_until, Rule.COUNTRY_CLOSED, country)
    # A code that left a moment ago can't have been typed by anybody: only so many at once are a burst.
    settled = [at for at in asked.unproven_in_range if asked.now - at >= SETTLED_AFTER]
    fresh = [at for at in asked.unproven_in_range if asked.now - at < SETTLED_AFTER]
    in_range = budget.sends_each_range_and_hour + RANGE_EACH_PROVEN * asked.proven_in_range
    return _first(
        _too_many(settled, in_range, HOUR, Rule.RANGE_HOUR, now=asked.now),
        _too_many(fresh, in_range + budget.range_burst, SETTLED_AFTER, Rule.RANGE_HOUR, now=asked.now),
        _too_many_today(
            asked, asked.new_in_country_today, budget.new_sends_each_country_and_day, Rule.NEW_COUNTRY_DAY, country
        ),
        _too_many_today(asked, asked.new_today, budget.new_sends_each_day, Rule.NEW_DAY, {}),
    )


def _quota(asked: Asked, _limits: Limits, budget: Budget) -> SendThrottled | None:
    if asked.is_administrator and not asked.is_new:
        return None
    return _spent(asked, budget)


def _spent(asked: Asked, budget: Budget) -> SendThrottled | None:
    verdict = _too_many_today(
        asked, asked.organisation_today, budget.organisation_sends_each_day, Rule.ORGANISATION_DAY, {}
    )
    if verdict is not None or budget.cost_micros_each_day is None:
        return verdict
    # Registrations may spend half of a day's money; the other half is for people who sign in.
    ceiling = budget.cost_micros_each_day // 2 if asked.is_new else budget.cost_micros_each_day
    spent = asked.cost_micros_today
    if spent < ceiling and spent + asked.price_micros <= ceiling:
        return None
    numbers = {"limit": _money(ceiling), "count": _money(spent), "price": _money(asked.price_micros)}
    return SendThrottled(_tomorrow(asked.now), Rule.COST_DAY, numbers)


def is_pumping(sent: int, entered: int, budget: Budget) -> bool:
    """Whether so few of the codes that left for new numbers in a country were typed that nobody can be reading them."""
    return sent >= budget.alarm_sends and entered < sent * budget.alarm_share


def _too_many(
    times: Sequence[datetime], limit: int, lasts: timedelta, rule: Rule, *, now: datetime | None = None
) -> SendThrottled | None:
    """Return a no if ``times`` (newest first) are ``limit`` or more, until one of them is old enough.

    ``now`` is needed where the limit can be nothing at all: then there is none to wait for.
    """
    if len(times) < limit:
        return None
    since = times[limit - 1] if limit > 0 else now
    assert since is not None
    return SendThrottled(since + lasts, rule, _numbers(limit, len(times)))


def _too_many_today(
    asked: Asked, count: int, limit: int, rule: Rule, details: Mapping[str, str]
) -> SendThrottled | None:
    if count < limit:
        return None
    return SendThrottled(_tomorrow(asked.now), rule, {**_numbers(limit, count), **details})


def _numbers(limit: int, count: int) -> Mapping[str, str]:
    return {"limit": str(limit), "count": str(count)}


def _money(micros: int) -> str:
    return f"{micros / 1_000_000:.2f}"


def _tomorrow(now: datetime) -> datetime:
    """Return when the day (UTC) that limits are counted in ends."""
    return (now.astimezone(UTC) + DAY).replace(hour=0, minute=0, second=0, microsecond=0)
