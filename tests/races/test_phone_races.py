"""Many requests for codes at one moment, on one or several nodes: no shared limit is ever exceeded."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.db import transaction
from django.db.models import Sum

from tests.races.parallel import in_processes, in_threads
from tests.telephone import Telephone
from tests.world import ALICES_NUMBER, ORIGIN, World, evidence_for, make_organisation, make_person, make_world
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.policy import Channel, FactorKind
from watchword.directory.models import Organisation, User
from watchword.messaging.gateway import Outgoing, Result
from watchword.messaging.limits import daily_totals, rules
from watchword.messaging.limits.counters import Permitted, telephone_of
from watchword.messaging.models import CountryBlock, DailyTotal, Delivery
from watchword.messaging.notices import warn
from watchword.messaging.send import new_delivery, note_result
from watchword.messaging.worker import outbox, persistence
from watchword.signin import enrolment, flow, sessions
from watchword.signin.models import CodeChallenge, Session, SignInAttempt
from watchword.signin.otp import challenges, delivery_events
from watchword.signin.otp.challenges import CodeSent
from watchword.signin.results import Continue, SignedIn

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = 20

type Parallel = Callable[[Callable[[int], str]], list[str]]


@pytest.fixture(params=["threads", "processes"])
def parallel(request: pytest.FixtureRequest) -> Parallel:
    """Run twenty acts at once, in one process or in two."""
    if request.param == "threads":
        return lambda act: in_threads(PEOPLE, act)
    return lambda act: in_processes(2, PEOPLE // 2, act)


@pytest.fixture
def world(transactional_db: None, telephone: Telephone) -> World:
    """Return the people of the tests, committed so that other connections see them."""
    return make_world()


def past_the_password(world: World) -> SignInAttempt:
    token = flow.begin("alice@harbour.example", origin=ORIGIN, next_url="/", now=world.now)
    attempt = flow.find_attempt(token, now=world.now)
    assert attempt is not None
    assert isinstance(flow.answer(attempt, FactorKind.PASSWORD, world.passwords["alice"], now=world.now), Continue)
    return attempt


def strangers(*organisations: Organisation) -> list[Session]:
    """Return a newly proven session for each of twenty people, from these organisations in turn."""
    opened = []
    for which in range(PEOPLE):
        user = make_person(organisations[which % len(organisations)], f"stranger{which}")
        proof = evidence_for(FactorKind.PASSWORD, FactorKind.PHONE)
        opened.append(sessions.open_session(user, proof, origin=ORIGIN, now=proof[0].at).session)
    return opened


def registers(session: Session, number: str, world: World, channel: Channel = Channel.SMS) -> str:
    mine = Session.objects.select_related("user__organisation").get(pk=session.pk)
    options = {"slot": "mobile", "number": number, "channel": channel.value, "country": "DE"}
    outcome = enrolment.start(mine, FactorKind.PHONE, options, origin=ORIGIN, now=world.now + timedelta(seconds=5))
    return "sent" if isinstance(outcome, CodeSent) else str(outcome.reason)


def daily_totals_agree() -> bool:
    asked = DailyTotal.objects.aggregate(all=Sum("asked", default=0))["all"]
    return bool(asked == Delivery.objects.count())


@pytest.mark.parametrize("apart", [timedelta(0), timedelta(minutes=16)])
def test_fld_05_again_pressed_a_hundred_times_at_once_sends_three_at_most(
    world: World, parallel: Parallel, apart: timedelta
) -> None:
    """A hundred parallel requests of one sign-in, at once or beyond the resend pause, send three codes at most."""
    attempt = past_the_password(world)
    SignInAttempt.objects.update(expires_at=world.now + timedelta(days=1))

    def press(which: int) -> str:
        mine = SignInAttempt.objects.select_related("user__organisation").get(pk=attempt.pk)
        outcomes = [
            flow.send_code(mine, world.alices_phone.id, Channel.SMS, now=world.now + which * apart) for _ in range(5)
        ]
        return str(sum(isinstance(outcome, CodeSent) for outcome in outcomes))

    sent = sum(int(number) for number in parallel(press))
    assert sent == Delivery.objects.count()
    assert 1 <= sent <= 3
    assert CodeChallenge.objects.filter(void_at=None).count() == 1
    assert daily_totals_agree()


def test_fld_03_a_victim_is_not_flooded_by_two_organisations_at_one_moment(world: World, parallel: Parallel) -> None:
    """Twenty accounts of two organisations flood one number at once: only half of its daily limit is sent."""
    there = make_organisation("Elsewhere", "elsewhere.example")
    opened = strangers(world.organisation, there)
    outcomes = parallel(lambda which: registers(opened[which], ALICES_NUMBER, world))
    assert outcomes.count("sent") == Delivery.objects.count() == 5
    assert daily_totals_agree()


def test_fld_01_neighbours_are_counted_over_organisations_at_one_moment(
    world: World, parallel: Parallel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty consecutive numbers at once, where bursts are off, get ten codes over all organisations together."""
    monkeypatch.setattr(rules, "MOST_BURST", 0)
    there = make_organisation("Elsewhere", "elsewhere.example")
    opened = strangers(world.organisation, there)
    outcomes = parallel(lambda which: registers(opened[which], f"+491512345{which:04d}", world))
    assert outcomes.count("sent") == Delivery.objects.count() == 10
    assert outcomes.count("sends_each_range_and_hour") == 10
    assert daily_totals_agree()


def test_fld_14_a_budget_is_never_passed_by_texts_and_calls_to_two_countries_at_once(
    world: World, parallel: Parallel
) -> None:
    """Counter rows for each country and channel don't multiply the quota: parallel sends share one."""
    world.organisation.phone_budget = {"organisation_sends_each_day": 14}
    world.organisation.phone_countries = ["DE", "AT"]
    world.organisation.save()
    opened = strangers(world.organisation)

    def register(which: int) -> str:
        number = f"+49151{which:04d}0000" if which % 2 else f"+4366012{which:02d}0000"
        return registers(opened[which], number, world, Channel.VOICE if which % 3 else Channel.SMS)

    outcomes = parallel(register)
    assert outcomes.count("sent") == Delivery.objects.count() == 7
    assert daily_totals_agree()


def test_warnings_to_one_number_at_one_moment_are_five(world: World, parallel: Parallel) -> None:
    people = [session.user for session in strangers(world.organisation)]

    def tell(which: int) -> str:
        outcome = warn(User.objects.get(pk=people[which].pk), ALICES_NUMBER, "careful", now=world.now)
        return "sent" if isinstance(outcome, Permitted) else "held back"

    assert parallel(tell).count("sent") == Delivery.objects.count() == 5
    assert daily_totals_agree()


def test_a_country_is_closed_once_however_many_ask_at_that_moment(world: World, parallel: Parallel) -> None:
    ago = world.now - timedelta(hours=1)
    for which in range(30):
        Delivery.objects.create(
            organisation=world.organisation,
            user=world.carol,
            channel=Channel.SMS,
            purpose="register",
            **telephone_of(f"+49171{which:04d}0000").row(),
            result=Result.SENT,
            created_at=ago,
            changed_at=ago,
        )
    daily_totals.add(world.organisation.pk, ago, "DE", Channel.SMS, is_new=True, asked=30)
    opened = strangers(world.organisation)
    outcomes = parallel(lambda which: registers(opened[which], f"+49151{which:04d}0000", world))
    assert outcomes == ["country_closed"] * PEOPLE
    assert CountryBlock.objects.count() == 1


def test_fld_10_the_fraud_key_against_the_code_typed_at_one_moment_ends_in_one_of_both(
    world: World, telephone: Telephone, parallel: Parallel
) -> None:
    """The fraud key and the code at one moment, repeatedly: no code stays valid, and at most one session is open."""
    attempt = past_the_password(world)
    flow.send_code(attempt, world.alices_phone.id, Channel.VOICE, now=world.now)
    code, delivery = telephone.code, telephone.received[-1].delivery_id

    def act(which: int) -> str:
        if which % 2:
            with transaction.atomic():
                delivery_events.note(delivery, Result.FRAUD_REPORTED, now=world.now)
            return "reported"
        mine = SignInAttempt.objects.select_related("user__organisation").get(pk=attempt.pk)
        outcome = flow.answer(mine, FactorKind.PHONE, code, now=world.now)
        return "in" if isinstance(outcome, SignedIn) else "out"

    outcomes = parallel(act)
    assert outcomes.count("in") <= 1
    assert not CodeChallenge.objects.filter(void_at=None, spent_at=None).exists()


def test_dispatchers_that_look_at_one_moment_share_what_waits(world: World, parallel: Parallel) -> None:
    """Dispatchers that poll at once never claim the same message twice, and leave none until a lease ends."""
    messages = [
        new_delivery(world.alice, telephone_of(ALICES_NUMBER), Channel.SMS, "sign_in", now=world.now) for _ in range(60)
    ]
    for message in messages:
        not_after = world.now + timedelta(hours=1)
        outbox.put(Outgoing(message.pk, Channel.SMS, ALICES_NUMBER, "", "493027", not_after=not_after), now=world.now)

    def look(_which: int) -> str:
        claimed: list[str] = []
        while more := outbox.claim(now=world.now + timedelta(seconds=1), at_most=7):
            claimed += [str(one.outgoing.delivery_id) for one in more]
        return " ".join(claimed)

    claimed = " ".join(parallel(look)).split()
    assert sorted(claimed) == sorted(str(message.pk) for message in messages)


@pytest.mark.postgres
def test_fld_10_a_report_is_not_lost_because_the_code_is_typed_at_that_moment(
    world: World, telephone: Telephone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fraud report parallel to its code isn't lost: both transactions take the same locks in the same order."""
    attempt = past_the_password(world)
    flow.send_code(attempt, world.alices_phone.id, Channel.VOICE, now=world.now)
    code, delivery = telephone.code, telephone.received[-1].delivery_id
    real = daily_totals.note_entered

    def slowly(delivery_id: UUID, *, now: datetime) -> None:
        time.sleep(0.5)
        real(delivery_id, now=now)

    monkeypatch.setattr(challenges, "note_entered", slowly)

    def act(which: int) -> str:
        if which:
            mine = SignInAttempt.objects.select_related("user__organisation").get(pk=attempt.pk)
            return type(flow.answer(mine, FactorKind.PHONE, code, now=world.now)).__name__
        time.sleep(0.1)
        with transaction.atomic():
            delivery_events.hold_person(delivery)
            note_result(delivery, Result.FRAUD_REPORTED, now=world.now)
            time.sleep(0.2)
            delivery_events.note(delivery, Result.FRAUD_REPORTED, now=world.now)
        return "reported"

    assert in_threads(2, act) == ["reported", "SignedIn"]
    assert Event.objects.filter(kind=EventKind.FRAUD_REPORTED, subject_id=world.alice.pk).count() == 1


def test_a_code_that_is_asked_for_again_and_its_receipt_do_not_wait_for_each_other(
    world: World, telephone: Telephone, parallel: Parallel
) -> None:
    """The dispatcher records results while the same people request new codes: without a deadlock, all is written."""
    now = world.now
    opened = strangers(world.organisation)
    for which, session in enumerate(opened):
        assert registers(session, f"+49151{which:04d}0000", world) == "sent"
    Delivery.objects.update(result=Result.WAITING)
    first = list(Delivery.objects.order_by("created_at", "pk").values_list("pk", flat=True))
    later = now + timedelta(minutes=2)

    def act(which: int) -> str:
        if which < 4:
            mine = first[which::4]
            finished = [persistence.Finished(pk, Result.SENT, "one", f"r{pk}"[:60], 5) for pk in mine]
            persistence.write(persistence.Batch(finished=finished), lambda _changed: None, now)
            return "written"
        session = Session.objects.select_related("user__organisation").get(pk=opened[which].pk)
        options = {"slot": "mobile", "number": f"+49151{which:04d}0000", "channel": "sms", "country": "DE"}
        outcome = enrolment.start(session, FactorKind.PHONE, options, origin=ORIGIN, now=later)
        return "sent" if isinstance(outcome, CodeSent) else str(outcome.reason)

    outcomes = parallel(act)
    assert outcomes == ["written"] * 4 + ["sent"] * (PEOPLE - 4)
    assert set(Delivery.objects.filter(pk__in=first).values_list("result", flat=True)) <= {"sent", "expired"}
    assert daily_totals_agree()
