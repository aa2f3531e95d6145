"""Changing or removing a phone number: the notices, from when the new number counts, and what waits a day."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.alerts.playing import pass_password, work
from tests.telephone import Telephone
from tests.world import ALICES_NUMBER, ORIGIN, World, evidence_for, give_phone
from watchword.alerts.models import Notice
from watchword.alerts.rules import AlertRule as Warning_
from watchword.core.factors import Rejected, RejectReason
from watchword.core.policy import Channel, FactorKind
from watchword.factors.models import Credential
from watchword.messaging.content.sms import text_of
from watchword.messaging.gateway import Result
from watchword.messaging.models import Delivery
from watchword.messaging.send import note_result
from watchword.signin import actions, enrolment, flow, queries, sessions
from watchword.signin.enrolment import Registered, ShownOnce
from watchword.signin.models import Session
from watchword.signin.otp import delivery_events
from watchword.signin.otp.challenges import LATE, CodeSent
from watchword.signin.results import SignedIn, SignInDenied
from watchword.signin.sign_in_view import view_of

NEW = {"slot": "mobile", "number": "01512 3456789", "channel": "sms", "country": "DE"}
NEW_NUMBER = "+4915123456789"
DAY = timedelta(days=1)


def request_session(world: World, *, later: timedelta = timedelta(0)) -> Session:
    now = world.now + later
    proof = evidence_for(FactorKind.PASSWORD, FactorKind.PHONE, at=now)
    return sessions.open_session(world.alice, proof, origin=ORIGIN, now=now).session


def change_number(
    world: World, telephone: Telephone, options: dict[str, str], *, later: timedelta = timedelta(0)
) -> None:
    now, session = world.now + later, request_session(world, later=later)
    assert isinstance(enrolment.start(session, FactorKind.PHONE, options, origin=ORIGIN, now=now), CodeSent)
    done = enrolment.finish(session, FactorKind.PHONE, telephone.code, origin=ORIGIN, now=now)
    assert isinstance(done, Registered)


def told(telephone: Telephone, number: str) -> list[str]:
    return [text_of(message) for message in telephone.received if message.number == number and message.words]


def test_a_changed_number_is_told_by_text_and_by_mail(world: World, telephone: Telephone) -> None:
    change_number(world, telephone, NEW)
    (text,) = told(telephone, ALICES_NUMBER)
    assert text.startswith("Harbour & Hill: the phone for signing in to your account was changed to another number.")
    assert "89" not in text, "the old number does not hear the new one"
    assert told(telephone, NEW_NUMBER) == []
    (message,) = work(world.now)
    assert message.to == ["alice@elsewhere.example"]
    assert Notice.objects.filter(rule=Warning_.PHONE_ADDED, user=world.alice).exists()
    assert Delivery.objects.filter(purpose="warning").count() == 1


def test_the_old_number_gets_the_codes_until_the_new_one_is_proven(world: World, telephone: Telephone) -> None:
    session = request_session(world)
    enrolment.start(session, FactorKind.PHONE, NEW, origin=ORIGIN, now=world.now)
    wrong = enrolment.finish(session, FactorKind.PHONE, telephone.wrong_code(), origin=ORIGIN, now=world.now)
    assert isinstance(wrong, SignInDenied)
    attempt = pass_password(world, world.alice)
    (choice,) = view_of(attempt, now=world.now).methods
    flow.send_code(attempt, choice.credential_id, Channel.SMS, now=world.now + timedelta(minutes=1))
    assert telephone.received[-1].number == ALICES_NUMBER
    assert told(telephone, ALICES_NUMBER) == []


def test_the_same_number_registered_again_and_a_second_phone_tell_nobody_by_text(
    world: World, telephone: Telephone
) -> None:
    change_number(world, telephone, {**NEW, "number": ALICES_NUMBER})
    change_number(world, telephone, {**NEW, "slot": "alternate"}, later=timedelta(minutes=1))
    assert [message for message in telephone.received if message.words] == []


def test_a_removed_number_is_told_and_a_fixed_line_is_not(world: World, telephone: Telephone) -> None:
    office = give_phone(world.alice, "+4930901820", slot="office", channel=Channel.VOICE)
    session = request_session(world)
    give_phone(world.alice, "+4915199999999", slot="alternate")
    assert enrolment.remove(session, office.id, origin=ORIGIN, now=world.now)
    assert telephone.received == []
    assert enrolment.remove(session, world.alices_phone.id, origin=ORIGIN, now=world.now)
    (text,) = told(telephone, ALICES_NUMBER)
    assert text.startswith("Harbour & Hill: this phone no longer gets codes")
    work(world.now)
    assert Notice.objects.filter(rule=Warning_.PHONE_REMOVED, user=world.alice).count() == 2


def test_the_mail_goes_out_where_the_text_is_held_back(world: World, telephone: Telephone) -> None:
    """A number abroad, or an exhausted quota, stops the text and nothing else."""
    world.organisation.phone_budget = {"organisation_sends_each_day": 0}
    world.organisation.save()
    world.alice.refresh_from_db()
    give_phone(world.alice, "+4915199999999", slot="alternate")
    session = request_session(world)
    assert enrolment.remove(session, world.alices_phone.id, origin=ORIGIN, now=world.now)
    assert telephone.received == []
    (message,) = work(world.now)
    assert message.to == ["alice@elsewhere.example"]


def test_nobody_floods_a_number_by_changing_to_and_fro(world: World, telephone: Telephone) -> None:
    """Two numbers, exchanged all day: each gets five notices and ten messages at most."""
    mine, other = {**NEW, "number": ALICES_NUMBER}, NEW
    for turn in range(24):
        now = world.now + turn * timedelta(minutes=40)
        session = request_session(world, later=turn * timedelta(minutes=40))
        options = mine if turn % 2 else other
        if isinstance(enrolment.start(session, FactorKind.PHONE, options, origin=ORIGIN, now=now), CodeSent):
            enrolment.finish(session, FactorKind.PHONE, telephone.code, origin=ORIGIN, now=now)
    for number in (ALICES_NUMBER, NEW_NUMBER):
        assert 1 <= len(told(telephone, number)) <= 5
        assert sum(message.number == number for message in telephone.received) <= 10
    assert sum(bool(message.words) for message in telephone.received) <= 5


def test_app_passwords_wait_a_day_after_a_change_and_not_after_a_first_phone(
    world: World, telephone: Telephone
) -> None:
    change_number(world, telephone, NEW)
    for later, expected in (
        (timedelta(minutes=1), RejectReason.COOLING_OFF),
        (DAY - timedelta(seconds=1), RejectReason.COOLING_OFF),
    ):
        session = request_session(world, later=later)
        made = enrolment.create_app_password(session, "Phone", origin=ORIGIN, now=world.now + later)
        assert made == Rejected(expected)
        assert enrolment.why_cannot_create(world.alice, now=world.now + later) == "cooling_off"
    session = request_session(world, later=DAY)
    made = enrolment.create_app_password(session, "Phone", origin=ORIGIN, now=world.now + DAY)
    assert isinstance(made, ShownOnce)


def may_make_app_passwords(world: World, *, later: timedelta) -> bool:
    return enrolment.why_cannot_create(world.alice, now=world.now + later) is None


@pytest.mark.parametrize("steps", ["remove add", "add remove", "replace remove"])
def test_app_passwords_wait_however_one_number_is_put_in_the_place_of_another(
    world: World, telephone: Telephone, steps: str
) -> None:
    give_phone(world.alice, "+4930901820", slot="office", channel=Channel.VOICE)
    Credential.objects.update(created_at=world.now - 2 * DAY)
    for number, step in enumerate(steps.split()):
        later = timedelta(minutes=number)
        if step == "remove":
            phone = next(phone for phone in queries.methods_of(world.alice) if phone.slot != "office")
            assert enrolment.remove(request_session(world, later=later), phone.id, origin=ORIGIN, now=world.now + later)
        else:
            slot = "mobile" if step == "replace" else "alternate"
            change_number(world, telephone, {**NEW, "slot": slot}, later=later)
    assert not may_make_app_passwords(world, later=timedelta(minutes=2))
    session = request_session(world, later=timedelta(minutes=2))
    made = enrolment.create_app_password(session, "Phone", origin=ORIGIN, now=world.now + timedelta(minutes=2))
    assert made == Rejected(RejectReason.COOLING_OFF)
    assert may_make_app_passwords(world, later=DAY + timedelta(minutes=1))


def test_a_phone_less_one_more_or_the_same_by_another_way_changes_no_number(world: World, telephone: Telephone) -> None:
    office = give_phone(world.alice, "+4930901820", slot="office", channel=Channel.VOICE)
    Credential.objects.update(created_at=world.now - 2 * DAY)
    assert enrolment.remove(request_session(world), office.id, origin=ORIGIN, now=world.now)
    assert may_make_app_passwords(world, later=timedelta(minutes=1))
    change_number(world, telephone, {**NEW, "number": ALICES_NUMBER, "channel": "voice"}, later=DAY)
    assert may_make_app_passwords(world, later=DAY + timedelta(minutes=1))
    change_number(world, telephone, {**NEW, "slot": "alternate"}, later=3 * DAY)
    assert may_make_app_passwords(world, later=3 * DAY + timedelta(minutes=1))


def test_a_person_who_was_given_a_new_start_by_an_administrator_need_not_wait(
    world: World, telephone: Telephone
) -> None:
    actions.reset_methods(world.alice, by=world.root, now=world.now)
    change_number(world, telephone, NEW, later=timedelta(minutes=1))
    assert may_make_app_passwords(world, later=timedelta(minutes=2))


def test_a_first_phone_needs_no_cooling_off(world: World, telephone: Telephone) -> None:
    attempt = pass_password(world, world.bob)
    enrolment.start(attempt, FactorKind.PHONE, NEW, origin=ORIGIN, now=world.now)
    done = enrolment.finish(attempt, FactorKind.PHONE, telephone.code, origin=ORIGIN, now=world.now)
    assert isinstance(done, Registered)
    assert done.first_app_password is not None
    assert enrolment.why_cannot_create(world.bob, now=world.now) in {None, "not_enforced"}
    assert len(queries.app_passwords_of(world.bob)) == 1


# How the state of a sent code is shown, and when another channel is offered.


@pytest.mark.parametrize("result", [Result.WAITING, Result.SENT])
def test_a_text_without_a_receipt_is_late_when_a_call_can_be_had_and_not_before(
    world: World, telephone: Telephone, result: Result
) -> None:
    attempt = pass_password(world, world.alice)
    flow.send_code(attempt, world.alices_phone.id, Channel.SMS, now=world.now)
    Delivery.objects.update(result=result)
    # Not before the resend limit allows another code: whatever is offered must work.
    offered = max(LATE, timedelta(seconds=world.organisation.policy.limits.resend_seconds))
    just_before = view_of(attempt, now=world.now + offered - timedelta(seconds=1)).code
    late = view_of(attempt, now=world.now + offered).code
    assert just_before is not None
    assert late is not None
    assert (just_before.is_late, late.is_late) == (False, True)
    called = flow.send_code(attempt, world.alices_phone.id, Channel.VOICE, now=world.now + offered)
    assert isinstance(called, CodeSent)
    assert telephone.received[-1].channel is Channel.VOICE


def test_a_text_that_arrived_or_failed_is_not_called_late(world: World, telephone: Telephone) -> None:
    attempt = pass_password(world, world.alice)
    flow.send_code(attempt, world.alices_phone.id, Channel.SMS, now=world.now)
    for result in (Result.DELIVERED, Result.UNREACHABLE):
        Delivery.objects.update(result=result)
        code = view_of(attempt, now=world.now + timedelta(minutes=2)).code
        assert code is not None
        assert not code.is_late


@pytest.mark.parametrize("result", [Result.UNREACHABLE, Result.BUSY, Result.NO_ANSWER, Result.VOICEMAIL, Result.FAILED])
def test_what_did_not_get_through_needs_no_pause(world: World, telephone: Telephone, result: Result) -> None:
    attempt = pass_password(world, world.alice)
    flow.send_code(attempt, world.alices_phone.id, Channel.SMS, now=world.now)
    note_result(telephone.received[-1].delivery_id, result, now=world.now)
    delivery_events.note(telephone.received[-1].delivery_id, result, now=world.now)
    at_once = world.now + timedelta(seconds=1)
    assert isinstance(flow.send_code(attempt, world.alices_phone.id, Channel.VOICE, now=at_once), CodeSent)
    assert isinstance(flow.answer(attempt, FactorKind.PHONE, telephone.code, now=at_once), SignedIn)
