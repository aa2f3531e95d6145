"""Telephony: codes leaked by calls, approvals by call, moved SIMs, the fraud key, receipts and failures."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.core import mail
from django.test import Client

from tests.alerts.playing import pass_password, work
from tests.attacks.phoning import MINUTE, allow, send
from tests.telephone import Telephone
from tests.world import ALICES_NUMBER, World, give_phone
from watchword.alerts.models import Alert, Notice
from watchword.alerts.rules import AlertRule as Warning_
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.decision import DenyReason
from watchword.core.factors import RejectReason
from watchword.core.policy import Channel, FactorKind
from watchword.messaging.content.sms import said_at
from watchword.messaging.gateway import Outgoing, Result
from watchword.messaging.send import note_result
from watchword.messaging.voice import ivr
from watchword.messaging.voice.ivr import Call, CallState
from watchword.signin import flow
from watchword.signin.models import CodeChallenge, Session, SignInAttempt
from watchword.signin.otp import delivery_events
from watchword.signin.otp.challenges import CodeSent
from watchword.signin.results import SignedIn, SignInDenied
from watchword.signin.sign_in_view import view_of

# FLD-07, the IVR itself; calls over SIP are in tests/phones.

CALLED = Outgoing(
    uuid4(), Channel.VOICE, ALICES_NUMBER, "", "493027", "Harbour & Hill", "id.example", purpose="sign_in"
)


def spoken(call: Call, outgoing: Outgoing = CALLED) -> str:
    return " ".join(said.words for said in said_at(outgoing, call))


def test_fld_07_an_answering_machine_hears_no_code() -> None:
    """An answering machine gets no code: no digit is spoken before a key is pressed."""
    call = ivr.answer(Call())
    assert not any(
        said.name.isdigit() or "4 9 3" in said.words or "493" in said.words for said in said_at(CALLED, call)
    )
    assert spoken(ivr.hang_up(call)) == ""


def test_fld_07_a_code_is_spoken_twice_after_a_key_and_then_the_call_waits() -> None:
    """After a key is pressed the six digits are spoken twice, and then the call waits."""
    call = ivr.press(ivr.answer(Call()), "1")
    assert spoken(call).count("4 9 3 0 2 7") == 2
    assert call.state is CallState.CODE
    assert ivr.press(call, "1") == call
    assert ivr.hang_up(call).state is CallState.ENDED


@pytest.mark.parametrize("keys", ["2", "#", "*", "0", "99999", "*#*#"])
def test_fld_07_tones_that_mean_nothing_give_nothing_away(keys: str) -> None:
    """Only the key that the IVR asks for makes it speak the code."""
    call = ivr.answer(Call())
    for key in keys:
        call = ivr.press(call, key)
    assert call.state is CallState.GREETING
    assert "4 9 3 0 2 7" not in spoken(call)


# FLD-08


def matching(world: World, telephone: Telephone) -> SignInAttempt:
    """Place a call to Alice for an organisation that requires number matching."""
    allow(world.organisation, *world.people.values(), number_match=True)
    attempt = pass_password(world, world.alice)
    assert isinstance(send(world, attempt, channel=Channel.VOICE), CodeSent)
    return attempt


def test_fld_08_with_number_match_nothing_is_spoken_that_could_be_typed(world: World, telephone: Telephone) -> None:
    """With number matching, a recorded call or injected tones are worthless: only one screen shows the digits."""
    attempt = matching(world, telephone)
    outgoing = telephone.received[-1]
    call = ivr.answer(Call())
    for key in ("1", "#", "*"):
        assert outgoing.code not in spoken(call, outgoing).replace(" ", "")
        assert outgoing.match not in spoken(call, outgoing)
        call = ivr.press(call, key, match=outgoing.match)
    assert call.state is not CallState.CODE
    assert flow.answer(attempt, FactorKind.PHONE, outgoing.code, now=world.now) == SignInDenied(
        RejectReason.NOT_APPROVED_YET
    )
    assert flow.answer(attempt, FactorKind.PHONE, outgoing.match, now=world.now) == SignInDenied(
        RejectReason.NOT_APPROVED_YET
    )
    assert not Session.objects.exists()


def test_fld_08_an_approval_opens_only_the_browser_that_shows_the_digits(world: World, telephone: Telephone) -> None:
    """Of two sign-ins at the same time, the keys pressed for one approve nothing for the other."""
    mine = matching(world, telephone)
    call_of_mine = telephone.received[-1].delivery_id
    theirs = pass_password(world, world.alice)
    send(world, theirs, later=MINUTE, channel=Channel.VOICE)
    call_of_theirs = telephone.received[-1].delivery_id
    # The second sign-in replaced the first: the approval of the older call comes too late for both.
    delivery_events.note(call_of_mine, Result.APPROVED, now=world.now + MINUTE)
    for attempt in (mine, theirs):
        assert isinstance(flow.answer(attempt, FactorKind.PHONE, "", now=world.now + MINUTE), SignInDenied)
    delivery_events.note(call_of_theirs, Result.APPROVED, now=world.now + MINUTE)
    assert isinstance(flow.answer(mine, FactorKind.PHONE, "", now=world.now + MINUTE), SignInDenied)
    assert isinstance(flow.answer(theirs, FactorKind.PHONE, "", now=world.now + MINUTE), SignedIn)
    assert Session.objects.count() == 1


def test_fld_08_the_page_of_another_browser_does_not_go_on(client: Client, world: World, telephone: Telephone) -> None:
    """Each browser shows its own digits: those keyed for one don't approve another, even with the right password."""
    allow(world.organisation, *world.people.values(), number_match=True)
    give_phone(world.alice, channel=Channel.VOICE)
    browsers = [client, Client()]
    for browser in browsers:
        browser.post("/sign-in/", {"name": "alice@harbour.example"})
        browser.post("/sign-in/password/", {"answer": world.passwords["alice"]})
    first, second = telephone.received
    assert second.channel is Channel.VOICE
    assert f">{second.match}</span>" in browsers[1].get("/sign-in/prove/").content.decode()
    delivery_events.note(second.delivery_id, Result.APPROVED, now=world.now + MINUTE)
    assert first.match
    browsers[0].post("/sign-in/prove/", {"answer": second.match})
    assert browsers[0].get("/security/")["Location"].startswith("/sign-in/")
    browsers[1].post("/sign-in/prove/", {})
    assert browsers[1].get("/security/").status_code == 200


def test_fld_08_guessing_digits_at_the_telephone_ends_after_two(world: World, telephone: Telephone) -> None:
    """Two wrong pairs of digits at the telephone void the code, and the owner is warned."""
    attempt = matching(world, telephone)
    match = telephone.received[-1].match
    wrong = f"{(int(match) - 9) % 90 + 10}"
    call = ivr.answer(Call())
    for key in wrong * 2:
        call = ivr.press(call, key, match=match)
    assert call.state is CallState.MISMATCHED
    delivery_events.note(telephone.received[-1].delivery_id, Result.MISMATCHED, now=world.now)
    delivery_events.note(telephone.received[-1].delivery_id, Result.APPROVED, now=world.now)
    assert isinstance(flow.answer(attempt, FactorKind.PHONE, "", now=world.now), SignInDenied)
    work(world.now)
    assert Notice.objects.filter(rule=Warning_.CALL_MISMATCHED, user=world.alice).exists()


def test_fld_08_an_approval_works_once_and_not_for_a_code_that_died(world: World, telephone: Telephone) -> None:
    """An approval that was used, or that came after the code expired, opens nothing more."""
    attempt = matching(world, telephone)
    delivery = telephone.received[-1].delivery_id
    late = world.now + timedelta(minutes=5)
    delivery_events.note(delivery, Result.APPROVED, now=late)
    assert isinstance(flow.answer(attempt, FactorKind.PHONE, "", now=late), SignInDenied)
    again = pass_password(world, world.alice, now=late)
    send(world, again, later=late - world.now, channel=Channel.VOICE)
    delivery_events.note(telephone.received[-1].delivery_id, Result.APPROVED, now=late)
    assert isinstance(flow.answer(again, FactorKind.PHONE, "", now=late), SignedIn)
    assert isinstance(flow.answer(again, FactorKind.PHONE, "", now=late), SignInDenied)
    assert Session.objects.count() == 1


# FLD-09


def test_fld_09_a_number_on_another_sim_gets_no_code_and_another_phone_is_asked_at_once(
    world: World, telephone: Telephone
) -> None:
    """A SIM swap voids the code, warns owner and administrators, and another phone can be used without a wait."""
    other = give_phone(world.alice, "+4930901820", slot="office", channel=Channel.VOICE)
    attempt = pass_password(world, world.alice)
    send(world, attempt)
    stolen = telephone.received[-1]
    assert note_result(stolen.delivery_id, Result.SIM_CHANGED, now=world.now)
    delivery_events.note(stolen.delivery_id, Result.SIM_CHANGED, now=world.now)
    assert isinstance(flow.answer(attempt, FactorKind.PHONE, stolen.code, now=world.now), SignInDenied)
    seen = view_of(attempt, now=world.now).code
    assert seen is not None
    assert seen.result.is_trouble
    at_once = world.now + timedelta(seconds=1)
    assert isinstance(flow.send_code(attempt, other.id, Channel.VOICE, now=at_once), CodeSent)
    assert isinstance(flow.answer(attempt, FactorKind.PHONE, telephone.code, now=at_once), SignedIn)
    work(world.now)
    assert Alert.objects.filter(rule=Warning_.SIM_CHANGED, subject=world.alice).exists()
    assert Notice.objects.filter(rule=Warning_.SIM_CHANGED, user=world.alice).exists()


# FLD-10


@pytest.mark.parametrize("locks", [False, True])
def test_fld_10_the_fraud_key_voids_the_code_tells_everybody_and_locks_where_that_is_wanted(
    world: World, telephone: Telephone, locks: bool
) -> None:
    """0 and # void every code of the person; the log records it, and the person and the administrators are warned."""
    allow(world.organisation, *world.people.values(), fraud_locks=locks)
    attempt = pass_password(world, world.alice)
    send(world, attempt, channel=Channel.VOICE)
    call = ivr.press(ivr.press(ivr.answer(Call()), "0"), "#")
    assert call.state is CallState.FRAUD
    delivery_events.note(telephone.received[-1].delivery_id, Result.FRAUD_REPORTED, now=world.now)
    refused = flow.answer(attempt, FactorKind.PHONE, telephone.code, now=world.now)
    assert isinstance(refused, SignInDenied)
    assert Event.objects.filter(kind=EventKind.FRAUD_REPORTED, subject_id=world.alice.pk).count() == 1
    work(world.now)
    assert Notice.objects.filter(rule=Warning_.FRAUD_REPORTED, user=world.alice).exists()
    assert Alert.objects.filter(rule=Warning_.FRAUD_REPORTED, subject=world.alice).exists()
    assert any("alice@elsewhere.example" in message.to for message in mail.outbox)
    after = world.now + timedelta(days=89)
    decided = flow.stage(pass_password(world, world.alice, now=after), now=after)
    assert (getattr(decided, "because", None) is DenyReason.WHO_ARE_YOU) is locks
    is_locked = Event.objects.filter(kind=EventKind.SECOND_FACTOR_LOCKED).exists()
    assert is_locked is locks


def test_fld_10_asking_for_another_code_does_not_take_the_meaning_from_the_key(
    world: World, telephone: Telephone
) -> None:
    """A text requested while the telephone rings is voided too by the fraud key in the call."""
    attempt = pass_password(world, world.alice)
    send(world, attempt, channel=Channel.VOICE)
    ringing = telephone.received[-1].delivery_id
    send(world, attempt, later=MINUTE)
    delivery_events.note(ringing, Result.FRAUD_REPORTED, now=world.now + MINUTE)
    assert isinstance(flow.answer(attempt, FactorKind.PHONE, telephone.code, now=world.now + MINUTE), SignInDenied)
    assert Event.objects.filter(kind=EventKind.FRAUD_REPORTED).count() == 1
    assert not Session.objects.exists()


# FLD-11: a report counts once and changes nothing that is decided (the signatures are in tests/phones).


def test_fld_11_reports_of_others_late_ones_and_second_ones_change_nothing(world: World, telephone: Telephone) -> None:
    """A report for an unknown message, a repeated one, or one that contradicts a pressed key changes nothing."""
    send(world, pass_password(world, world.alice), channel=Channel.VOICE)
    delivery = telephone.received[-1].delivery_id
    assert not note_result(uuid4(), Result.APPROVED, now=world.now)
    assert note_result(delivery, Result.FRAUD_REPORTED, now=world.now)
    for result in Result:
        assert not note_result(delivery, result, now=world.now)
    # For a call without number matching no report approves anything.
    delivery_events.note(delivery, Result.APPROVED, now=world.now)
    assert not CodeChallenge.objects.exclude(approved_at=None).exists()


# FLD-12 and FLD-13: the dispatcher's own are in tests/messaging/test_dispatcher.py, HTTP's in tests/phones.


def test_fld_12_after_trouble_another_way_can_be_asked_for_at_once(world: World, telephone: Telephone) -> None:
    """The page tells that a gateway failed, and another channel can be used without a wait."""
    attempt = pass_password(world, world.alice)
    telephone.break_down(permanent=False)
    sent = send(world, attempt)
    assert isinstance(sent, CodeSent)
    seen = view_of(attempt, now=world.now).code
    assert seen is not None
    assert seen.result is Result.FAILED
    assert seen.next_send_at == world.now
    telephone.broken = None
    assert isinstance(send(world, attempt, channel=Channel.VOICE), CodeSent)


def test_fld_13_however_often_codes_are_asked_for_one_is_alive(world: World, telephone: Telephone) -> None:
    """A code that arrives late, from whichever gateway, is void: only the newest one opens."""
    attempt = pass_password(world, world.alice)
    for which in range(3):
        send(world, attempt, later=which * MINUTE, channel=Channel.VOICE if which == 1 else Channel.SMS)
    *dead, newest = [message.code for message in telephone.received]
    assert CodeChallenge.objects.filter(void_at=None, spent_at=None).count() == 1
    for code in set(dead) - {newest}:
        assert isinstance(flow.answer(attempt, FactorKind.PHONE, code, now=world.now + 3 * MINUTE), SignInDenied)
    assert isinstance(flow.answer(attempt, FactorKind.PHONE, newest, now=world.now + 3 * MINUTE), SignedIn)
