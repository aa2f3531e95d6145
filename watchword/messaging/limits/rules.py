"""Rate limits: decide whether one more message may be sent. Pure rules over counters; the first violated rule decides.

The order matters: numbers that can never be sent to come first, then the limits of the person, then those of the
telephone (a victim is not flooded through many accounts), then the organisation's quota and spending cap. The last
group never stops administrators, and unproven numbers are counted apart: abuse of the registration must not hinder
people who sign in. Registrations get at most half of a number's daily limit and of a day's spending cap, so that they
can't use up what other people need.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from watchword.core.negative_result import NegativeResult
from watchword.core.phone_numbers import NumberKind
from watchword.core.policy import Limits

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)
SETTLED_AFTER = timedelta(minutes=5)
"""Codes younger than this, which is a code's lifetime, don't count as untyped yet."""
SWITCHBOARD_UNTYPED = 10
SWITCHBOARD_EACH_PROVEN = 3
"""Calls in a day to all extensions of one number whose codes are not typed, and how many more for each person who has
typed a code there: a switchboard has many extensions, and invalid ones must not bypass the limit of a number."""
RANGE_EACH_PROVEN = 5
"""Additional untyped codes in an hour to neighbouring numbers, for each person of the organisation with a proven number
among them: a company buys its numbers in one block."""
MOST_BURST = 100
WARNINGS_EACH_DAY = 5
"""Warnings (texts without a code) to one person in a day; a mail says the same anyway."""


class LimitRule(StrEnum):
    """The rule that decided; the administrator sees it, the person is told only when to try again."""

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
    def grows_with_people(self) -> bool:
        """Return whether its default depends on the number of people in the organisation."""
        return self in _OF_SIZE


_OF_SIZE = frozenset(
    {LimitRule.ORGANISATION_DAY, LimitRule.NEW_DAY, LimitRule.NEW_COUNTRY_DAY, LimitRule.RANGE_HOUR, LimitRule.COST_DAY}
)
ORGANISATION_BASE, ORGANISATION_EACH = 200, 6
NEW_BASE = 50
COST_BASE, COST_EACH = 50, 3
"""Default spending cap, if prices but no cap are set: the price of a base number of messages, plus some per person."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Quotas and spending cap of one organisation, from its options and its size."""

    countries: frozenset[str]
    """ISO 3166-1 codes of the countries to which messages may be sent."""
    organisation_sends_each_day: int = 500
    new_sends_each_day: int = 200
    new_sends_each_country_and_day: int = 200
    sends_each_range_and_hour: int = 10
    """Untyped codes to new numbers that differ only in their last four digits."""
    range_burst: int = 0
    """Additional codes to such numbers within SETTLED_AFTER, in which people have not had time to type them."""
    new_numbers_each_day: int = 3
    """Different new numbers that one person may try in a day."""
    cost_micros_each_day: int | None = None
    alarm_sends: int = 20
    alarm_share: float = 0.25
    """A country is blocked for new numbers if, of at least this many codes, a smaller share was ever typed."""
    alarm_closes: timedelta = DAY
    alarm_closes_home: timedelta = HOUR
    """Block of the organisation's own country: short, as hardly any new person can register during the block."""

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
        """Return the budget of an organisation: its options, with defaults for its own country and its size.

        ``price_micros``: highest price of a message in its own country, in millionths of the phones file's currency.
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
        # Whatever is configured: half of the organisation's daily quota is reserved for people who sign in.
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
    """A message to be decided on, and all counters about it. Times are newest first."""

    now: datetime
    kind: NumberKind
    country: str
    is_new: bool
    """Whether the number is not proven yet, because a person registers it."""
    is_administrator: bool = False
    sends_in_attempt: int = 0
    mine: tuple[datetime, ...] = ()
    """Times of codes to this person in the last day."""
    last_was_trouble: bool = False
    """Whether the newest of them is known not to have arrived."""
    other_new_numbers: tuple[datetime, ...] = ()
    """For each other number that this person tried to register in the last day: time of the newest code."""
    my_warnings: tuple[datetime, ...] = ()
    """Times of warnings to this person in the last day, to any number."""
    to_number: tuple[datetime, ...] = ()
    """Times of all messages to this number in the last day."""
    new_to_number: tuple[datetime, ...] = ()
    """Times of codes for registering it in the last day."""
    warnings_to_number: tuple[datetime, ...] = ()
    others_at_number: tuple[datetime, ...] = ()
    """For each other person: time of the newest code to this number in the last day. Codes for registering it count
    only where this message registers it too, so that strangers can't use up the limit of another person's number."""
    unproven_in_range: tuple[datetime, ...] = ()
    """Times of codes in the last hour to new numbers of this block whose codes were not typed."""
    proven_in_range: int = 0
    """How many people of the organisation have typed a code sent to this block, or to this switchboard."""
    untyped_at_switchboard: tuple[datetime, ...] = ()
    """Times of calls in the last day to any extension of this number whose codes were not typed."""
    organisation_today: int = 0
    new_today: int = 0
    new_in_country_today: int = 0
    cost_micros_today: int = 0
    """Cost of today's messages, including those that are not sent yet."""
    price_micros: int = 0
    """Highest price of this message."""
    closed_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Permitted:
    """The message may be sent now."""


@dataclass(frozen=True, slots=True)
class SendThrottled(NegativeResult):
    """The message may be sent at ``until``, or never in this sign-in attempt where ``until`` is None."""

    until: datetime | None
    rule: LimitRule
    details: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Values for the administrator: ``limit`` and ``count``, a country, a number type."""


def evaluate(asked: Asked, limits: Limits, budget: Budget) -> Permitted | SendThrottled:
    """Return whether one more code may be sent, or the rule that forbids it and until when."""
    for look in (_never, _person, _telephone, _neighbours, _quota):
        verdict = look(asked, limits, budget)
        if verdict is not None:
            return verdict
    return Permitted()


def evaluate_warning(asked: Asked, limits: Limits, budget: Budget) -> Permitted | SendThrottled:
    """Return whether a text without a code may be sent; its limits are low, because a mail says the same.

    It uses up none of the person's codes and at most half of the number's daily limit, and the organisation's quota
    applies to administrators as well.
    """
    verdict = _first(
        _never(asked, limits, budget),
        _too_many(asked.my_warnings, WARNINGS_EACH_DAY, DAY, LimitRule.DAY),
        _too_many(asked.to_number, limits.sends_each_number_and_day, DAY, LimitRule.NUMBER_DAY),
        _too_many(asked.warnings_to_number, half_of(limits), DAY, LimitRule.NUMBER_DAY),
        _spent(asked, budget),
    )
    return verdict if verdict is not None else Permitted()


def _first(*verdicts: SendThrottled | None) -> SendThrottled | None:
    """Return the first denial; ``or`` would skip it, because every denial is false."""
    return next((verdict for verdict in verdicts if verdict is not None), None)


def half_of(limits: Limits) -> int:
    """Return how many of a number's messages in a day may be registrations, or warnings."""
    return -(-limits.sends_each_number_and_day // 2)


def _never(asked: Asked, _limits: Limits, budget: Budget) -> SendThrottled | None:
    if not asked.kind.may_be_sent_to:
        return SendThrottled(None, LimitRule.RANGE_KIND, {"kind": asked.kind.value, "country": asked.country})
    if asked.country not in budget.countries:
        return SendThrottled(None, LimitRule.COUNTRY, {"country": asked.country})
    return None


def _person(asked: Asked, limits: Limits, budget: Budget) -> SendThrottled | None:
    now, mine = asked.now, asked.mine
    if asked.sends_in_attempt >= limits.sends_each_attempt:
        return SendThrottled(None, LimitRule.ATTEMPT, _numbers(limits.sends_each_attempt, asked.sends_in_attempt))
    lately = [at for at in mine if now - at < QUARTER]
    verdict = _first(
        _too_many(mine, limits.sends_each_day, DAY, LimitRule.DAY),
        _too_many(lately, limits.sends_each_quarter_hour, QUARTER, LimitRule.QUARTER_HOUR),
    )
    if verdict is not None:
        return verdict
    pause = timedelta(seconds=limits.resend_seconds)
    # A message that did not arrive needs no pause: the person may try another channel at once.
    if asked.sends_in_attempt and mine and not asked.last_was_trouble and now - mine[0] < pause:
        return SendThrottled(mine[0] + pause, LimitRule.PAUSE, {"limit": str(limits.resend_seconds)})
    if asked.is_new:
        return _too_many(asked.other_new_numbers, budget.new_numbers_each_day, DAY, LimitRule.NEW_NUMBERS, now=now)
    return None


def _telephone(asked: Asked, limits: Limits, _budget: Budget) -> SendThrottled | None:
    verdict = _too_many(asked.to_number, limits.sends_each_number_and_day, DAY, LimitRule.NUMBER_DAY)
    if verdict is None and asked.is_new:
        verdict = _too_many(asked.new_to_number, half_of(limits), DAY, LimitRule.NUMBER_DAY)
    ceiling = SWITCHBOARD_UNTYPED + SWITCHBOARD_EACH_PROVEN * asked.proven_in_range
    return _first(
        verdict,
        _too_many(asked.others_at_number, limits.people_each_number_and_day, DAY, LimitRule.NUMBER_PEOPLE),
        _too_many(asked.untyped_at_switchboard, ceiling, DAY, LimitRule.SWITCHBOARD),
    )


def _neighbours(asked: Asked, _limits: Limits, budget: Budget) -> SendThrottled | None:
    if not asked.is_new:
        return None
    country = {"country": asked.country}
    if asked.closed_until is not None and asked.closed_until > asked.now:
        return SendThrottled(asked.closed_until, LimitRule.COUNTRY_CLOSED, country)
    # A code sent a moment ago can't have been typed yet: such codes have a limit of their own, the burst.
    settled = [at for at in asked.unproven_in_range if asked.now - at >= SETTLED_AFTER]
    fresh = [at for at in asked.unproven_in_range if asked.now - at < SETTLED_AFTER]
    in_range = budget.sends_each_range_and_hour + RANGE_EACH_PROVEN * asked.proven_in_range
    return _first(
        _too_many(settled, in_range, HOUR, LimitRule.RANGE_HOUR, now=asked.now),
        _too_many(fresh, in_range + budget.range_burst, SETTLED_AFTER, LimitRule.RANGE_HOUR, now=asked.now),
        _too_many_today(
            asked, asked.new_in_country_today, budget.new_sends_each_country_and_day, LimitRule.NEW_COUNTRY_DAY, country
        ),
        _too_many_today(asked, asked.new_today, budget.new_sends_each_day, LimitRule.NEW_DAY, {}),
    )


def _quota(asked: Asked, _limits: Limits, budget: Budget) -> SendThrottled | None:
    if asked.is_administrator and not asked.is_new:
        return None
    return _spent(asked, budget)


def _spent(asked: Asked, budget: Budget) -> SendThrottled | None:
    verdict = _too_many_today(
        asked, asked.organisation_today, budget.organisation_sends_each_day, LimitRule.ORGANISATION_DAY, {}
    )
    if verdict is not None or budget.cost_micros_each_day is None:
        return verdict
    # Registrations may spend half of the daily spending cap; the other half is reserved for people who sign in.
    ceiling = budget.cost_micros_each_day // 2 if asked.is_new else budget.cost_micros_each_day
    spent = asked.cost_micros_today
    if spent < ceiling and spent + asked.price_micros <= ceiling:
        return None
    numbers = {"limit": _money(ceiling), "count": _money(spent), "price": _money(asked.price_micros)}
    return SendThrottled(_tomorrow(asked.now), LimitRule.COST_DAY, numbers)


def is_pumping(sent: int, entered: int, budget: Budget) -> bool:
    """Return whether so few codes to new numbers in a country were typed that it must be SMS pumping."""
    return sent >= budget.alarm_sends and entered < sent * budget.alarm_share


def _too_many(
    times: Sequence[datetime], limit: int, lifetime: timedelta, rule: LimitRule, *, now: datetime | None = None
) -> SendThrottled | None:
    """Return a denial if there are ``limit`` or more ``times`` (newest first), until one of them is old enough.

    ``now`` is needed where the limit can be 0: then there is no time to count from.
    """
    if len(times) < limit:
        return None
    since = times[limit - 1] if limit > 0 else now
    assert since is not None
    return SendThrottled(since + lifetime, rule, _numbers(limit, len(times)))


def _too_many_today(
    asked: Asked, count: int, limit: int, rule: LimitRule, details: Mapping[str, str]
) -> SendThrottled | None:
    if count < limit:
        return None
    return SendThrottled(_tomorrow(asked.now), rule, {**_numbers(limit, count), **details})


def _numbers(limit: int, count: int) -> Mapping[str, str]:
    return {"limit": str(limit), "count": str(count)}


def _money(micros: int) -> str:
    return f"{micros / 1_000_000:.2f}"


def _tomorrow(now: datetime) -> datetime:
    """Return the end of the day (UTC), when daily limits start anew."""
    return (now.astimezone(UTC) + DAY).replace(hour=0, minute=0, second=0, microsecond=0)
