"""A registration that nothing vouched for waits for its app password, where the organisation configured a wait."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from tests.alerts.playing import STRANGER, complete, pass_password, work
from tests.signin.test_enrolment_evidence import THEIR_NUMBER, add_phone, again, begun, opens_mail
from tests.telephone import Telephone
from tests.world import ORIGIN, World, evidence_for, make_organisation, make_person
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.decision import AskFor, DenyReason
from watchword.core.factors import Rejected, RejectReason
from watchword.core.policy import FactorKind, MfaState
from watchword.directory.models import MfaCause, MfaStateChange, Organisation, User
from watchword.factors import vault
from watchword.signin import (
    access_passes,
    actions,
    compromise_response,
    enrolment,
    enrolment_evidence,
    enrolment_wait,
    flow,
    queries,
    sessions,
)
from watchword.signin.compromise_response import Disowned
from watchword.signin.enrolment import Registered
from watchword.signin.models import Revocation, Session
from watchword.signin.results import Continue, SignedIn
from watchword.signin.service_settings import SenselessSettings, change_settings

HOURS = 48
Act = Callable[[World, datetime], object]


@pytest.fixture
def waits(world: World) -> World:
    """Configure the organisation to delay the app password of registrations that nothing vouched for."""
    change_settings(world.organisation, {"app_password_wait_hours": HOURS}, by=world.root, now=world.now)
    world.people["bob"] = again(world.bob)
    return world


def later(world: World, **time: int) -> datetime:
    return world.now + timedelta(**time)


def registered(world: World, telephone: Telephone) -> Registered:
    return add_phone(world, pass_password(world, world.bob), telephone)


def sign_in(world: World, telephone: Telephone, now: datetime) -> SignedIn:
    """Sign Bob in with password and code."""
    return complete(world, telephone, world.bob, origin=STRANGER, now=now)


def mail_open(world: World, now: datetime) -> bool:
    world.now, before = now, world.now
    try:
        return opens_mail(world, again(world.bob), world.passwords["bob"])
    finally:
        world.now = before


def session_at(world: World, now: datetime) -> Session:
    proof = evidence_for(FactorKind.PASSWORD, FactorKind.PHONE, at=now)
    return sessions.open_session(again(world.bob), proof, origin=ORIGIN, now=now).session


def test_nobody_waits_unless_the_organisation_wants_it(world: World, telephone: Telephone) -> None:
    done = registered(world, telephone)
    assert (done.became_enforced, done.waits_until) == (True, None)
    assert done.first_app_password is not None


def test_a_registration_that_nothing_vouched_for_stays_enabled_without_an_app_password(
    waits: World, telephone: Telephone
) -> None:
    done = registered(waits, telephone)
    assert (done.became_enforced, done.first_app_password) == (False, None)
    assert done.waits_until == later(waits, hours=HOURS)
    assert isinstance(done.complete, SignedIn)
    bob = again(waits.bob)
    assert (bob.state, bob.app_password_waits_until) == (MfaState.ENABLED, done.waits_until)
    added = Event.objects.get(kind=EventKind.METHOD_ADDED, subject_id=bob.pk)
    assert added.details["registration"] == enrolment_evidence.BY_NOTHING
    assert not MfaStateChange.objects.filter(user=bob).exists()


def test_while_it_runs_a_code_is_asked_in_every_browser(waits: World, telephone: Telephone) -> None:
    registered(waits, telephone)
    attempt = begun(waits, again(waits.bob))
    outcome = flow.answer(attempt, FactorKind.PASSWORD, waits.passwords["bob"], now=waits.now)
    assert isinstance(outcome, Continue)
    assert outcome.decision == AskFor(frozenset({FactorKind.PHONE}), DenyReason.MFA_REQUIRED)


def test_while_it_runs_the_account_password_goes_on_in_mail_and_not_a_moment_longer(
    waits: World, telephone: Telephone
) -> None:
    registered(waits, telephone)
    assert mail_open(waits, later(waits, hours=HOURS, seconds=-1))
    assert not mail_open(waits, later(waits, hours=HOURS)), "before any job has run"


def test_while_it_runs_no_app_password_can_be_made(waits: World, telephone: Telephone) -> None:
    registered(waits, telephone)
    now = later(waits, hours=HOURS, seconds=-1)
    assert enrolment.why_cannot_create(again(waits.bob), now=now) == "waits"
    made = enrolment.create_app_password(session_at(waits, now), "Laptop", origin=ORIGIN, now=now)
    assert made == Rejected(RejectReason.WAITS)


def test_signing_in_while_it_runs_changes_nothing(waits: World, telephone: Telephone) -> None:
    registered(waits, telephone)
    sign_in(waits, telephone, later(waits, hours=HOURS, minutes=-1))
    assert again(waits.bob).state is MfaState.ENABLED


def is_enforced_by_time(world: World, now: datetime) -> bool:
    bob = again(world.bob)
    change = MfaStateChange.objects.filter(user=bob).first()
    assert change is not None
    assert (change.before, change.after, change.cause) == ("enabled", "enforced", MfaCause.REGISTRATION_FINISHED)
    assert change.at == now
    event = Event.objects.get(kind=EventKind.MFA_STATE_CHANGED, subject_id=bob.pk)
    assert event.reason == MfaCause.REGISTRATION_FINISHED
    assert Revocation.objects.filter(user_id=bob.pk, at=now).exists(), "open mail connections are closed"
    return bob.state is MfaState.ENFORCED and bob.app_password_waits_until is None


def test_when_it_is_over_the_next_sign_in_makes_enforced(waits: World, telephone: Telephone) -> None:
    registered(waits, telephone)
    now = later(waits, hours=HOURS)
    session = sign_in(waits, telephone, now).session
    assert is_enforced_by_time(waits, now)
    made = enrolment.create_app_password(session, "Laptop", origin=ORIGIN, now=now)
    assert isinstance(made, enrolment.ShownOnce)


def test_when_it_is_over_the_worker_makes_enforced_and_the_person_is_told(waits: World, telephone: Telephone) -> None:
    registered(waits, telephone)
    work(waits.now)
    assert enrolment_wait.finish_due(now=later(waits, hours=HOURS, seconds=-1)) == 0
    now = later(waits, hours=HOURS)
    assert enrolment_wait.finish_due(now=now) == 1
    assert is_enforced_by_time(waits, now)
    assert enrolment_wait.finish_due(now=now) == 0
    told = [message for message in work(now) if "need an app password now" in message.subject]
    assert [message.to for message in told] == [["bob@elsewhere.example"]]
    assert "/app-passwords/" in str(told[0].body)


@pytest.mark.parametrize("vouched_by", [enrolment_evidence.BY_PASS, enrolment_evidence.BY_DIRECTORY])
def test_a_registration_that_something_vouched_for_waits_for_nothing(
    waits: World, telephone: Telephone, vouched_by: str
) -> None:
    if vouched_by == enrolment_evidence.BY_DIRECTORY:
        waits.bob.directory_phone = THEIR_NUMBER
        waits.bob.save(update_fields=["directory_phone"])
    attempt = pass_password(waits, waits.bob)
    if vouched_by == enrolment_evidence.BY_PASS:
        made = actions.reset_methods(waits.bob, by=waits.root, now=waits.now)
        attempt = pass_password(waits, waits.bob)
        access_passes.answer(attempt, made.token, now=waits.now)
    done = add_phone(waits, attempt, telephone)
    assert (done.became_enforced, done.waits_until) == (True, None)


def test_another_phone_neither_shortens_a_wait_nor_begins_it_anew(waits: World, telephone: Telephone) -> None:
    done = registered(waits, telephone)
    assert done.complete is not None
    other = add_phone(waits, done.complete.session, telephone, minutes=5, number="0151 99999999", slot="alternate")
    assert (other.became_enforced, other.waits_until) == (False, done.waits_until)
    added = Event.objects.filter(kind=EventKind.METHOD_ADDED, subject_id=waits.bob.pk)
    assert [event.details.get("registration") for event in added.order_by("id")] == [
        enrolment_evidence.BY_NOTHING,
        None,
    ]


def test_a_changed_setting_leaves_waits_that_run_as_they_are(waits: World, telephone: Telephone) -> None:
    done = registered(waits, telephone)
    change_settings(waits.organisation, {"app_password_wait_hours": 0}, by=waits.root, now=waits.now)
    assert again(waits.bob).app_password_waits_until == done.waits_until


def disown_registration(world: World, now: datetime) -> object:
    phone = vault.holdings(world.bob, kinds=[FactorKind.PHONE])[0]
    disowned = Disowned("registered", world.now, credential_id=phone.id)
    return compromise_response.respond_to_compromise(world.bob, disowned, origin=ORIGIN, now=now)


@pytest.mark.parametrize(
    ("act", "after"),
    [
        (lambda world, now: actions.block(world.bob, by=world.root, now=now), MfaState.ENABLED),
        (lambda world, now: actions.delete(world.bob, by=world.root, now=now), MfaState.ENABLED),
        (lambda world, now: actions.reset_methods(world.bob, by=world.root, now=now), MfaState.ENABLED),
        (disown_registration, MfaState.ENABLED),
        (
            lambda world, now: actions.set_mfa_state(world.bob, MfaState.DISABLED, by=world.root, now=now),
            MfaState.DISABLED,
        ),
        (
            lambda world, now: actions.set_mfa_state(world.bob, MfaState.ENFORCED, by=world.root, now=now),
            MfaState.ENFORCED,
        ),
    ],
    ids=["block", "delete", "require methods again", "this wasn't me", "disable", "enforce"],
)
def test_what_puts_the_registration_in_doubt_or_settles_it_ends_the_wait(
    waits: World, telephone: Telephone, act: Act, after: MfaState
) -> None:
    registered(waits, telephone)
    act(waits, later(waits, hours=1))
    bob = again(waits.bob)
    assert (bob.app_password_waits_until, bob.state) == (None, after)
    assert enrolment_wait.finish_due(now=later(waits, hours=HOURS)) == 0
    assert again(waits.bob).state is after


def test_this_wasnt_me_about_something_else_leaves_no_way_round_the_wait(waits: World, telephone: Telephone) -> None:
    """A person who registered and reads the mail could press the button; then only an administrator opens anything."""
    registered(waits, telephone)
    now = later(waits, hours=1)
    done = compromise_response.respond_to_compromise(waits.bob, Disowned("password_known", now), origin=ORIGIN, now=now)
    assert (done.phones, done.can_choose, done.had_password) == ((), False, True)
    bob = again(waits.bob)
    assert (bob.state, bob.app_password_waits_until) == (MfaState.ENABLED, None)
    assert not mail_open(waits, now)


def test_enabling_a_person_who_waits_changes_nothing(waits: World, telephone: Telephone) -> None:
    done = registered(waits, telephone)
    outcome = actions.set_mfa_state(waits.bob, MfaState.ENABLED, by=waits.root, now=waits.now)
    assert (outcome.before, outcome.after, outcome.because_registered) == (MfaState.ENABLED, MfaState.ENABLED, False)
    assert again(waits.bob).app_password_waits_until == done.waits_until


def test_a_pass_from_an_administrator_vouches_for_whoever_waits(waits: World, telephone: Telephone) -> None:
    registered(waits, telephone)
    made = access_passes.make(waits.bob, lifetime=timedelta(hours=1), is_once=True, by=waits.root, now=waits.now)
    attempt = pass_password(waits, waits.bob)
    access_passes.answer(attempt, made.secret, now=waits.now)
    done = add_phone(waits, attempt, telephone, minutes=1, number="0151 99999999", slot="alternate")
    assert (done.became_enforced, done.waits_until) == (True, None)
    assert again(waits.bob).app_password_waits_until is None
    assert len(queries.app_passwords_of(waits.bob)) == 1


@pytest.mark.parametrize("hours", [-1, 73])
def test_more_than_three_days_or_less_than_none_is_refused(world: World, hours: int) -> None:
    with pytest.raises(SenselessSettings):
        change_settings(world.organisation, {"app_password_wait_hours": hours}, by=world.root, now=world.now)
    assert Organisation.objects.get().app_password_wait_hours == 0


def test_only_the_person_who_waits_is_finished(waits: World, telephone: Telephone) -> None:
    registered(waits, telephone)
    other = make_person(make_organisation("Other", "other.example"), "bo", state=MfaState.ENABLED)
    enrolment_wait.finish_due(now=later(waits, hours=HOURS))
    assert User.objects.get(pk=other.pk).state is MfaState.ENABLED
