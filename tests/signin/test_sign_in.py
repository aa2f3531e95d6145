"""The sign-in at the web door, step by step, through the service."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.telephone import Telephone
from tests.world import ORIGIN, World, give_password, give_phone, make_person
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.decision import AskFor, DenyReason, SetUpFirst
from watchword.core.factors import RejectReason
from watchword.core.policy import Channel, FactorKind
from watchword.directory.models import User
from watchword.factors import vault
from watchword.signin import flow, sessions
from watchword.signin.models import CodeChallenge, Session, SignInAttempt
from watchword.signin.otp import delivery_events
from watchword.signin.otp.challenges import CodeDenied, CodeSent
from watchword.signin.results import Continue, SignedIn, SignInDenied
from watchword.signin.sign_in_view import view_of


def begin(world: World, name: str) -> SignInAttempt:
    token = flow.begin(name, origin=ORIGIN, next_url="/security/", now=world.now)
    attempt = flow.find_attempt(token, now=world.now)
    assert attempt is not None
    return attempt


def after_password(world: World, user: User, password: str) -> SignInAttempt:
    attempt = begin(world, user.sign_in_name)
    outcome = flow.answer(attempt, FactorKind.PASSWORD, password, now=world.now)
    assert isinstance(outcome, Continue)
    return attempt


def code_on_the_way(world: World) -> SignInAttempt:
    attempt = after_password(world, world.alice, world.passwords["alice"])
    assert isinstance(flow.send_code(attempt, world.alices_phone.id, Channel.SMS, now=world.now), CodeSent)
    return attempt


def test_the_disabled_come_in_with_a_password(world: World) -> None:
    attempt = begin(world, "carol@harbour.example")
    outcome = flow.answer(attempt, FactorKind.PASSWORD, world.passwords["carol"], now=world.now)
    assert isinstance(outcome, SignedIn)
    assert outcome.next_url == "/security/"
    found = sessions.find(outcome.token, now=world.now)
    assert found is not None
    assert found.user == world.carol


def test_the_enabled_must_register_after_the_password(world: World) -> None:
    attempt = begin(world, "bob@harbour.example")
    outcome = flow.answer(attempt, FactorKind.PASSWORD, world.passwords["bob"], now=world.now)
    assert outcome == Continue(SetUpFirst(FactorKind.PHONE, DenyReason.NOTHING_REGISTERED))
    assert not Session.objects.exists()


def test_the_enforced_come_in_with_password_and_code(world: World, telephone: Telephone) -> None:
    attempt = code_on_the_way(world)
    outcome = flow.answer(attempt, FactorKind.PHONE, telephone.code, now=world.now)
    assert isinstance(outcome, SignedIn)
    assert {proof["kind"] for proof in outcome.session.evidence} == {"password", "phone"}
    assert Event.objects.filter(kind=EventKind.SIGN_IN_ALLOWED, subject_id=world.alice.pk).count() == 1


@pytest.mark.parametrize("name", ["alice@harbour.example", "nobody@harbour.example", "blocked@harbour.example"])
def test_a_wrong_password_is_refused_alike_for_everybody(world: World, name: str) -> None:
    blocked = make_person(world.organisation, "blocked")
    give_password(blocked, "the long passphrase of blocked")
    User.objects.filter(pk=blocked.pk).update(blocked_at=world.now)
    attempt = begin(world, name)
    assert flow.stage(attempt, now=world.now) == AskFor(frozenset({FactorKind.PASSWORD}), DenyReason.WHO_ARE_YOU)
    outcome = flow.answer(attempt, FactorKind.PASSWORD, "not the passphrase", now=world.now)
    assert outcome == SignInDenied(DenyReason.WRONG_PROOF)
    assert flow.stage(attempt, now=world.now) == AskFor(frozenset({FactorKind.PASSWORD}), DenyReason.WHO_ARE_YOU)


def test_a_blocked_person_with_the_right_password_is_refused_and_leaves_no_evidence(world: World) -> None:
    User.objects.filter(pk=world.alice.pk).update(blocked_at=world.now)
    attempt = begin(world, "alice@harbour.example")
    outcome = flow.answer(attempt, FactorKind.PASSWORD, world.passwords["alice"], now=world.now)
    assert outcome == SignInDenied(DenyReason.BLOCKED)
    attempt.refresh_from_db()
    assert attempt.evidence == []


def test_app_01_an_app_password_typed_in_the_browser_is_refused(world: World) -> None:
    attempt = begin(world, "alice@harbour.example")
    for kind in (FactorKind.PASSWORD, FactorKind.APP_PASSWORD):
        assert isinstance(flow.answer(attempt, kind, world.alices_app_password, now=world.now), SignInDenied)
    assert not Session.objects.exists()


def test_otp_01_a_used_code_is_refused(world: World, telephone: Telephone) -> None:
    attempt = code_on_the_way(world)
    assert isinstance(flow.answer(attempt, FactorKind.PHONE, telephone.code, now=world.now), SignedIn)
    assert isinstance(flow.answer(attempt, FactorKind.PHONE, telephone.code, now=world.now), SignInDenied)
    assert Session.objects.count() == 1


def test_otp_04_a_code_works_until_its_last_second_and_not_after(world: World, telephone: Telephone) -> None:
    attempt = code_on_the_way(world)
    late = world.now + timedelta(seconds=300)
    assert flow.answer(attempt, FactorKind.PHONE, telephone.code, now=late) == SignInDenied(RejectReason.TOO_LATE)
    attempt = after_password(world, world.alice, world.passwords["alice"])
    flow.send_code(attempt, world.alices_phone.id, Channel.SMS, now=world.now)
    just = world.now + timedelta(seconds=299)
    assert isinstance(flow.answer(attempt, FactorKind.PHONE, telephone.code, now=just), SignedIn)


def test_otp_05_a_new_code_kills_the_older_one(world: World, telephone: Telephone) -> None:
    attempt = code_on_the_way(world)
    first, later = telephone.code, world.now + timedelta(seconds=31)
    assert isinstance(flow.send_code(attempt, world.alices_phone.id, Channel.VOICE, now=later), CodeSent)
    if first != telephone.code:
        assert isinstance(flow.answer(attempt, FactorKind.PHONE, first, now=later), SignInDenied)
    assert isinstance(flow.answer(attempt, FactorKind.PHONE, telephone.code, now=later), SignedIn)


def test_otp_06_a_code_of_one_browser_is_refused_in_another(world: World, telephone: Telephone) -> None:
    first = code_on_the_way(world)
    first_code = telephone.code
    second = after_password(world, world.alice, world.passwords["alice"])
    assert isinstance(flow.answer(second, FactorKind.PHONE, first_code, now=world.now), SignInDenied)
    assert isinstance(flow.answer(first, FactorKind.PHONE, first_code, now=world.now), SignedIn)


def test_five_wrong_codes_kill_the_code(world: World, telephone: Telephone) -> None:
    attempt = code_on_the_way(world)
    for _ in range(5):
        outcome = flow.answer(attempt, FactorKind.PHONE, telephone.wrong_code(), now=world.now)
        assert outcome == SignInDenied(RejectReason.WRONG)
    outcome = flow.answer(attempt, FactorKind.PHONE, telephone.code, now=world.now)
    assert outcome == SignInDenied(RejectReason.TOO_MANY_TRIES)
    assert CodeChallenge.objects.get().tries == 5


def test_bru_06_a_right_password_never_resets_the_count_of_wrong_codes(world: World, telephone: Telephone) -> None:
    for step in range(10):
        at = world.now + timedelta(seconds=step)
        token = flow.begin("alice@harbour.example", origin=ORIGIN, next_url="/", now=at)
        attempt = flow.find_attempt(token, now=at)
        assert attempt is not None
        assert isinstance(flow.answer(attempt, FactorKind.PASSWORD, world.passwords["alice"], now=at), Continue)
        flow.answer(attempt, FactorKind.PHONE, "000000", now=at)
    last = world.now + timedelta(seconds=10)
    attempt = begin(world, "alice@harbour.example")
    outcome = flow.answer(attempt, FactorKind.PASSWORD, world.passwords["alice"], now=last)
    assert outcome == SignInDenied(DenyReason.SECOND_FACTOR_WAITS, world.now + timedelta(seconds=39))


def test_bru_12_wrong_passwords_make_their_source_wait_and_leave_the_second_proof_open(world: World) -> None:
    attempt = begin(world, "alice@harbour.example")
    for number in range(10):
        attempt = begin(world, "alice@harbour.example")
        flow.answer(attempt, FactorKind.PASSWORD, f"not the passphrase {number}", now=world.now)
    outcome = flow.answer(attempt, FactorKind.PASSWORD, world.passwords["alice"], now=world.now)
    assert isinstance(outcome, SignInDenied)
    assert outcome.reason is DenyReason.PASSWORD_WAITS
    elsewhere = SignInAttempt.objects.get(pk=attempt.pk)
    elsewhere.address = "203.0.113.9"
    outcome = flow.answer(elsewhere, FactorKind.PASSWORD, world.passwords["alice"], now=world.now)
    assert isinstance(outcome, Continue)


def test_right_passwords_are_not_counted_as_wrong_ones(world: World) -> None:
    for _ in range(12):
        attempt = begin(world, "carol@harbour.example")
        assert isinstance(flow.answer(attempt, FactorKind.PASSWORD, world.passwords["carol"], now=world.now), SignedIn)


def test_stp_06_a_method_of_another_personsends_nothing(world: World, telephone: Telephone) -> None:
    bobs = give_phone(world.bob, "+4915187654321")
    attempt = after_password(world, world.alice, world.passwords["alice"])
    assert flow.send_code(attempt, bobs.id, Channel.SMS, now=world.now) == CodeDenied(None, RejectReason.NOT_REGISTERED)
    assert telephone.received == []


def test_stp_06_a_way_that_is_switched_off_sends_nothing(world: World, telephone: Telephone) -> None:
    world.organisation.text_allowed = False
    world.organisation.save()
    attempt = after_password(world, world.alice, world.passwords["alice"])
    assert flow.send_code(attempt, world.alices_phone.id, Channel.SMS, now=world.now) == CodeDenied(
        None, RejectReason.CHANNEL_NOT_ALLOWED
    )
    assert view_of(attempt, now=world.now).methods[0].channels == [Channel.VOICE]
    assert telephone.received == []


def test_stp_03_nothing_is_sent_before_the_password_was_right(world: World, telephone: Telephone) -> None:
    attempt = begin(world, "alice@harbour.example")
    assert isinstance(flow.send_code(attempt, world.alices_phone.id, Channel.SMS, now=world.now), CodeDenied)
    assert view_of(attempt, now=world.now).methods == ()
    assert telephone.received == []


def test_stp_05_a_password_changed_meanwhile_voids_what_was_proven(world: World, telephone: Telephone) -> None:
    attempt = code_on_the_way(world)
    give_password(world.alice, "another long passphrase")
    outcome = flow.answer(attempt, FactorKind.PHONE, telephone.code, now=world.now)
    assert isinstance(outcome, SignInDenied)
    assert not Session.objects.exists()


def test_otp_11_a_telephone_removed_meanwhile_voids_its_code(world: World, telephone: Telephone) -> None:
    attempt = code_on_the_way(world)
    give_phone(world.alice, "+4915187654321", slot="alternate")
    vault.revoke(world.alice, world.alices_phone.id, because="test", now=world.now)
    assert isinstance(flow.answer(attempt, FactorKind.PHONE, telephone.code, now=world.now), SignInDenied)


def test_stp_05_a_person_blocked_meanwhile_does_not_come_in(world: World, telephone: Telephone) -> None:
    attempt = code_on_the_way(world)
    User.objects.filter(pk=world.alice.pk).update(blocked_at=world.now)
    outcome = flow.answer(attempt, FactorKind.PHONE, telephone.code, now=world.now)
    assert outcome == SignInDenied(DenyReason.BLOCKED)
    assert not Session.objects.exists()


def test_an_attempt_is_over_after_ten_minutes(world: World) -> None:
    token = flow.begin("alice@harbour.example", origin=ORIGIN, next_url="/", now=world.now)
    assert flow.find_attempt(token, now=world.now + timedelta(seconds=599)) is not None
    assert flow.find_attempt(token, now=world.now + timedelta(seconds=600)) is None
    assert flow.find_attempt("guessed", now=world.now) is None


def test_a_confirmation_rotates_the_session_and_asks_everything_again(world: World, telephone: Telephone) -> None:
    outcome = flow.answer(code_on_the_way(world), FactorKind.PHONE, telephone.code, now=world.now)
    assert isinstance(outcome, SignedIn)
    later = world.now + timedelta(minutes=11)
    assert sessions.needs_proof(outcome.session, now=later)
    token = flow.begin_confirmation(outcome.session, origin=ORIGIN, next_url="/app-passwords/", now=later)
    attempt = flow.find_attempt(token, now=later)
    assert attempt is not None
    assert isinstance(flow.answer(attempt, FactorKind.PASSWORD, world.passwords["alice"], now=later), Continue)
    flow.send_code(attempt, world.alices_phone.id, Channel.SMS, now=later)
    again = flow.answer(attempt, FactorKind.PHONE, telephone.code, now=later)
    assert isinstance(again, SignedIn)
    assert again.session.pk == outcome.session.pk
    assert sessions.find(outcome.token, now=later) is None
    fresh = sessions.find(again.token, now=later)
    assert fresh is not None
    assert not sessions.needs_proof(fresh, now=later)


def test_a_trusted_network_spares_the_code_but_not_a_confirmation(world: World) -> None:
    world.organisation.trusted_networks = ["198.51.100.0/24"]
    world.organisation.save()
    attempt = begin(world, "alice@harbour.example")
    outcome = flow.answer(attempt, FactorKind.PASSWORD, world.passwords["alice"], now=world.now)
    assert isinstance(outcome, SignedIn)
    assert sessions.needs_proof(outcome.session, now=world.now)
    token = flow.begin_confirmation(outcome.session, origin=ORIGIN, next_url="/", now=world.now)
    confirmation = flow.find_attempt(token, now=world.now)
    assert confirmation is not None
    outcome = flow.answer(confirmation, FactorKind.PASSWORD, world.passwords["alice"], now=world.now)
    assert isinstance(outcome, Continue)


def test_a_report_of_fraud_at_the_telephone_kills_the_code(world: World, telephone: Telephone) -> None:
    attempt = code_on_the_way(world)
    delivery_id = telephone.received[-1].delivery_id
    assert delivery_events.report_fraud(delivery_id, now=world.now)
    assert not delivery_events.report_fraud(delivery_id, now=world.now)
    assert isinstance(flow.answer(attempt, FactorKind.PHONE, telephone.code, now=world.now), SignInDenied)
    assert Event.objects.filter(kind=EventKind.FRAUD_REPORTED).count() == 1


def test_app_09_no_secret_stands_in_any_event_or_printed_value(world: World, telephone: Telephone) -> None:
    outcome = flow.answer(code_on_the_way(world), FactorKind.PHONE, telephone.code, now=world.now)
    assert isinstance(outcome, SignedIn)
    told = "".join(f"{event.details} {event.reason}" for event in Event.objects.all())
    told += repr(outcome) + repr(telephone.received) + repr(vault.holdings(world.alice))
    for secret in (telephone.code, outcome.token, "15112345678", world.passwords["alice"]):
        assert secret not in told
