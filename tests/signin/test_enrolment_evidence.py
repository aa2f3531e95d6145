"""Where a password is sufficient evidence to register a phone, and where it is not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.alerts.playing import pass_password, work
from tests.telephone import Telephone
from tests.world import ORIGIN, World, evidence_for, give_password, give_phone, make_person
from watchword.alerts.models import Alert, Notice
from watchword.alerts.rules import AlertRule
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.decision import AskFor, Deny, DenyReason, SetUpFirst
from watchword.core.factors import Rejected
from watchword.core.policy import Channel, Door, FactorKind, MfaState
from watchword.directory.models import Organisation, User
from watchword.directory.roles import Role
from watchword.factors import vault
from watchword.factors.phone.factor import read_number
from watchword.signin import actions, enrolment, enrolment_evidence, flow, non_interactive, queries, sessions
from watchword.signin.enrolment import ReauthenticationRequired, Registered
from watchword.signin.models import Session, SignInAttempt
from watchword.signin.non_interactive import AuthRequest, Secret
from watchword.signin.otp.challenges import CodeSent
from watchword.signin.results import SignInDenied

THEIRS = {"slot": "mobile", "number": "0151 23456789", "channel": "sms", "country": "DE"}
THEIR_NUMBER = "+4915123456789"


def again(user: User) -> User:
    return User.objects.select_related("organisation").get(pk=user.pk)


def begun(world: World, user: User) -> SignInAttempt:
    token = flow.begin(user.sign_in_name, origin=ORIGIN, next_url="/", now=world.now)
    attempt = flow.find_attempt(token, now=world.now)
    assert attempt is not None
    return attempt


def after_password(world: World, user: User) -> object:
    """Type the right password in a new browser, and return the result."""
    return flow.answer(
        begun(world, user), FactorKind.PASSWORD, world.passwords[user.display_name.lower()], now=world.now
    )


def add_phone(
    world: World, subject: SignInAttempt | Session, telephone: Telephone, *, minutes: int = 0, **options: str
) -> Registered:
    now = world.now + timedelta(minutes=minutes)
    sent = enrolment.start(subject, FactorKind.PHONE, {**THEIRS, **options}, origin=ORIGIN, now=now)
    assert isinstance(sent, CodeSent)
    done = enrolment.finish(subject, FactorKind.PHONE, telephone.code, origin=ORIGIN, now=now)
    assert isinstance(done, Registered)
    return done


def carols_session(world: World) -> Session:
    proof = evidence_for(FactorKind.PASSWORD, at=world.now)
    return sessions.open_session(world.carol, proof, origin=ORIGIN, now=world.now).session


def opens_mail(world: World, user: User, password: str) -> bool:
    question = AuthRequest(Door.MAIL, user.sign_in_name, Secret(password), "imap", "192.0.2.1")
    return non_interactive.check_account_password(question, now=world.now).allowed


@pytest.fixture
def dora(world: World) -> User:
    """Return Dora, who is Enforced, with an office telephone that takes calls only."""
    dora = make_person(world.organisation, "dora", state=MfaState.ENFORCED)
    world.people["dora"], world.passwords["dora"] = dora, world.passwords["alice"]
    give_password(dora, world.passwords["dora"])
    give_phone(dora, "+4930901820", slot="office", channel=Channel.VOICE)
    return dora


def test_a_phone_that_cannot_be_used_now_leads_to_an_administrator(world: World, dora: User) -> None:
    """Calls are switched off: a person with the password alone must not be able to register another phone."""
    Organisation.objects.update(call_allowed=False)
    outcome = after_password(world, dora)
    assert outcome == SignInDenied(DenyReason.NO_METHOD_LEFT)
    work(world.now)
    assert Alert.objects.filter(rule=AlertRule.NO_METHOD_LEFT, subject=dora).exists()
    Organisation.objects.update(call_allowed=True)
    attempt = pass_password(world, dora)
    assert isinstance(flow.stage(attempt, now=world.now), AskFor)


def test_a_session_and_the_password_add_no_phone_where_the_registered_one_cannot_be_used(
    world: World, dora: User
) -> None:
    Organisation.objects.update(call_allowed=False)
    proof = evidence_for(FactorKind.PASSWORD, at=world.now)
    session = sessions.open_session(again(dora), proof, origin=ORIGIN, now=world.now).session
    with pytest.raises(ReauthenticationRequired):
        enrolment.start(session, FactorKind.PHONE, THEIRS, origin=ORIGIN, now=world.now)
    session.delete()


def test_enabling_a_person_whose_phone_cannot_be_used_now_makes_them_enforced(world: World, dora: User) -> None:
    """Enabled would let the account password open mail again, and the next sign-in with it register a phone."""
    actions.set_mfa_state(dora, MfaState.DISABLED, by=world.root, now=world.now)
    Organisation.objects.update(call_allowed=False)
    done = actions.set_mfa_state(dora, MfaState.ENABLED, by=world.root, now=world.now)
    assert (done.after, done.because_registered) == (MfaState.ENFORCED, True)
    assert after_password(world, dora) == SignInDenied(DenyReason.NO_METHOD_LEFT)


def test_a_phone_added_with_the_password_alone_proves_nothing_when_multi_factor_begins(
    world: World, telephone: Telephone
) -> None:
    """A person with Carol's password can add a phone while she is Disabled; it only prefills the form later."""
    add_phone(world, carols_session(world), telephone)
    assert enrolment_evidence.number_to_confirm(world.carol) == THEIR_NUMBER
    done = actions.set_mfa_state(world.carol, MfaState.ENABLED, by=world.root, now=world.now)
    assert (done.after, done.because_registered) == (MfaState.ENABLED, False)
    assert queries.holdings_of([world.carol.pk]) == {world.carol.pk: {FactorKind.PASSWORD: 1}}
    attempt = pass_password(world, world.carol)
    assert flow.stage(attempt, now=world.now) == SetUpFirst(FactorKind.PHONE, DenyReason.NOTHING_REGISTERED)
    add_phone(world, attempt, telephone, number="0151 99999999", slot="alternate")
    assert [method.ends for method in queries.methods_of(world.carol)] == ["99"], "the unproven one is gone"


def test_a_second_phone_added_while_disabled_is_not_vouched_for_by_the_first(
    world: World, telephone: Telephone
) -> None:
    session = carols_session(world)
    renewed = add_phone(world, session, telephone).renewed
    assert renewed is not None
    add_phone(world, renewed.session, telephone, minutes=1, number="0151 99999999", slot="alternate")
    done = actions.set_mfa_state(world.carol, MfaState.ENABLED, by=world.root, now=world.now)
    assert done.after is MfaState.ENABLED


def test_a_phone_that_was_registered_with_multi_factor_counts_again(world: World) -> None:
    actions.set_mfa_state(world.alice, MfaState.DISABLED, by=world.root, now=world.now)
    assert actions.set_mfa_state(world.alice, MfaState.ENABLED, by=world.root, now=world.now).after is MfaState.ENFORCED


def test_a_phone_put_in_the_place_of_a_registered_one_while_disabled_registers_nothing_later(
    world: World, telephone: Telephone
) -> None:
    """The owner's phone is gone, and its replacement was added with the password alone: an administrator decides."""
    User.objects.filter(pk=world.alice.pk).update(had_second_factor_at=world.now)
    actions.set_mfa_state(world.alice, MfaState.DISABLED, by=world.root, now=world.now)
    proof = evidence_for(FactorKind.PASSWORD, at=world.now)
    session = sessions.open_session(again(world.alice), proof, origin=ORIGIN, now=world.now).session
    add_phone(world, session, telephone)
    assert actions.set_mfa_state(world.alice, MfaState.ENABLED, by=world.root, now=world.now).after is MfaState.ENABLED
    assert after_password(world, world.alice) == SignInDenied(DenyReason.NO_METHOD_LEFT)


def test_enr_01_administrators_hear_at_once_of_a_registration_that_nothing_vouched_for(
    world: World, telephone: Telephone
) -> None:
    """Administrators are alerted at once when an Enabled person registered a phone, with what vouched for it"""
    add_phone(world, pass_password(world, world.bob), telephone)
    work(world.now)
    alert = Alert.objects.get(rule=AlertRule.REGISTERED, subject=world.bob)
    assert alert.details["registration"] == enrolment_evidence.BY_NOTHING
    assert Notice.objects.filter(rule=AlertRule.REGISTERED, user=world.bob, has_link=True).exists()


def test_a_phone_added_later_is_no_registration(world: World, telephone: Telephone) -> None:
    proof = evidence_for(FactorKind.PASSWORD, FactorKind.PHONE, at=world.now)
    session = sessions.open_session(world.alice, proof, origin=ORIGIN, now=world.now).session
    add_phone(world, session, telephone, slot="alternate")
    work(world.now)
    assert not Alert.objects.filter(rule=AlertRule.REGISTERED).exists()
    assert Notice.objects.filter(rule=AlertRule.PHONE_ADDED, user=world.alice).exists()


@pytest.mark.parametrize(
    ("number", "vouching"),
    [("0151 23456789", enrolment_evidence.BY_DIRECTORY), ("0151 99999999", enrolment_evidence.BY_NOTHING)],
)
def test_enr_13_another_number_than_the_directorys_is_not_vouched_for(
    world: World, telephone: Telephone, number: str, vouching: str
) -> None:
    """The directory's number prefills the form; the registration of another number is recorded as not vouched for"""
    world.bob.directory_phone = THEIR_NUMBER
    world.bob.save()
    add_phone(world, pass_password(world, world.bob), telephone, number=number)
    event = Event.objects.get(kind=EventKind.METHOD_ADDED, subject_id=world.bob.pk)
    assert event.details["registration"] == vouching


@pytest.mark.parametrize(
    "typed", ["0151 23456789", "+49 (151) 234-567-89", "0049151 23456789", "\u202a015123456789\u202c"]
)
def test_enr_12_one_number_has_one_form_however_it_is_typed(typed: str) -> None:
    """Spaces, brackets, prefixes and directional marks are normalised to one form of the number (E.164)"""
    number = read_number(typed, "DE")
    assert not isinstance(number, Rejected)
    assert number.e164 == THEIR_NUMBER


@pytest.mark.parametrize("typed", ["0900 1234567", "0180 5123456"])
def test_enr_12_premium_and_shared_cost_numbers_are_refused(typed: str) -> None:
    """Premium and shared-cost numbers are not registered (satellite numbers get no messages: FLD-02)"""
    assert isinstance(read_number(typed, "DE"), Rejected)


def test_enr_10_sessions_from_before_multi_factor_end_with_its_beginning(world: World) -> None:
    """Sessions from before multi-factor was switched on, or from before a role was given, end at once"""
    token = sessions.open_session(world.carol, evidence_for(FactorKind.PASSWORD), origin=ORIGIN, now=world.now).token
    actions.give_role(world.carol, Role.HELPDESK_ADMINISTRATOR, by=world.root, now=world.now)
    assert sessions.find(token, now=world.now) is None
    assert again(world.carol).state is MfaState.ENABLED


def test_an_administrator_who_is_written_as_disabled_counts_as_enabled(world: World, telephone: Telephone) -> None:
    """Installations of an earlier release have such administrators: a password alone opens nothing for them."""
    User.objects.filter(pk=world.root.pk).update(mfa_state=MfaState.DISABLED)
    attempt = pass_password(world, world.root)
    assert flow.stage(attempt, now=world.now) == SetUpFirst(FactorKind.PHONE, DenyReason.NOTHING_REGISTERED)
    assert add_phone(world, attempt, telephone).became_enforced
    assert again(world.root).state is MfaState.ENFORCED
    assert not opens_mail(world, world.root, world.passwords["root"])


def test_an_initial_password_is_refused_after_seven_days(world: World) -> None:
    """The age of the stored password is checked, through the whole flow and not in the decision alone."""
    secret = actions.reset_password(world.carol, by=world.root, now=world.now).secret
    late = world.now + timedelta(seconds=world.organisation.policy.limits.initial_password_seconds + 1)
    for moment, expected in ((late, SignInDenied(DenyReason.PASSWORD_EXPIRED)), (late - timedelta(seconds=2), None)):
        token = flow.begin("carol@harbour.example", origin=ORIGIN, next_url="/", now=moment)
        attempt = flow.find_attempt(token, now=moment)
        assert attempt is not None
        outcome = flow.answer(attempt, FactorKind.PASSWORD, secret, now=moment)
        if expected is not None:
            assert outcome == expected
        else:
            assert not isinstance(outcome, SignInDenied)


def test_a_refusal_for_want_of_a_method_is_no_failure_of_the_password(world: World, dora: User) -> None:
    Organisation.objects.update(call_allowed=False)
    for _number in range(world.organisation.policy.limits.burst_failures + 1):
        assert after_password(world, dora) == SignInDenied(DenyReason.NO_METHOD_LEFT)


def test_the_decision_says_no_where_a_method_was_taken_away(world: World) -> None:
    actions.reset_methods(world.alice, by=world.root, now=world.now)
    vault.revoke_all(world.alice, [FactorKind.ACCESS_PASS], because="deleted", now=world.now)
    attempt = begun(world, world.alice)
    assert flow.answer(attempt, FactorKind.PASSWORD, world.passwords["alice"], now=world.now) == SignInDenied(
        DenyReason.NO_METHOD_LEFT
    )
    assert not isinstance(flow.stage(attempt, now=world.now), Deny)
