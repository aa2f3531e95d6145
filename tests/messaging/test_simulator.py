"""The simulator's telephone page: the texts that arrive, the words of a call, the effect of keys."""

from __future__ import annotations

import asyncio
import io
import wave
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from tests.messaging.test_dispatcher import carry
from tests.world import World, make_world
from watchword.cli.messaging_worker import build
from watchword.core.policy import Channel
from watchword.messaging.config_file import simulated
from watchword.messaging.gateway import DeliveryFailed, Outgoing, Result, Submitted
from watchword.messaging.gateways.simulator.gateway import (
    LATE_BY,
    LONGEST_CALL,
    RINGS_FOR,
    SimulatorGateway,
    arrived,
    end_what_took_too_long,
    move,
    spoken,
    take,
)
from watchword.messaging.gateways.simulator.models import Arrival
from watchword.messaging.models import Delivery, OutboxMessage
from watchword.messaging.send import enqueue, note_result
from watchword.messaging.voice import ivr, tts
from watchword.messaging.voice.ivr import Call, CallState

keys = st.lists(st.sampled_from("0123456789*#x"), max_size=20)


def outgoing(world: World, channel: Channel, number: str = "+4915112345678") -> Outgoing:
    delivery = Delivery.objects.create(
        organisation=world.organisation,
        user=world.alice,
        channel=channel,
        purpose="sign_in",
        number_key=b"k",
        ends=number[-2:],
        created_at=world.now,
        changed_at=world.now,
    )
    return Outgoing(delivery.pk, channel, number, "", "493027", "Harbour & Hill", "sign-in.harbour.example")


def ring(message: Outgoing) -> Submitted:
    """Deliver a message to the simulated telephone, and record the result as the gateway's process does."""
    handed = take(message)
    note_result(message.delivery_id, handed.result, now=timezone.now(), gateway=SimulatorGateway.name)
    return handed


def test_a_text_arrives_with_the_code_first_and_the_bound_line_last(world: World) -> None:
    message = outgoing(world, Channel.SMS)
    ring(message)
    text = Arrival.objects.get().text
    assert text.startswith("493 027 is your Harbour & Hill code. Not you?")
    assert text.endswith("\n\n@sign-in.harbour.example #493027")
    assert Delivery.objects.get(pk=message.delivery_id).result == Result.DELIVERED


def test_what_is_sent_twice_arrives_once(world: World) -> None:
    """A dispatcher killed before it recorded a send is followed by one that sends again."""
    message = outgoing(world, Channel.SMS)
    assert ring(message).reference == ring(message).reference
    assert Arrival.objects.count() == 1


@pytest.mark.parametrize(
    ("ending", "result"), [("97", Result.NO_ANSWER), ("98", Result.BUSY), ("99", Result.UNREACHABLE)]
)
def test_some_numbers_are_in_trouble(world: World, ending: str, result: Result) -> None:
    with pytest.raises(DeliveryFailed) as caught:
        ring(outgoing(world, Channel.VOICE, f"+49151123456{ending}"))
    assert caught.value.result is result
    assert not Arrival.objects.exists()


@pytest.mark.parametrize(("ending", "arrives"), [("97", True), ("98", True), ("99", False)])
def test_a_text_reaches_a_telephone_that_is_busy_or_lies_about(world: World, ending: str, arrives: bool) -> None:
    message = outgoing(world, Channel.SMS, f"+49151123456{ending}")
    if arrives:
        ring(message)
        assert Delivery.objects.get(pk=message.delivery_id).result == Result.DELIVERED
    else:
        with pytest.raises(DeliveryFailed):
            ring(message)


def test_some_texts_come_late(world: World) -> None:
    message = outgoing(world, Channel.SMS, "+4915112345696")
    ring(message)
    now = timezone.now()
    assert not arrived(now).exists()
    assert Delivery.objects.get(pk=message.delivery_id).result == Result.SENT
    assert arrived(now + LATE_BY).count() == 1
    assert Delivery.objects.get(pk=message.delivery_id).result == Result.DELIVERED


def test_a_declined_call_is_told_apart_from_an_unanswered_one(world: World) -> None:
    message = outgoing(world, Channel.VOICE)
    ring(message)
    arrival = Arrival.objects.get()
    assert move(arrival, ivr.hang_up(arrival.call)) is Result.DECLINED
    assert Delivery.objects.get(pk=message.delivery_id).result == Result.DECLINED


def test_a_call_without_a_code_says_what_it_has_to_say_and_ends_well(world: World) -> None:
    message = replace(outgoing(world, Channel.VOICE), code="", words="This is a test of Harbour. No code is needed.")
    ring(message)
    arrival = Arrival.objects.get()
    move(arrival, ivr.answer(arrival.call))
    assert spoken(arrival).endswith("This is a test of Harbour. No code is needed.")
    assert "press" not in spoken(arrival)
    move(arrival, ivr.hang_up(arrival.call))
    assert Delivery.objects.get(pk=message.delivery_id).result == Result.DELIVERED


def test_a_call_says_what_it_is_for_and_speaks_the_persons_language(world: World) -> None:
    ring(replace(outgoing(world, Channel.VOICE), language="de"))
    arrival = Arrival.objects.get()
    move(arrival, ivr.answer(arrival.call))
    assert "Jemand meldet sich gerade an Ihrem Konto an." in spoken(arrival)


def test_a_call_says_the_code_only_after_a_key(world: World) -> None:
    message = outgoing(world, Channel.VOICE)
    ring(message)
    arrival = Arrival.objects.get()
    move(arrival, ivr.answer(arrival.call))
    assert "4" not in spoken(arrival)
    assert "Harbour & Hill" in spoken(arrival)
    move(arrival, ivr.press(arrival.call, "1"))
    assert spoken(arrival).count("4. 9. 3. 0. 2. 7") == 2
    assert Delivery.objects.get(pk=message.delivery_id).result == Result.DELIVERED


def test_zero_and_hash_report_fraud_and_end_the_call(world: World) -> None:
    message = outgoing(world, Channel.VOICE)
    ring(message)
    arrival = Arrival.objects.get()
    move(arrival, ivr.answer(arrival.call))
    assert not move(arrival, ivr.press(arrival.call, "0"))
    assert move(arrival, ivr.press(arrival.call, "#"))
    assert arrival.call.state.is_over
    assert Delivery.objects.get(pk=message.delivery_id).result == Result.FRAUD_REPORTED


@given(keys)
def test_only_zero_then_hash_reports_fraud(pressed: list[str]) -> None:
    call = ivr.answer(Call())
    for key in pressed:
        call = ivr.press(call, key)
    meant = "".join(key for key in pressed if key in ivr.KEYS)
    assert (call.state is CallState.FRAUD) == ("0#" in meant)
    if call.state is CallState.CODE:
        assert "1" in meant


@given(keys)
def test_a_call_that_is_over_stays_over(pressed: list[str]) -> None:
    for over in (Call(CallState.ENDED), Call(CallState.MISSED), Call(CallState.FRAUD)):
        call = over
        for key in pressed:
            call = ivr.hang_up(ivr.answer(ivr.press(call, key)))
        assert call == over


def test_a_call_declined_is_missed_and_one_hung_up_is_over() -> None:
    assert ivr.hang_up(Call()).state is CallState.MISSED
    assert ivr.hang_up(ivr.answer(Call())).state is CallState.ENDED


@pytest.mark.synthesiser
def test_speech_is_really_made() -> None:
    if not tts.is_available():
        pytest.skip("espeak-ng is not installed; `make test` installs it where it is root")
    heard = tts.speak("Your security code is: 4. 9. 3. 0. 2. 7.")
    with wave.open(io.BytesIO(heard)) as sound:
        assert sound.getnchannels() == 1
        assert sound.getsampwidth() == 2
        seconds = sound.getnframes() / sound.getframerate()
        assert 2 < seconds < 20
        assert len(sound.readframes(sound.getnframes())) == 2 * sound.getnframes()


def answered(world: World) -> tuple[Outgoing, Arrival]:
    message = outgoing(world, Channel.VOICE)
    ring(message)
    arrival = Arrival.objects.get()
    move(arrival, ivr.answer(arrival.call))
    return message, arrival


def test_hanging_up_before_the_code_is_noted_and_after_it_is_not(world: World) -> None:
    message, arrival = answered(world)
    move(arrival, ivr.hang_up(arrival.call))
    assert Delivery.objects.get(pk=message.delivery_id).result == Result.HUNG_UP
    Arrival.objects.all().delete()
    message, arrival = answered(world)
    move(arrival, ivr.press(arrival.call, "1"))
    move(arrival, ivr.hang_up(arrival.call))
    assert Delivery.objects.get(pk=message.delivery_id).result == Result.DELIVERED


def test_a_telephone_stops_ringing_after_a_minute(world: World) -> None:
    message = outgoing(world, Channel.VOICE)
    ring(message)
    arrival = Arrival.objects.get()
    end_what_took_too_long(arrival.at + RINGS_FOR)
    assert Arrival.objects.get().state == CallState.RINGING
    end_what_took_too_long(arrival.at + RINGS_FOR + timedelta(seconds=1))
    assert Arrival.objects.get().state == CallState.MISSED
    assert Delivery.objects.get(pk=message.delivery_id).result == Result.NO_ANSWER


def test_the_attendant_hangs_up_on_silence(world: World) -> None:
    _message, arrival = answered(world)
    end_what_took_too_long(arrival.at + LONGEST_CALL + timedelta(seconds=1))
    assert Arrival.objects.get().state == CallState.ENDED


def test_of_two_keys_at_the_same_point_one_counts(world: World) -> None:
    _message, arrival = answered(world)
    other = Arrival.objects.get()
    move(arrival, ivr.hang_up(arrival.call))
    assert not move(other, ivr.press(other.call, "1"))
    assert other.call.state is CallState.ENDED


def test_without_a_synthesiser_there_is_a_clear_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tts, "PROGRAM", "no-such-synthesiser")
    assert not tts.is_available()
    with pytest.raises(tts.NoSpeech, match="not installed"):
        tts.speak("anything at all")


def test_a_synthesiser_that_makes_no_sound_is_a_clear_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tts, "PROGRAM", "true")
    with pytest.raises(tts.NoSpeech, match="made no sound"):
        tts.speak("words that nobody hears")


@pytest.mark.django_db(transaction=True)
def test_the_dispatcher_carries_to_the_simulator_as_to_any_gateway(transactional_db: None) -> None:
    """A code in a demo takes the path of every message: outbox, dispatcher, gateway, result."""
    world = make_world()
    text, busy = outgoing(world, Channel.SMS), outgoing(world, Channel.VOICE, "+4915112345698")
    for message in (text, busy):
        enqueue(message, now=world.now)
    gateway = build(simulated().gateways[0])
    assert isinstance(gateway, SimulatorGateway)

    def is_done() -> bool:
        return not OutboxMessage.objects.exists()

    carry(gateway, until=is_done)
    assert [arrival.code for arrival in Arrival.objects.all()] == ["493027"]
    results = dict(Delivery.objects.values_list("pk", "result"))
    assert results == {text.delivery_id: Result.DELIVERED, busy.delivery_id: Result.BUSY}


@pytest.mark.django_db(transaction=True)
def test_a_simulator_that_stops_leaves_no_connection_behind(transactional_db: None) -> None:
    message, gateway = outgoing(make_world(), Channel.SMS), SimulatorGateway()

    async def play() -> Any:
        await gateway.start(lambda _report: None)
        await gateway.send(message)
        its_own = gateway._thread.submit(lambda: connections["default"]).result()
        assert its_own.connection is not None
        await gateway.stop()
        return its_own

    assert asyncio.run(play()).connection is None
