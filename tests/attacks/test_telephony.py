"""Telephony: SMS pumping, flooding, the text of messages, passwords known to an attacker, and a spent quota."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from benchmarks import pumping
from tests.alerts.playing import pass_password, work
from tests.attacks.phoning import MINUTE, allow, send
from tests.telephone import Telephone
from tests.world import ALICES_NUMBER, ORIGIN, World, evidence_for, give_phone, make_person, sign_in
from watchword.alerts.models import Alert, Notice
from watchword.alerts.rules import AlertRule as Warning_
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.decision import DenyReason, SetUpFirst
from watchword.core.factors import RejectReason
from watchword.core.policy import Channel, Door, FactorKind, MfaState
from watchword.directory.models import Organisation, User
from watchword.factors import vault
from watchword.messaging.content.sms import text_of
from watchword.messaging.gateway import Result
from watchword.messaging.limits.counters import LimitRule, budget_of, telephone_of
from watchword.messaging.limits.rules import Budget
from watchword.messaging.models import DailyTotal, Delivery, DeniedMessage
from watchword.messaging.worker import outbox
from watchword.signin import enrolment, flow, non_interactive, sessions
from watchword.signin.models import CodeChallenge
from watchword.signin.non_interactive import AuthRequest, Secret
from watchword.signin.otp.challenges import CodeSent
from watchword.signin.phone_change_notice import tell_numbers
from watchword.signin.results import Continue, Outcome, SignedIn, SignInDenied
from watchword.signin.sign_in_view import view_of

HOUR = timedelta(hours=1)


def register(
    user: User, number: str, world: World, *, later: timedelta = timedelta(0), channel: Channel = Channel.SMS
) -> Any:
    """Request a code for a number, as a person with a fresh proof."""
    now = world.now + later
    proof = evidence_for(FactorKind.PASSWORD, FactorKind.PHONE, at=now)
    session = sessions.open_session(user, proof, origin=ORIGIN, now=now).session
    options = {"slot": "mobile", "number": number, "channel": channel.value, "country": "DE"}
    return enrolment.start(session, FactorKind.PHONE, options, origin=ORIGIN, now=now)


# FLD-01


@pytest.fixture
def ether(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "wake", pumping.Ether.carry)


SMALL = {
    "impatient": pumping.Attack("impatient", 105, timedelta(hours=1)),
    "patient": pumping.Attack("patient", 140, timedelta(days=1)),
    "scattered": pumping.Attack("scattered", 140, timedelta(hours=6), scatters=True),
    "typing": pumping.Attack("typing", 140, timedelta(hours=12), scatters=True, typed=1 / 3),
}


@pytest.mark.breaks_invariants
@pytest.mark.parametrize("name", SMALL)
def test_fld_01_pumping_through_registrations_stops_within_the_budget(db: None, ether: None, name: str) -> None:
    """However SMS pumping proceeds, no rule's limit is exceeded, no other country gets a text, and sign-ins go on."""
    attack, people, accounts = SMALL[name], 60, 20
    report = pumping.simulate(attack, people=people, accounts=accounts, week=list(SMALL).index(name))
    budget = budget_of(Organisation.objects.get(name__startswith="Pumped"))
    assert report.left + sum(report.stopped.values()) == attack.attempts
    assert max(report.days.values()) <= budget.new_sends_each_day
    assert set(report.by_country) <= set(pumping.COUNTRIES)
    days = 1 + attack.lifetime // timedelta(days=1)
    assert report.left <= accounts * budget.new_numbers_each_day * days
    if not attack.scatters:
        hours = 1 + attack.lifetime // HOUR
        assert report.left <= len(pumping.COUNTRIES) * budget.sends_each_range_and_hour * hours
    assert report.honest_sign_ins > 2
    assert report.honest_sign_ins_refused.total() == 0
    asked = sum(row.asked for row in DailyTotal.objects.all())
    assert asked == Delivery.objects.count()


@pytest.mark.breaks_invariants
def test_fld_01_the_alarm_closes_a_country_that_is_pumped_and_administrators_hear_of_it(db: None, ether: None) -> None:
    """A country for which twenty codes were sent and hardly any typed is closed for new numbers, for a day."""
    attack = pumping.Attack("scattered", 210, timedelta(hours=8), scatters=True)
    report = pumping.simulate(attack, people=100, accounts=60)
    assert report.stopped[LimitRule.COUNTRY_CLOSED] > 10
    # The alarm's threshold, codes sent while earlier ones were still valid, and honest people in between.
    each_minute = attack.attempts / (attack.lifetime / MINUTE) / len(pumping.BEGINNINGS)
    alarm = Budget(frozenset()).alarm_sends
    assert report.by_country["AT"] <= alarm + 5 * each_minute + 2
    assert Event.objects.filter(kind=EventKind.COUNTRY_CLOSED, details__country="AT").count() == 1


# FLD-02


@pytest.mark.parametrize(
    ("number", "rule"),
    [
        ("+499001234567", RejectReason.NUMBER_NOT_ALLOWED),
        ("+4918051234567", RejectReason.NUMBER_NOT_ALLOWED),
        ("+870773111632", LimitRule.RANGE_KIND),
        ("+881612345678", LimitRule.RANGE_KIND),
        ("+80012345678", LimitRule.RANGE_KIND),
        ("+447012345678", LimitRule.RANGE_KIND),
        ("+33612345678", LimitRule.COUNTRY),
        ("+447797123456", LimitRule.COUNTRY),
        ("+77011234567", LimitRule.COUNTRY),
        ("+999123456789", RejectReason.NOT_A_NUMBER),
    ],
)
def test_fld_02_dear_strange_and_foreign_numbers_are_refused_before_anything_is_sent(
    world: World, telephone: Telephone, number: str, rule: object
) -> None:
    """Premium, shared cost, satellite, personal and unknown numbers, and countries not allowed, are refused."""
    outcome = register(world.alice, number, world, channel=Channel.VOICE)
    assert outcome.reason == rule
    assert telephone.received == []
    assert not Delivery.objects.exists()
    if isinstance(rule, LimitRule):
        assert DeniedMessage.objects.get().rule == rule


# FLD-03


def test_fld_03_one_victim_gets_ten_messages_a_day_whoever_asks(world: World, telephone: Telephone) -> None:
    """Accounts, spellings, texts, calls, sign-ins and registrations together send ten messages a day to one number."""
    spellings = [ALICES_NUMBER, "0151 1234 5678", "+49 (0)151-12345678", "0049 151 12345678", "+٤٩15112345678"]
    strangers = [make_person(world.organisation, f"s{n}") for n in range(20)]
    for which, stranger in enumerate(strangers):
        channel = Channel.VOICE if which % 2 else Channel.SMS
        register(stranger, spellings[which % 5], world, later=which * MINUTE, channel=channel)
    assert len(telephone.received) == 5, "registrations take half of a number's day"
    for hour in range(1, 20):
        attempt = pass_password(world, world.alice, now=world.now + hour * HOUR)
        if view_of(attempt, now=world.now + hour * HOUR).methods:
            send(world, attempt, later=hour * HOUR)
    assert len(telephone.received) == 10
    assert {message.number for message in telephone.received} == {ALICES_NUMBER}


# FLD-04


def test_fld_04_a_hundred_sign_ins_with_the_right_password_mark_it_as_known(world: World, telephone: Telephone) -> None:
    """A hundred sign-ins without a typed code hit the limit, warn owner and administrators and force a new password."""
    telephone.answers = Result.DELIVERED
    for which in range(100):
        now = world.now + which * 10 * MINUTE
        attempt = pass_password(world, world.alice, now=now)
        if view_of(attempt, now=now).methods:
            send(world, attempt, later=which * 10 * MINUTE)
    assert len(telephone.received) <= 20
    assert Event.objects.filter(kind=EventKind.PASSWORD_MARKED_KNOWN).count() == 1
    work(world.now)
    assert Notice.objects.filter(rule=Warning_.PASSWORD_KNOWN, user=world.alice).exists()
    assert Alert.objects.filter(rule=Warning_.PASSWORD_KNOWN, subject=world.alice).exists()
    later = world.now + timedelta(days=2)
    attempt = pass_password(world, world.alice, now=later)
    flow.send_code(attempt, world.alices_phone.id, Channel.SMS, now=later)
    outcome = flow.answer(attempt, FactorKind.PHONE, telephone.code, now=later)
    assert isinstance(outcome, Continue)
    assert outcome.decision == SetUpFirst(FactorKind.PASSWORD, DenyReason.PASSWORD_KNOWN)


@pytest.mark.parametrize("what", ["a code was typed", "the gateway was down"])
def test_fld_04_neither_a_typed_code_nor_a_gateway_that_is_down_marks_a_password(
    world: World, telephone: Telephone, what: str
) -> None:
    """Undelivered codes and frequent sign-ins don't force a person to choose a new password."""
    for which in range(12):
        later = which * 20 * MINUTE
        attempt = pass_password(world, world.alice, now=world.now + later)
        if what == "the gateway was down":
            telephone.break_down(permanent=False)
        send(world, attempt, later=later)
        if what == "a code was typed" and which == 3:
            flow.answer(attempt, FactorKind.PHONE, telephone.code, now=world.now + later)
    assert DeniedMessage.objects.filter(rule=LimitRule.NUMBER_DAY).exists()
    assert not Event.objects.filter(kind=EventKind.PASSWORD_MARKED_KNOWN).exists()


def press_all_day(world: World) -> None:
    """Request a code every 20 minutes until the number's daily limit is reached, and once more; type none."""
    for which in range(12):
        send(world, pass_password(world, world.alice, now=world.now + which * 20 * MINUTE), later=which * 20 * MINUTE)


def test_fld_04_a_gateway_that_is_late_marks_nobodys_password(world: World, telephone: Telephone) -> None:
    """A code delivered after its expiry, or never reported delivered on a reporting channel, marks no password."""
    for which in range(12):
        at = which * 20 * MINUTE
        send(world, pass_password(world, world.alice, now=world.now + at), later=at)
        if which % 2:
            newest = Delivery.objects.order_by("-created_at")[:1].values("pk")
            late = world.now + at + 10 * MINUTE
            Delivery.objects.filter(pk__in=newest).update(result=Result.DELIVERED, changed_at=late)
    assert DeniedMessage.objects.filter(rule=LimitRule.NUMBER_DAY, user=world.alice).exists()
    assert not Event.objects.filter(kind=EventKind.PASSWORD_MARKED_KNOWN).exists()


@pytest.mark.parametrize(("typed", "is_marked"), [(5, True), (2, False), (0, False)])
def test_fld_04_without_receipts_a_text_arrived_if_others_typed_theirs_at_that_time(
    world: World, telephone: Telephone, typed: int, is_marked: bool
) -> None:
    """Without receipts, untyped codes mark a password only if other people typed their codes at that time."""
    bob = world.bob
    for which in range(12):
        at = world.now + which * 20 * MINUTE
        Delivery.objects.bulk_create(
            Delivery(
                organisation=bob.organisation,
                user=bob,
                channel=Channel.SMS,
                purpose="sign_in",
                **telephone_of("+4915199999999").row(),
                result=Result.SENT,
                gateway="telephone",
                created_at=at,
                changed_at=at,
                entered_at=at if one < typed else None,
            )
            for one in range(5)
        )
    press_all_day(world)
    assert Event.objects.filter(kind=EventKind.PASSWORD_MARKED_KNOWN).exists() is is_marked


def test_fld_04_a_code_that_is_typed_too_late_clears_its_reader(world: World, telephone: Telephone) -> None:
    """A code typed after its expiry shows that its owner reads the texts, so the password isn't marked as known."""
    telephone.answers = Result.DELIVERED
    attempt = pass_password(world, world.alice, now=world.now)
    send(world, attempt)
    late = flow.answer(attempt, FactorKind.PHONE, telephone.code, now=world.now + 6 * MINUTE)
    assert late == SignInDenied(RejectReason.TOO_LATE)
    press_all_day(world)
    assert DeniedMessage.objects.filter(rule=LimitRule.NUMBER_DAY, user=world.alice).exists()
    assert not Event.objects.filter(kind=EventKind.PASSWORD_MARKED_KNOWN).exists()


def test_fld_04_strangers_at_a_number_do_not_mark_its_owners_password(world: World, telephone: Telephone) -> None:
    """Strangers who use up a number's limit with their own accounts don't mark the password of its owner as known."""
    for which in range(5):
        register(make_person(world.organisation, f"s{which}"), ALICES_NUMBER, world)
    for which in range(7):
        later = (which + 1) * 20 * MINUTE
        send(world, pass_password(world, world.alice, now=world.now + later), later=later)
    assert DeniedMessage.objects.filter(rule=LimitRule.NUMBER_DAY, user=world.alice).exists()
    assert not Event.objects.filter(kind=EventKind.PASSWORD_MARKED_KNOWN).exists()


# FLD-05: in tests/races/test_phone_races.py, with real threads and processes.


def test_fld_05_pressing_again_a_hundred_times_sends_three(world: World, telephone: Telephone) -> None:
    """One sign-in sends at most three codes, with a pause between them, however often it is requested."""
    attempt = pass_password(world, world.alice)
    for second in range(100):
        send(world, attempt, later=timedelta(seconds=second))
    assert len(telephone.received) == 3
    assert CodeChallenge.objects.filter(void_at=None).count() == 1


def test_fld_05_whoever_goes_on_asking_does_not_fill_the_log(world: World, telephone: Telephone) -> None:
    """A refused request is logged at most thirty times an hour, so that other events stay visible beside it."""
    attempt = pass_password(world, world.alice)
    for second in range(100):
        send(world, attempt, later=timedelta(seconds=second))
    not_sent = Event.objects.filter(kind=EventKind.CODE_NOT_SENT, subject_id=world.alice.pk)
    assert not_sent.count() == 30
    assert Event.objects.filter(kind=EventKind.CODE_SENT, subject_id=world.alice.pk).count() == 3
    later = world.now + 2 * HOUR
    allow(world.organisation, *world.people.values(), phone_budget={"organisation_sends_each_day": 0})
    send(world, pass_password(world, world.alice, now=later), later=2 * HOUR)
    assert not_sent.filter(at=later).count() == 1


# FLD-06


def test_fld_06_nothing_that_a_person_types_stands_in_a_text(world: World, telephone: Telephone) -> None:
    """Names of people, labels and browsers never get into a text, and an organisation's name can't pass for a link."""
    evil = "A prize: evil.example 123456\n\n@evil.example #111111"
    allow(world.organisation, name=evil[:100])
    User.objects.filter(pk=world.alice.pk).update(display_name=evil[:100], directory_phone=evil[:40])
    world.alice.refresh_from_db()
    attempt = pass_password(world, User.objects.get(pk=world.bob.pk))
    options = {
        "slot": "mobile",
        "number": "01512 3456789",
        "channel": "sms",
        "country": "DE",
        "label": evil,
        "name": evil,
    }
    assert isinstance(
        enrolment.start(attempt, FactorKind.PHONE, {**options, "words": evil}, origin=ORIGIN, now=world.now), CodeSent
    )
    text = text_of(telephone.received[-1])
    code = telephone.code
    first, empty, last = text.split("\n")
    assert first.startswith(f"{code[:3]} {code[3:]} is your A prize: evil example evil exa code.")
    assert (empty, last) == ("", f"@{telephone.received[-1].host} #{code}")
    assert "123456" not in first
    assert "@" not in first


@pytest.mark.parametrize("words", [(False, "number_removed"), (True, "number_changed")])
def test_fld_06_warnings_carry_no_words_of_others_either(
    world: World, telephone: Telephone, words: tuple[bool, str]
) -> None:
    """A warning to an old number has fixed text apart from the organisation's name, on one line, without a code."""
    allow(world.organisation, world.alice, name="Acme\n\n@evil.example #123456")
    tell_numbers(world.alice, [world.alices_phone], is_removed=not words[0], now=world.now)
    text = text_of(telephone.received[-1])
    assert text.startswith("Acme evil example: ")
    assert text.count("\n") == 0
    assert "123456" not in text


# FLD-14


def empty_the_quota(world: World) -> None:
    allow(world.organisation, *world.people.values(), phone_budget={"organisation_sends_each_day": 0})


def administrator_with_phone(world: World) -> vault.StoredCredential:
    User.objects.filter(pk=world.root.pk).update(mfa_state=MfaState.ENFORCED)
    world.root.refresh_from_db()
    return give_phone(world.root, "+4915187654321")


@pytest.mark.breaks_invariants
def test_fld_14_with_an_empty_quota_an_administrator_still_gets_a_code_and_comes_in(
    world: World, telephone: Telephone
) -> None:
    """A spent quota never locks out the administrator who can raise it."""
    phone = administrator_with_phone(world)
    empty_the_quota(world)
    attempt = pass_password(world, world.root)
    assert isinstance(flow.send_code(attempt, phone.id, Channel.SMS, now=world.now), CodeSent)
    assert isinstance(flow.answer(attempt, FactorKind.PHONE, telephone.code, now=world.now), SignedIn)


def test_fld_14_with_an_empty_quota_a_person_is_told_what_to_do(
    client: Client, world: World, telephone: Telephone
) -> None:
    """A spent quota is explained: why, until when and whom to ask; the administrator sees the rule and its numbers."""
    empty_the_quota(world)
    client.post("/sign-in/", {"name": "alice@harbour.example"})
    client.post("/sign-in/password/", {"answer": world.passwords["alice"]})
    page = client.get("/sign-in/prove/").content.decode()
    assert telephone.received == []
    assert "Your organisation has sent as many codes as it allows for now." in page
    assert "ask your administrator" in page
    refusal = DeniedMessage.objects.get()
    assert refusal.rule == LimitRule.ORGANISATION_DAY
    assert refusal.details == {"limit": "0", "count": "0"}


def test_fld_14_an_empty_quota_stops_nobody_who_needs_no_code(client: Client, world: World) -> None:
    """With a spent quota, open sessions, people without a second proof, trusted networks and app passwords go on."""
    empty_the_quota(world)
    sign_in(client, world.alice)
    assert client.get("/security/").status_code == 200
    assert isinstance(_answer_password(world, "carol"), SignedIn)
    allow(world.organisation, *world.people.values(), trusted_networks=["198.51.100.0/24"])
    assert isinstance(_answer_password(world, "alice"), SignedIn)
    question = AuthRequest(Door.MAIL, world.alice.sign_in_name, Secret(world.alices_app_password), "imap", "192.0.2.1")
    assert non_interactive.check_many([question], now=world.now)[0].allowed


def _answer_password(world: World, name: str) -> Outcome:
    token = flow.begin(f"{name}@harbour.example", origin=ORIGIN, next_url="/", now=world.now)
    attempt = flow.find_attempt(token, now=world.now)
    assert attempt is not None
    return flow.answer(attempt, FactorKind.PASSWORD, world.passwords[name], now=world.now)


def test_fld_14_registrations_can_not_empty_what_sign_ins_need(world: World, telephone: Telephone) -> None:
    """Half of a day's quota is reserved for sign-ins, whatever limit is set for registrations."""
    budget = {"organisation_sends_each_day": 8, "new_sends_each_day": 500, "new_sends_each_country_and_day": 500}
    allow(world.organisation, *world.people.values(), phone_budget=budget)
    for which in range(10):
        register(make_person(world.organisation, f"s{which}"), f"+49151{which + 1:04d}0001", world)
    assert len(telephone.received) == 4
    outcome = send(world, pass_password(world, world.alice))
    assert isinstance(outcome, CodeSent)
