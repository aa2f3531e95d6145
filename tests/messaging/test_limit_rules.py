"""Properties of the rate limits: the first rule that refuses decides, and more messages never make a limit looser."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.admincenter.phones.test_messages import TooMany
from watchword.core.phone_numbers import NumberKind
from watchword.core.policy import Limits
from watchword.messaging.limits import rules
from watchword.messaging.limits.rules import (
    DAY,
    HOUR,
    Asked,
    Budget,
    LimitRule,
    Permitted,
    SendThrottled,
    evaluate,
    evaluate_warning,
)

NOW = datetime(2026, 11, 24, 23, 59, 30, tzinfo=UTC)
COUNTRIES = ("DE", "AT", "GB")
TIMES = {
    "mine": DAY,
    "other_new_numbers": DAY,
    "my_warnings": DAY,
    "to_number": DAY,
    "new_to_number": DAY,
    "warnings_to_number": DAY,
    "others_at_number": DAY,
    "unproven_in_range": HOUR,
    "untyped_at_switchboard": DAY,
}
NUMBERS = ("sends_in_attempt", "organisation_today", "new_today", "new_in_country_today", "cost_micros_today")
SIZED = [LimitRule.ORGANISATION_DAY, LimitRule.NEW_DAY, LimitRule.NEW_COUNTRY_DAY]

budgets = st.builds(
    Budget,
    countries=st.frozensets(st.sampled_from(COUNTRIES)),
    organisation_sends_each_day=st.integers(0, 30),
    new_sends_each_day=st.integers(0, 30),
    new_sends_each_country_and_day=st.integers(0, 30),
    sends_each_range_and_hour=st.integers(0, 12),
    range_burst=st.integers(0, 12),
    new_numbers_each_day=st.integers(0, 4),
    cost_micros_each_day=st.none() | st.integers(1, 1_000_000),
)
all_limits = st.builds(
    lambda attempt, quarter, day, number, people: Limits().tightened(
        {
            "sends_each_attempt": attempt,
            "sends_each_quarter_hour": quarter,
            "sends_each_day": day,
            "sends_each_number_and_day": number,
            "people_each_number_and_day": people,
        }
    ),
    *[st.integers(1, 25)] * 5,
)


def some_times(lifetime: timedelta) -> st.SearchStrategy[tuple[datetime, ...]]:
    seconds = st.lists(st.integers(0, int(lifetime.total_seconds()) - 1), max_size=25)
    return seconds.map(lambda ago: tuple(NOW - timedelta(seconds=one) for one in sorted(ago)))


@st.composite
def asks(draw: st.DrawFn) -> Asked:
    counted: dict[str, Any] = {
        **{name: draw(some_times(lifetime)) for name, lifetime in TIMES.items()},
        **{name: draw(st.integers(0, 40)) for name in NUMBERS},
    }
    return Asked(
        now=NOW,
        kind=draw(st.sampled_from(NumberKind)),
        country=draw(st.sampled_from((*COUNTRIES, "FR", ""))),
        is_new=draw(st.booleans()),
        is_administrator=draw(st.booleans()),
        last_was_trouble=draw(st.booleans()),
        price_micros=draw(st.integers(0, 200_000)),
        proven_in_range=draw(st.integers(0, 3)),
        closed_until=draw(st.sampled_from([None, NOW - HOUR, NOW, NOW + HOUR])),
        **counted,
    )


@given(asks(), all_limits, budgets)
def test_the_first_rule_that_says_no_decides(asked: Asked, limits: Limits, budget: Budget) -> None:
    looks = (rules._never, rules._person, rules._telephone, rules._neighbours, rules._quota)
    noes = [verdict for look in looks if (verdict := look(asked, limits, budget)) is not None]
    assert evaluate(asked, limits, budget) == (noes[0] if noes else Permitted())


OF_THE_QUOTA = {LimitRule.ORGANISATION_DAY, LimitRule.COST_DAY}


@given(asks(), all_limits, budgets)
def test_administrators_at_proven_numbers_are_never_stopped_by_the_quota(
    asked: Asked, limits: Limits, budget: Budget
) -> None:
    verdict = evaluate(replace(asked, is_administrator=True, is_new=False), limits, budget)
    assert not (isinstance(verdict, SendThrottled) and verdict.rule in OF_THE_QUOTA)


@given(asks(), all_limits, budgets)
def test_nothing_goes_to_a_country_or_a_kind_that_is_not_allowed(asked: Asked, limits: Limits, budget: Budget) -> None:
    for decide in (evaluate, evaluate_warning):
        if isinstance(decide(asked, limits, budget), Permitted):
            assert asked.country in budget.countries
            assert asked.kind is NumberKind.ORDINARY


@given(asks(), all_limits, budgets, st.data())
def test_more_sent_never_becomes_freer(asked: Asked, limits: Limits, budget: Budget, data: st.DataObject) -> None:
    more: dict[str, Any] = {
        name: tuple(sorted((*getattr(asked, name), *data.draw(some_times(lifetime))), reverse=True))
        for name, lifetime in TIMES.items()
    }
    more_numbers: dict[str, Any] = {name: getattr(asked, name) + data.draw(st.integers(0, 5)) for name in NUMBERS}
    busier = replace(asked, **more, **more_numbers)
    for decide in (evaluate, evaluate_warning):
        if isinstance(decide(asked, limits, budget), SendThrottled):
            assert isinstance(decide(busier, limits, budget), SendThrottled)


@given(asks(), all_limits, budgets, st.sampled_from([field.name for field in dataclasses.fields(Limits)]))
def test_a_tighter_limit_never_becomes_freer(asked: Asked, limits: Limits, budget: Budget, name: str) -> None:
    strict = 1 if name != "resend_seconds" else 600
    if isinstance(evaluate(asked, limits, budget), SendThrottled):
        assert isinstance(evaluate(asked, limits.tightened({name: strict}), budget), SendThrottled)


@given(asks(), all_limits, budgets)
def test_the_time_that_is_told_is_no_lie(asked: Asked, limits: Limits, budget: Budget) -> None:
    """At the time given, if no message left meanwhile, the same rule permits the send."""
    verdict = evaluate(asked, limits, budget)
    if isinstance(verdict, Permitted) or verdict.until is None:
        return
    assert verdict.until > asked.now
    then = verdict.until
    passed: dict[str, Any] = {
        name: tuple(at for at in getattr(asked, name) if at > then - lifetime) for name, lifetime in TIMES.items()
    }
    later = replace(asked, now=then, **passed)
    if then.date() != asked.now.date():
        later = replace(later, organisation_today=0, new_today=0, new_in_country_today=0, cost_micros_today=0)
    again = evaluate(later, limits, budget)
    # A limit of zero, or below the price of one message, is reached on every day.
    if isinstance(again, SendThrottled) and again.rule is verdict.rule:
        never = again.details.get("limit") == "0" or again.rule is LimitRule.COST_DAY
        # Rules with two limits: for all and for registrations, for the last minutes and for the hour.
        other = again.rule in {LimitRule.NUMBER_DAY, LimitRule.RANGE_HOUR} and again.until != verdict.until
        assert never or other


@given(asks(), all_limits, budgets)
def test_every_no_tells_the_administrator_its_numbers(asked: Asked, limits: Limits, budget: Budget) -> None:
    verdict = evaluate(asked, limits, budget)
    if isinstance(verdict, Permitted):
        return
    match verdict.rule:
        case LimitRule.RANGE_KIND:
            assert verdict.details["kind"] == asked.kind
        case LimitRule.COUNTRY | LimitRule.COUNTRY_CLOSED:
            assert verdict.details["country"] == asked.country
        case LimitRule.PAUSE:
            assert int(verdict.details["limit"]) == limits.resend_seconds
        case LimitRule.COST_DAY:
            assert set(verdict.details) == {"limit", "count", "price"}
        case _:
            assert int(verdict.details["count"]) >= int(verdict.details["limit"])


@given(st.integers(0, 60_000), st.integers(0, 60_000), st.dictionaries(st.sampled_from(SIZED), st.integers(0, 900)))
def test_more_people_never_make_a_smaller_budget(some: int, more: int, config: dict[LimitRule, int]) -> None:
    named = {str(rule): options for rule, options in config.items()}
    small, large = (
        Budget.of(region="DE", people=people, countries=[], config=named) for people in sorted((some, some + more))
    )
    for rule in SIZED:
        assert getattr(small, rule) <= getattr(large, rule)


@given(st.integers(0, 60_000), st.dictionaries(st.sampled_from(SIZED), st.integers(0, 900)))
def test_registrations_never_get_more_than_half_of_a_day(people: int, config: dict[LimitRule, int]) -> None:
    budget = Budget.of(region="DE", people=people, countries=[], config={str(rule): n for rule, n in config.items()})
    assert budget.new_sends_each_day <= (budget.organisation_sends_each_day + 1) // 2
    assert budget.new_sends_each_country_and_day <= (budget.organisation_sends_each_day + 1) // 2


@pytest.mark.parametrize("options", [-1, True, "7", 1.5, None, [1]])
def test_a_senseless_wish_changes_nothing(options: object) -> None:
    config = {"organisation_sends_each_day": options, "cost_each_day": options if options != 1.5 else "1.5"}
    budget = Budget.of(region="DE", people=10, countries=[], config=config)
    assert budget == Budget.of(region="DE", people=10, countries=[], config={})


@pytest.mark.parametrize("options", [float("nan"), float("inf"), 10**400, -3, 0])
def test_a_senseless_amount_is_no_ceiling(options: float) -> None:
    assert (
        Budget.of(region="DE", people=1, countries=[], config={"cost_each_day": options}).cost_micros_each_day is None
    )


BUDGET = Budget(frozenset({"DE"}), cost_micros_each_day=1_000_000)
ASKED = Asked(now=NOW, kind=NumberKind.ORDINARY, country="DE", is_new=False, price_micros=100_000)


def test_the_last_message_that_a_ceiling_has_room_for_leaves_and_the_next_one_does_not() -> None:
    assert evaluate(replace(ASKED, cost_micros_today=900_000), Limits(), BUDGET) == Permitted()
    verdict = evaluate(replace(ASKED, cost_micros_today=900_001), Limits(), BUDGET)
    assert verdict == SendThrottled(datetime(2026, 11, 25, tzinfo=UTC), LimitRule.COST_DAY)


def test_registrations_spend_half_of_a_days_money_at_most() -> None:
    new = replace(ASKED, is_new=True, cost_micros_today=450_000)
    verdict = evaluate(new, Limits(), BUDGET)
    assert isinstance(verdict, SendThrottled)
    assert verdict.details == {"limit": "0.50", "count": "0.45", "price": "0.10"}
    assert evaluate(replace(new, is_new=False), Limits(), BUDGET) == Permitted()


def test_registrations_take_half_of_a_number_and_leave_the_other_half_to_its_owner() -> None:
    five = tuple(NOW - timedelta(minutes=20 * n) for n in range(1, 6))
    by_strangers = replace(ASKED, to_number=five, new_to_number=five)
    verdict = evaluate(replace(by_strangers, is_new=True), Limits(), BUDGET)
    assert verdict == SendThrottled(five[4] + DAY, LimitRule.NUMBER_DAY)
    assert evaluate(by_strangers, Limits(), BUDGET) == Permitted()


def test_a_day_ends_at_midnight_utc_wherever_the_clock_stands() -> None:
    full = replace(ASKED, organisation_today=500, price_micros=0)
    for now, until in (
        (datetime(2026, 11, 24, 23, 59, 59, 999_999, tzinfo=UTC), datetime(2026, 11, 25, tzinfo=UTC)),
        (datetime(2026, 11, 25, 0, 0, tzinfo=UTC), datetime(2026, 11, 26, tzinfo=UTC)),
        (datetime.fromisoformat("2026-11-25T00:30:00+01:00"), datetime(2026, 11, 25, tzinfo=UTC)),
        (datetime.fromisoformat("2026-12-31T20:00:00-05:00"), datetime(2027, 1, 2, tzinfo=UTC)),
    ):
        assert evaluate(replace(full, now=now), Limits(), BUDGET) == SendThrottled(until, LimitRule.ORGANISATION_DAY)


def test_a_clock_that_is_set_back_frees_nothing() -> None:
    ahead = tuple(NOW + timedelta(minutes=n) for n in (5, 4, 3, 2, 1))
    verdict = evaluate(replace(ASKED, mine=ahead), Limits(), BUDGET)
    assert isinstance(verdict, SendThrottled)
    assert verdict.rule is LimitRule.QUARTER_HOUR


def test_a_warning_takes_no_codes_and_stops_at_five() -> None:
    warnings = tuple(NOW - timedelta(minutes=n) for n in range(1, 6))
    assert evaluate(replace(ASKED, my_warnings=warnings), Limits(), BUDGET) == Permitted()
    verdict = evaluate_warning(replace(ASKED, my_warnings=warnings), Limits(), BUDGET)
    assert verdict == SendThrottled(warnings[4] + DAY, LimitRule.DAY)
    assert evaluate_warning(replace(ASKED, my_warnings=warnings[:4]), Limits(), BUDGET) == Permitted()


def test_a_warning_to_an_administrator_does_not_pass_the_quota() -> None:
    verdict = evaluate_warning(replace(ASKED, is_administrator=True, organisation_today=500), Limits(), BUDGET)
    assert isinstance(verdict, SendThrottled)
    assert verdict.rule is LimitRule.ORGANISATION_DAY


@pytest.mark.parametrize(("sent", "entered", "pumps"), [(19, 0, False), (20, 4, True), (20, 5, False), (400, 99, True)])
def test_a_country_is_pumped_when_next_to_none_of_its_codes_are_typed(sent: int, entered: int, pumps: bool) -> None:
    assert rules.is_pumping(sent, entered, BUDGET) is pumps


def test_every_no_is_false_and_a_yes_is_true() -> None:
    """So that ``if not verdict`` can't let a message out."""
    assert evaluate(ASKED, Limits(), BUDGET)
    assert not evaluate(replace(ASKED, country="XX"), Limits(), BUDGET)
    assert not SendThrottled(None, LimitRule.ATTEMPT)
    assert not TooMany(NOW)
