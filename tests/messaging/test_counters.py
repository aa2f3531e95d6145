"""Counters of messages: over organisations and keys, newest first, with few queries; and the record of a refusal."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext

from tests.keys import rotated
from tests.world import ALICES_NUMBER, World, make_organisation, make_person
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.keyring import KeyRing
from watchword.core.policy import Channel, MfaState
from watchword.directory.models import User
from watchword.messaging.config_file import ConfiguredGateway, Phones
from watchword.messaging.gateway import Result
from watchword.messaging.limits import daily_totals, pumping
from watchword.messaging.limits.counters import (
    REFUSALS_EACH_HOUR,
    LimitRule,
    Permitted,
    SendThrottled,
    budget_of,
    reserve_send,
    telephone_of,
)
from watchword.messaging.models import CountryBlock, DailyTotal, Delivery, DeniedMessage
from watchword.messaging.send import new_delivery, note_result
from watchword.messaging.worker.route_selection import Route


def number(which: int) -> str:
    """Return a number that is no neighbour of the others."""
    return f"+49151{10_000 * which:08d}"


def ask(
    user: User, to: str, now: datetime, *, is_new: bool = True, channel: Channel = Channel.SMS, extension: str = ""
) -> Permitted | SendThrottled:
    """Evaluate the limits and, if the send is permitted, record it as the sign-in does."""
    with transaction.atomic():
        telephone = telephone_of(to, extension)
        verdict = reserve_send(user, telephone, channel, sends_in_attempt=0, is_new=is_new, now=now)
        if isinstance(verdict, Permitted):
            Delivery.objects.create(
                organisation=user.organisation,
                user=user,
                channel=channel,
                purpose="register" if is_new else "sign_in",
                **telephone.row(),
                result=Result.SENT,
                created_at=now,
                changed_at=now,
            )
        return verdict


def rule_of(verdict: Permitted | SendThrottled) -> LimitRule | None:
    return verdict.rule if isinstance(verdict, SendThrottled) else None


def options(world: World, **config: object) -> None:
    world.organisation.phone_budget = config
    world.organisation.save()
    for user in world.people.values():
        user.organisation = world.organisation


def many(world: World, people: int) -> list[User]:
    return [make_person(world.organisation, f"many{n}") for n in range(people)]


def test_every_refusal_is_written_with_its_rule_and_numbers(world: World) -> None:
    options(world, new_sends_each_day=1)
    assert ask(world.bob, number(1), world.now) == Permitted()
    assert rule_of(ask(world.carol, number(2), world.now)) is LimitRule.NEW_DAY
    row = DeniedMessage.objects.get()
    assert (row.rule, row.country, row.ends, row.user) == ("new_sends_each_day", "DE", "00", world.carol)
    assert row.details == {"limit": "1", "count": "1"}
    assert DailyTotal.objects.get().refused == 1


def test_a_person_who_goes_on_asking_does_not_fill_the_database(world: World) -> None:
    for second in range(REFUSALS_EACH_HOUR + 20):
        ask(world.bob, "+33612345678", world.now + timedelta(seconds=second))
    assert DeniedMessage.objects.count() == REFUSALS_EACH_HOUR
    assert DailyTotal.objects.get().refused == REFUSALS_EACH_HOUR + 20


def test_daily_totals_agree_with_deliveries_whatever_happens(world: World) -> None:
    options(world, new_sends_each_day=8, cost_each_day=100)
    people, now = many(world, 4), world.now
    for step in range(60):
        at = now + timedelta(minutes=37 * step)
        user = people[step % 4]
        ask(user, number(step % 7), at, is_new=step % 3 > 0, channel=Channel.VOICE if step % 5 == 0 else Channel.SMS)
        newest = Delivery.objects.order_by("-created_at").first()
        if newest is not None and step % 2:
            note_result(newest.pk, Result.DELIVERED, now=at + timedelta(hours=9), gateway="c", cost_micros=5)
            daily_totals.note_entered(newest.pk, now=at + timedelta(hours=9))
            daily_totals.note_entered(newest.pk, now=at + timedelta(hours=9))
    for row in DailyTotal.objects.all():
        same = [
            delivery
            for delivery in Delivery.objects.filter(country=row.country, channel=row.channel)
            if delivery.created_at.date() == row.day and (delivery.purpose == "register") == row.is_new
        ]
        assert row.asked == len(same)
        assert row.entered == sum(delivery.entered_at is not None for delivery in same)
        assert row.cost_micros == sum(delivery.cost_micros for delivery in same)
    assert DailyTotal.objects.aggregate(all=Sum("asked"))["all"] == Delivery.objects.count() > 10


def test_what_is_counted_needs_no_daily_total_that_was_there_before(world: World) -> None:
    now = world.now
    delivery = new_delivery(world.alice, telephone_of(ALICES_NUMBER), Channel.SMS, "test", now=now)
    note_result(delivery.pk, Result.SENT, now=now, gateway="one", cost_micros=70_000)
    row = DailyTotal.objects.get()
    assert (row.sent, row.cost_micros, row.is_new) == (1, 70_000, False)


def test_fld_03_a_number_is_counted_over_organisations_and_spellings(world: World) -> None:
    """Two organisations, and a number with and without Argentina's 9, share one count."""
    there = make_organisation("Elsewhere", "elsewhere.example", region="AR")
    options(world)
    for organisation in (world.organisation, there):
        organisation.phone_countries = ["AR", "DE"]
        organisation.save()
    sent = 0
    for which in range(12):
        user = make_person(world.organisation if which % 2 else there, f"stranger{which}")
        spelled = "+5491123456789" if which % 3 else "+541123456789"
        sent += ask(user, spelled, world.now + timedelta(minutes=which)) == Permitted()
    assert sent == 5


def test_a_new_key_forgets_nothing(world: World, settings: Any) -> None:
    now = world.now
    for minute in range(5):
        assert ask(make_person(world.organisation, f"p{minute}"), ALICES_NUMBER, now) == Permitted()
    ring: KeyRing = settings.WATCHWORD_KEY_RING
    settings.WATCHWORD_KEY_RING = rotated(ring)
    assert telephone_of(ALICES_NUMBER).number_keys[0] != telephone_of(ALICES_NUMBER).number_keys[1]
    assert rule_of(ask(world.carol, ALICES_NUMBER, now)) is LimitRule.NUMBER_DAY


def test_strangers_who_play_with_a_number_do_not_shut_its_owner_out(world: World) -> None:
    """Five accounts request codes for Alice's number; she can still sign in, five times that day."""
    for which in range(9):
        ask(make_person(world.organisation, f"s{which}"), ALICES_NUMBER, world.now + timedelta(seconds=which))
    answers = [
        ask(world.alice, ALICES_NUMBER, world.now + timedelta(minutes=20 * n), is_new=False) for n in range(1, 7)
    ]
    assert [rule_of(answer) for answer in answers] == [None] * 5 + [LimitRule.NUMBER_DAY]


def test_people_are_counted_only_when_it_turns_on_them(world: World, django_assert_max_num_queries: Any) -> None:
    """A send costs a few indexed queries, in an organisation of any size."""
    make_person(world.organisation, "warm")
    with CaptureQueriesContext(connection) as asked, django_assert_max_num_queries(20):
        assert ask(world.bob, number(1), world.now) == Permitted()
    assert not any("COUNT" in query["sql"] and "directory_user" in query["sql"] for query in asked)


@pytest.mark.parametrize(("already", "is_new"), [(200 + 6 * 7, False), (50 + 7, True)])
def test_a_budget_grows_with_people_to_the_last_message(world: World, already: int, is_new: bool) -> None:
    people = many(world, 3)
    assert budget_of(world.organisation).organisation_sends_each_day == 200 + 6 * 7
    daily_totals.add(world.organisation.pk, world.now, "DE", Channel.SMS, is_new=is_new, asked=already - 1)
    assert ask(people[0], number(1), world.now, is_new=is_new) == Permitted()
    verdict = ask(people[1], number(2), world.now, is_new=is_new)
    assert isinstance(verdict, SendThrottled)
    assert verdict.rule is (LimitRule.NEW_COUNTRY_DAY if is_new else LimitRule.ORGANISATION_DAY)
    assert verdict.details["limit"] == verdict.details["count"] == str(already)
    User.objects.filter(pk=people[2].pk).update(deleted_at=world.now)
    assert verdict.rule is rule_of(ask(people[1], number(3), world.now, is_new=is_new))


def priced(settings: Any, price: int) -> None:
    route = Route("one", frozenset({Channel.SMS}), prices_micros={"DE": price})
    settings.WATCHWORD_PHONES = Phones((ConfiguredGateway(route, "smpp", None),), "EUR")


def test_messages_on_their_way_are_paid_for_before_they_leave(world: World, settings: Any) -> None:
    """A slow gateway does not bypass the spending cap: a waiting message is counted at its price already."""
    priced(settings, 400_000)
    options(world, cost_each_day=1)
    people = many(world, 3)
    for user in people[:2]:
        assert ask(user, number(people.index(user)), world.now, is_new=False) == Permitted()
    Delivery.objects.update(result=Result.WAITING)
    verdict = ask(people[2], number(9), world.now, is_new=False)
    assert isinstance(verdict, SendThrottled)
    assert verdict.rule is LimitRule.COST_DAY
    assert verdict.details == {"limit": "1.00", "count": "0.80", "price": "0.40"}


@pytest.mark.parametrize(("is_new", "messages"), [(False, 50 + 3 * 7), (True, (50 + 3 * 7) // 2)])
def test_with_prices_a_day_has_a_ceiling_that_nobody_chose(
    world: World, settings: Any, is_new: bool, messages: int
) -> None:
    """The default cap is the price at home of fifty messages and three for each person; half for registrations."""
    priced(settings, 400_000)
    options(world)
    people = many(world, 3)
    assert budget_of(world.organisation).cost_micros_each_day == 400_000 * (50 + 3 * 7)
    daily_totals.add(
        world.organisation.pk, world.now, "DE", Channel.SMS, is_new=False, cost_micros=400_000 * (messages - 1)
    )
    assert ask(people[0], number(1), world.now, is_new=is_new) == Permitted()
    daily_totals.add(world.organisation.pk, world.now, "DE", Channel.SMS, is_new=False, cost_micros=400_000)
    assert rule_of(ask(people[1], number(2), world.now, is_new=is_new)) is LimitRule.COST_DAY
    options(world, cost_each_day=1_000)
    assert ask(people[2], number(3), world.now, is_new=is_new) == Permitted()


def test_an_administrator_at_a_proven_number_passes_an_empty_quota(world: World, settings: Any) -> None:
    priced(settings, 400_000)
    options(world, cost_each_day=0.01, organisation_sends_each_day=0)
    assert rule_of(ask(world.alice, number(1), world.now, is_new=False)) is LimitRule.ORGANISATION_DAY
    assert ask(world.root, number(2), world.now, is_new=False) == Permitted()
    assert rule_of(ask(world.root, number(3), world.now, is_new=True)) is not None


# The detection of SMS pumping.


def pump(world: World, codes: int, typed: int, at: datetime, *, result: Result = Result.SENT) -> None:
    """Record codes sent to new numbers in Germany, of which the first ones were typed."""
    people = list(world.people.values())
    for which in range(codes):
        telephone = telephone_of(number(1000 + which))
        Delivery.objects.create(
            organisation=world.organisation,
            user=people[which % len(people)],
            channel=Channel.SMS,
            purpose="register",
            **telephone.row(),
            result=result,
            created_at=at + timedelta(seconds=which),
            changed_at=at,
            entered_at=at if which < typed else None,
        )
    daily_totals.add(world.organisation.pk, at, "DE", Channel.SMS, is_new=True, asked=codes)


@pytest.fixture
def newcomer(world: World) -> User:
    options(world, new_sends_each_day=5000, new_sends_each_country_and_day=5000, organisation_sends_each_day=20_000)
    return make_person(world.organisation, "newcomer")


def test_a_country_is_closed_for_new_numbers_and_the_administrators_hear_of_it(world: World, newcomer: User) -> None:
    pump(world, 20, 4, world.now - timedelta(minutes=30))
    verdict = ask(newcomer, number(1), world.now)
    assert verdict == SendThrottled(world.now + timedelta(hours=1), LimitRule.COUNTRY_CLOSED)
    country_block = CountryBlock.objects.get()
    assert (country_block.country, country_block.sent, country_block.entered) == ("DE", 20, 4)
    assert Event.objects.filter(kind=EventKind.COUNTRY_CLOSED).count() == 1
    assert ask(newcomer, number(1), world.now, is_new=False) == Permitted(), "proven numbers go on"
    assert rule_of(ask(newcomer, number(1), world.now + timedelta(minutes=59))) is LimitRule.COUNTRY_CLOSED
    assert CountryBlock.objects.count() == 1
    after = world.now + timedelta(hours=1, minutes=1)
    assert ask(newcomer, number(1), after) == Permitted(), "what closed it is not held against it twice"
    pump(world, 20, 4, after + timedelta(minutes=1))
    assert rule_of(ask(newcomer, number(2), after + timedelta(minutes=30))) is LimitRule.COUNTRY_CLOSED


@pytest.mark.parametrize(
    ("codes", "typed", "ago"),
    [(19, 0, timedelta(minutes=30)), (20, 5, timedelta(minutes=30)), (40, 0, timedelta(minutes=4))],
)
def test_few_codes_codes_that_are_typed_and_codes_that_still_live_close_nothing(
    world: World, newcomer: User, codes: int, typed: int, ago: timedelta
) -> None:
    pump(world, codes, typed, world.now - ago)
    assert ask(newcomer, number(1), world.now) == Permitted()


@pytest.mark.parametrize("result", [Result.WAITING, Result.FAILED, Result.EXPIRED])
def test_a_gateway_that_is_down_is_no_attack(world: World, newcomer: User, result: Result) -> None:
    pump(world, 60, 0, world.now - timedelta(minutes=30), result=result)
    assert ask(newcomer, number(1), world.now) == Permitted()


def test_what_was_typed_in_the_morning_does_not_excuse_the_afternoon(world: World, newcomer: User) -> None:
    pump(world, 300, 300, world.now - timedelta(hours=8))
    pump(world, pumping.LOOKED_AT, 0, world.now - timedelta(hours=1))
    assert rule_of(ask(newcomer, number(1), world.now)) is LimitRule.COUNTRY_CLOSED


def test_after_an_administrator_reopened_a_country_only_what_follows_counts(world: World, newcomer: User) -> None:
    pump(world, 40, 0, world.now - timedelta(hours=1))
    assert rule_of(ask(newcomer, number(1), world.now)) is LimitRule.COUNTRY_CLOSED
    CountryBlock.objects.update(reopened_at=world.now, reopened_by=world.root)
    assert ask(newcomer, number(1), world.now + timedelta(minutes=1)) == Permitted()
    pump(world, 40, 0, world.now + timedelta(minutes=2))
    assert rule_of(ask(newcomer, number(2), world.now + timedelta(minutes=30))) is LimitRule.COUNTRY_CLOSED
    assert CountryBlock.objects.count() == 2


def fleet(count: int) -> list[str]:
    """Return numbers that differ in their last four digits."""
    return [f"+491512345{n:04d}" for n in range(1, count + 1)]


def test_neighbours_are_refused_after_ten_that_nobody_typed_in_time(world: World, newcomer: User) -> None:
    people, block = many(world, 12), fleet(12)
    answers = [ask(user, to, world.now) for user, to in zip(people[:10], block, strict=False)]
    assert answers == [Permitted()] * 10
    later = world.now + timedelta(minutes=5)
    assert rule_of(ask(people[10], block[10], later)) is LimitRule.RANGE_HOUR
    Delivery.objects.filter(user=people[0]).update(typed_late_at=later)
    Delivery.objects.filter(user=people[1]).update(result=Result.FAILED)
    assert ask(people[10], block[10], later) == Permitted()
    assert ask(people[11], block[11], later) == Permitted(), "one that just left is not held against the next"
    assert rule_of(ask(newcomer, "+4915123450099", later + timedelta(minutes=5))) is LimitRule.RANGE_HOUR
    assert ask(newcomer, "+4915123450099", later + timedelta(hours=1, seconds=1)) == Permitted()


def test_a_company_registers_forty_neighbours_within_twenty_seconds(world: World, newcomer: User) -> None:
    people, block = many(world, 40), fleet(40)
    answers = [
        ask(user, to, world.now + timedelta(seconds=which / 2))
        for which, (user, to) in enumerate(zip(people, block, strict=True))
    ]
    assert answers == [Permitted()] * 40


def test_a_burst_of_neighbours_is_as_large_as_the_organisation(world: World, newcomer: User) -> None:
    """A burst may have ten numbers and one for each person; after that the wait is five minutes and not an hour."""
    there_are = User.objects.filter(organisation=world.organisation, deleted_at=None).count()
    people = many(world, 30)
    answers = [
        ask(people[which % 30], to, world.now + timedelta(seconds=which))
        for which, to in enumerate(fleet(10 + there_are + 30 + 1))
    ]
    assert [rule_of(answer) for answer in answers[:-1]] == [None] * (len(answers) - 1)
    assert answers[-1] == SendThrottled(world.now + timedelta(minutes=5), LimitRule.RANGE_HOUR)


def test_each_proven_neighbour_leaves_room_for_five_that_nobody_typed(world: World, newcomer: User) -> None:
    people, block = many(world, 18), fleet(18)
    for user, to in zip(people[:17], block, strict=False):
        assert ask(user, to, world.now) == Permitted()
    Delivery.objects.filter(user__in=people[:1]).update(entered_at=world.now, created_at=world.now - timedelta(days=30))
    later = world.now + timedelta(minutes=6)
    assert rule_of(ask(people[17], block[17], later)) is LimitRule.RANGE_HOUR, "16 untyped beside one that was"
    Delivery.objects.filter(user__in=people[:2]).update(entered_at=world.now)
    assert ask(people[17], block[17], later) == Permitted()


def test_desks_behind_one_switchboard_are_telephones_of_their_own(world: World) -> None:
    """Twenty people register in a morning, each with an extension of one number, and sign in with it on another day."""
    people = many(world, 20)
    for is_new, morning in ((True, world.now), (False, world.now + timedelta(days=5))):
        for which, user in enumerate(people):
            at = morning + timedelta(minutes=which)
            extension = str(100 + which)
            verdict = ask(user, "+4930123456", at, is_new=is_new, channel=Channel.VOICE, extension=extension)
            assert verdict == Permitted()
            Delivery.objects.filter(user=user, entered_at=None).update(entered_at=at)


def test_made_up_extensions_are_no_way_round_the_limit_of_a_number(world: World) -> None:
    """A switchboard at which no person of the organisation has typed a code gets ten calls a day at most."""
    people = many(world, 12)
    answers = [
        ask(user, "+4930123456", world.now, channel=Channel.VOICE, extension=str(which))
        for which, user in enumerate(people)
    ]
    assert [rule_of(answer) for answer in answers] == [None] * 10 + [LimitRule.SWITCHBOARD] * 2


def test_a_mobile_has_no_extensions(world: World) -> None:
    assert telephone_of(ALICES_NUMBER, "12").number_keys == telephone_of(ALICES_NUMBER).number_keys
    assert not telephone_of(ALICES_NUMBER, "12").is_extension


def test_enforced_people_are_many_and_still_a_send_is_quick(world: World) -> None:
    """However much of the quota was used, no more people are counted than the decision needs."""
    daily_totals.add(world.organisation.pk, world.now, "DE", Channel.SMS, is_new=False, asked=206)
    for n in range(30):
        make_person(world.organisation, f"quick{n}", state=MfaState.ENABLED)
    with CaptureQueriesContext(connection) as asked:
        assert ask(world.bob, number(1), world.now, is_new=False) == Permitted()
    (counting,) = [query["sql"] for query in asked if "COUNT" in query["sql"] and "directory_user" in query["sql"]]
    assert "LIMIT 2" in counting
