"""Requests of a provider in the middle of a call, and the keys that it reports."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode, urlsplit
from uuid import UUID
from xml.etree import ElementTree as ET

import pytest
from django.test import Client
from django.utils import timezone

from tests.phones.provider import Provider
from tests.phones.test_webhooks import FORM, everything, post, result
from tests.world import ALICES_NUMBER, ORIGIN, World
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.factors import Challenge, Message
from watchword.core.policy import Channel, FactorKind
from watchword.messaging.gateway import Result
from watchword.messaging.gateways.http.callback_urls import addresses_of
from watchword.messaging.models import Delivery, OutboxMessage
from watchword.messaging.voice.ivr import Call, CallState
from watchword.messaging.worker import outbox, persistence
from watchword.messaging.worker.delivery_receipts import DeliveryOutcome
from watchword.signin import flow
from watchword.signin.models import CodeChallenge, Purpose, SignInAttempt
from watchword.signin.otp import challenges, delivery_events
from watchword.signin.otp.challenges import CodeSent


def ringing(world: World, *, match: str = "") -> tuple[Delivery, CodeChallenge]:
    """Return a call with a code that a provider is placing now."""
    now = timezone.now()
    token = flow.begin(world.alice.sign_in_name, origin=ORIGIN, next_url="/", now=now)
    attempt = flow.find_attempt(token, now=now)
    assert isinstance(attempt, SignInAttempt)
    challenge = Challenge(keep={"code": "x"}, send=Message(Channel.VOICE, ALICES_NUMBER, "", "493027"))
    sent = challenges.issue(
        world.alice,
        challenge,
        purpose=Purpose.SIGN_IN,
        holder=attempt,
        kind=FactorKind.PHONE,
        credential_id=world.alices_phone.id,
        origin=ORIGIN,
        now=now,
    )
    assert isinstance(sent, CodeSent)
    row = OutboxMessage.objects.get(fetches_voice_script=False)
    message = replace(outbox._outgoing(row), match=match)
    row.delete()
    CodeChallenge.objects.filter(delivery_id=message.delivery_id).update(match=match)
    outbox.put(message, now=now)
    outcomes = [DeliveryOutcome(message.delivery_id, "calls", Result.SENT, "DE", "CA1")]
    finished = [persistence.Finished(message.delivery_id, Result.SENT, "calls", "CA1", 0, fetches_voice_script=True)]
    persistence.write(persistence.Batch(outcomes=outcomes, finished=finished), lambda _changed: None, now)
    return Delivery.objects.get(pk=message.delivery_id), CodeChallenge.objects.get(delivery_id=message.delivery_id)


def hear(site: Client, delivery: Delivery, digits: str | None = None) -> str:
    """Return the words that the call speaks, fetched as Twilio does after each key."""
    _receipt, voice = addresses_of("calls", delivery.pk)
    fields = {"CallSid": "CA1", "CallStatus": "in-progress"} | ({} if digits is None else {"Digits": digits})
    signature = Provider().signature(voice, fields)
    answer = site.generic(
        "POST", urlsplit(voice).path, urlencode(fields), FORM, headers={"X-Twilio-Signature": signature}
    )
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/xml")
    root = ET.fromstring(answer.content)
    assert root.tag == "Response"
    assert {gather.get("action") for gather in root.iter("Gather")} <= {voice}
    return " ".join(say.text or "" for say in root.iter("Say"))


def test_fld_07_a_call_says_nothing_of_the_code_before_a_key_and_then_twice(site: Client, world: World) -> None:
    """A provider's call contains no code before a key is pressed, and speaks it twice afterwards."""
    delivery, _ = ringing(world)
    assert "4 9 3 0 2 7" not in hear(site, delivery)
    assert result(delivery) is Result.DELIVERED
    assert hear(site, delivery, "1").count("4 9 3 0 2 7") == 4  # each time twice, and once more if no key is pressed
    assert not OutboxMessage.objects.get().call_pressed


def test_fld_10_zero_and_hash_report_fraud_once(site: Client, world: World) -> None:
    """The keys 0 and # void the code and record one fraud report, even if # is pressed again."""
    delivery, code = ringing(world)
    said = [hear(site, delivery, digits) for digits in (None, "0", "#", "#")]
    assert "4 9 3" not in " ".join(said)
    assert result(delivery) is Result.FRAUD_REPORTED
    code.refresh_from_db()
    assert code.void_at is not None
    assert Event.objects.filter(kind=EventKind.FRAUD_REPORTED).count() == 1


def test_fld_10_a_report_takes_the_lock_on_the_person_before_it_writes(
    site: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fraud report locks the person before it writes, so that it can't deadlock with a sign-in."""
    delivery, _ = ringing(world)
    order: list[str] = []
    hold, move = delivery_events.hold_person, outbox.move_call

    def holding(delivery_id: UUID) -> None:
        order.append("hold")
        hold(delivery_id)

    def moving(delivery_id: UUID, before: Call, after: Call) -> bool:
        order.append(after.state.value)
        return move(delivery_id, before, after)

    monkeypatch.setattr(delivery_events, "hold_person", holding)
    monkeypatch.setattr(outbox, "move_call", moving)
    for digits in (None, "0", "#"):
        hear(site, delivery, digits)
    assert order[-2:] == ["hold", CallState.FRAUD.value]
    assert order.count("hold") == 1


def test_fld_08_the_right_two_digits_approve_once(site: Client, world: World) -> None:
    """The right two digits approve a call once, even if they are keyed again."""
    delivery, code = ringing(world, match="42")
    for digits in (None, "4", "2", "4", "2"):
        hear(site, delivery, digits)
    assert result(delivery) is Result.APPROVED
    code.refresh_from_db()
    assert code.approved_at is not None


def test_fld_11_forged_keys_open_nothing(site: Client, world: World) -> None:
    """Forged keys are refused: unsigned, signed for another call, or of a content type that the signature omits."""
    delivery, _ = ringing(world, match="42")
    other, _ = ringing(world, match="17")
    hear(site, delivery)
    before = everything()
    _receipt, voice = addresses_of("calls", delivery.pk)
    fields = {"Digits": "42"}
    assert post(site, voice, fields, signed="") == 404
    signature = Provider().signature(addresses_of("calls", other.pk)[1], fields)
    assert post(site, voice, fields, signed=signature) == 404
    signature = Provider().signature(voice, {})
    multipart = b'--x\r\nContent-Disposition: form-data; name="Digits"\r\n\r\n42\r\n--x--\r\n'
    answer = site.generic(
        "POST",
        urlsplit(voice).path,
        multipart,
        "multipart/form-data; boundary=x",
        headers={"X-Twilio-Signature": signature},
    )
    assert answer.status_code == 404
    assert site.get(urlsplit(voice).path).status_code == 405
    assert everything() == before


def test_fld_11_what_is_known_and_what_it_means_are_written_together(
    site: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A web server that dies between storing a report and acting on it does both when the provider repeats it."""
    delivery, _code = ringing(world)
    hear(site, delivery)
    hear(site, delivery, "0")

    def die(*_arguments: object, **_named: object) -> None:
        raise RuntimeError("the process ends here")

    with monkeypatch.context() as patch:
        patch.setattr(delivery_events, "note", die)
        with pytest.raises(RuntimeError):
            hear(site, delivery, "#")
    assert result(delivery) is Result.DELIVERED
    hear(site, delivery, "#")
    assert result(delivery) is Result.FRAUD_REPORTED
    assert Event.objects.filter(kind=EventKind.FRAUD_REPORTED).count() == 1


def test_a_call_whose_code_has_died_hangs_up(site: Client, world: World) -> None:
    delivery, _ = ringing(world)
    OutboxMessage.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert hear(site, delivery, "1") == ""


def test_a_call_whose_key_is_gone_hangs_up_and_the_log_says_so(
    site: Client, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    delivery, _ = ringing(world)
    OutboxMessage.objects.update(payload=b"sealed with another key")
    assert hear(site, delivery, "1") == ""
    assert "messaging.outbox.unreadable" in caplog.text
    assert f"delivery={delivery.pk}" in caplog.text


def test_a_call_that_is_answered_is_not_made_again(site: Client, world: World) -> None:
    """The provider took too long to confirm the call, so a retry was scheduled; then the call is answered."""
    delivery, _ = ringing(world)
    OutboxMessage.objects.update(fetches_voice_script=False)
    Delivery.objects.update(result=Result.WAITING)
    hear(site, delivery)
    assert outbox.claim(now=timezone.now() + timedelta(minutes=1)) == []
    assert "4 9 3 0 2 7" in hear(site, delivery, "1")
