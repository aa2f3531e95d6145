"""The organisation's own country is blocked only by activity that takes many people, never by what a few can do."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models import F
from hypothesis import given
from hypothesis import strategies as st

from tests.alerts.playing import work
from tests.messaging.test_counters import ask, many, number, options, rule_of
from tests.world import World
from watchword.alerts.headlines import done_of
from watchword.alerts.models import Alert
from watchword.alerts.rules import AlertRule
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.policy import Channel, Limits
from watchword.directory.models import User
from watchword.messaging.gateway import Result
from watchword.messaging.limits import daily_totals, pumping, rules
from watchword.messaging.limits.counters import LimitRule, Permitted, SendThrottled, telephone_of
from watchword.messaging.limits.rules import Budget
from watchword.messaging.models import CountryBlock, Delivery

PEOPLE = 50
EACH = rules.half_of(Limits())
"""How many registration codes one number gets in a day."""


@pytest.fixture
def people(world: World) -> list[User]:
    """Return more people than the pumping detection needs, in an organisation with large quotas."""
    world.organisation.phone_countries = ["DE", "AT"]
    options(world, new_sends_each_day=5000, new_sends_each_country_and_day=5000, organisation_sends_each_day=20_000)
    return many(world, PEOPLE)


def asked_in_vain(user: User, to: str, at: datetime, *, codes: int = 1, typed: int = 0) -> None:
    """Record codes sent to a new number, of which the first ones were typed."""
    telephone = telephone_of(to)
    Delivery.objects.bulk_create(
        Delivery(
            organisation=user.organisation,
            user=user,
            channel=Channel.SMS,
            purpose="register",
            **telephone.row(),
            result=Result.SENT,
            created_at=at + timedelta(seconds=which),
            changed_at=at,
            entered_at=at if which < typed else None,
        )
        for which in range(codes)
    )
    daily_totals.add(user.organisation_id, at, telephone.country, Channel.SMS, is_new=True, asked=codes)


def test_two_people_who_ask_for_all_that_they_may_do_not_close_it(world: World, people: list[User]) -> None:
    """Within the limits, over a working day: fifteen codes each, to three numbers, none of them typed."""
    sent = 0
    for which, user in enumerate(people[:2]):
        for turn in range(20):
            to = number(1 + 3 * which + turn % 3)
            sent += ask(user, to, world.now + timedelta(minutes=16 * turn)) == Permitted()
    assert sent == 30
    assert ask(people[2], number(9), world.now + timedelta(hours=7)) == Permitted()
    assert not CountryBlock.objects.exists()


def test_a_gateway_that_drops_texts_while_people_ask_again_and_again_does_not_close_it(
    world: World, people: list[User]
) -> None:
    """The morning of a roll-out: every second person gets no text and requests three codes."""
    for which, user in enumerate(people[:25]):
        asked_in_vain(user, number(which), world.now - timedelta(hours=1), codes=3)
    assert ask(people[30], number(90), world.now) == Permitted()


def test_codes_to_as_many_numbers_as_are_asked_for_close_it(world: World, people: list[User]) -> None:
    for which in range(pumping.NUMBERS_AT_HOME - 1):
        asked_in_vain(people[which % 10], number(which), world.now - timedelta(hours=1))
    assert ask(people[11], number(90), world.now) == Permitted()
    asked_in_vain(people[9], number(91), world.now - timedelta(hours=1))
    assert rule_of(ask(people[12], number(92), world.now)) is LimitRule.COUNTRY_CLOSED


def test_a_small_organisation_asks_for_a_number_for_each_person(world: World) -> None:
    many(world, 6)
    bob, there_are = world.bob, User.objects.filter(organisation=world.organisation, deleted_at=None).count()
    for which in range(there_are - 1):
        asked_in_vain(bob, number(which), world.now - timedelta(hours=1), codes=EACH)
    assert Delivery.objects.count() >= Budget(frozenset()).alarm_sends
    assert ask(world.carol, number(90), world.now) == Permitted()
    asked_in_vain(bob, number(91), world.now - timedelta(hours=1))
    assert rule_of(ask(world.alice, number(92), world.now)) is LimitRule.COUNTRY_CLOSED


def test_another_country_is_closed_by_twenty_codes_as_ever(world: World, people: list[User]) -> None:
    for which in range(4):
        asked_in_vain(people[which], f"+4366012{which}0000", world.now - timedelta(hours=1), codes=EACH)
    assert rule_of(ask(people[5], "+43660990000", world.now)) is LimitRule.COUNTRY_CLOSED
    assert ask(people[6], number(90), world.now) == Permitted()


@given(st.lists(st.integers(0, EACH), min_size=1, max_size=pumping.LOOKED_AT))
def test_at_the_latest_all_the_codes_that_are_looked_at_close_it(typed_of_each: list[int]) -> None:
    """However an attacker spreads codes over numbers and types some, no more than this can be gained at home."""
    codes: list[tuple[int, bool]] = []
    which = 0
    while len(codes) < pumping.LOOKED_AT:
        typed = typed_of_each[which % len(typed_of_each)]
        codes += [(which, turn < typed) for turn in range(EACH)]
        which += 1
    newest = codes[: pumping.LOOKED_AT]
    untyped = [one for one, is_typed in newest if not is_typed]
    if rules.is_pumping(len(newest), len(newest) - len(untyped), Budget(frozenset())):
        assert len(set(untyped)) >= pumping.NUMBERS_AT_HOME


# A slow gateway.

LATE = timedelta(minutes=10)


def untyped(people: list[User], at: datetime, *, purpose: str = "register", **columns: Any) -> None:
    """Record for each person a code to a new number that was not typed before it expired."""
    for which, user in enumerate(people):
        asked_in_vain(user, number(which), at)
    Delivery.objects.filter(purpose="register", user__in=people).update(purpose=purpose, **columns)


def test_codes_that_are_typed_too_late_prove_readers_and_close_nothing(world: World, people: list[User]) -> None:
    untyped(people[:40], world.now - timedelta(hours=1), typed_late_at=world.now - timedelta(minutes=50))
    assert ask(people[41], number(90), world.now) == Permitted()


@pytest.mark.parametrize("country", ["DE", "AT"])
def test_what_a_gateway_delivers_too_late_or_not_yet_closes_nothing(
    world: World, people: list[User], country: str
) -> None:
    """Ten codes arrived after their expiry and thirty have not arrived, at a gateway that sends receipts."""
    begun = world.now - timedelta(hours=1)
    untyped(people[:40], begun, gateway="slow", country=country)
    Delivery.objects.filter(user__in=people[:10]).update(result=Result.DELIVERED, changed_at=begun + LATE)
    assert ask(people[41], number(90) if country == "DE" else "+43660990000", world.now) == Permitted()


@pytest.mark.parametrize("gateway", ["slow", "another"])
def test_what_arrived_in_time_and_was_not_typed_closes_it(world: World, people: list[User], gateway: str) -> None:
    """Codes sent by another gateway, which sends no receipts, count as well."""
    untyped(people[:40], world.now - timedelta(hours=1), gateway=gateway)
    arrived = people[:40] if gateway == "slow" else people[40:41]
    untyped(people[40:41], world.now - timedelta(hours=2), gateway="slow")
    Delivery.objects.filter(user__in=arrived).update(
        result=Result.DELIVERED, changed_at=F("created_at") + timedelta(seconds=9)
    )
    assert rule_of(ask(people[41], number(90), world.now)) is LimitRule.COUNTRY_CLOSED


@pytest.mark.parametrize(("signing_in", "closes"), [(12, False), (4, True)])
def test_sign_ins_that_are_not_typed_either_mean_the_gateway(
    world: World, people: list[User], signing_in: int, closes: bool
) -> None:
    """A few accounts with untyped codes to proven numbers do not excuse untyped codes to new numbers."""
    for turn in range(3):
        untyped(people[:signing_in], world.now - timedelta(minutes=40 - turn), purpose="sign_in")
    untyped(people[:35], world.now - timedelta(hours=1))
    verdict = ask(people[41], number(90), world.now)
    assert (rule_of(verdict) is LimitRule.COUNTRY_CLOSED) is closes


def test_a_closure_at_home_ends_after_an_hour_and_one_abroad_after_a_day(world: World, people: list[User]) -> None:
    for country, to in (("DE", number(90)), ("AT", "+43660990000")):
        Delivery.objects.all().delete()
        untyped(people[:35], world.now - timedelta(hours=1), country=country)
        daily_totals.add(world.organisation.pk, world.now, country, Channel.SMS, is_new=True, asked=35)
        lifetime = timedelta(hours=1) if country == "DE" else timedelta(days=1)
        assert ask(people[41], to, world.now) == SendThrottled(world.now + lifetime, LimitRule.COUNTRY_CLOSED)


# Pumping that is too slow for the detection.


def test_slow_pumping_is_told_once_a_day_and_stops_nothing(world: World, people: list[User]) -> None:
    """Nine accounts request codes for three numbers each and type none: below the threshold that blocks the country."""
    for which in range(27):
        asked_in_vain(people[which % 9], number(which), world.now - timedelta(hours=2), codes=2)
    for minute in range(3):
        assert ask(people[10 + minute], number(90 + minute), world.now + timedelta(minutes=minute)) == Permitted()
    event = Event.objects.get(kind=EventKind.NEW_NUMBERS_UNTYPED)
    assert event.details == {"numbers": 27, "asked_by": 9, "codes": 54}
    assert event.organisation_id == world.organisation.pk
    work(world.now + timedelta(minutes=4))
    alert = Alert.objects.get(rule=AlertRule.NEW_NUMBERS_UNTYPED)
    assert (alert.subject, alert.times) == (None, 1)
    assert "27 new numbers, none typed, asked for by 9 people" in done_of(AlertRule.NEW_NUMBERS_UNTYPED, alert.details)


@pytest.mark.parametrize(("untyped_numbers", "typed_numbers"), [(14, 0), (20, 21)])
def test_a_roll_out_in_which_some_have_trouble_is_not_told(
    world: World, people: list[User], untyped_numbers: int, typed_numbers: int
) -> None:
    for which in range(untyped_numbers + typed_numbers):
        asked_in_vain(
            people[which], number(which), world.now - timedelta(hours=2), codes=2, typed=which < typed_numbers
        )
    assert ask(people[48], number(90), world.now) == Permitted()
    assert not Event.objects.filter(kind=EventKind.NEW_NUMBERS_UNTYPED).exists()
