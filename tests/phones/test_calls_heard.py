"""Calls to a real telephone that records the audio: the prompts, their recipient, and the effect of each key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import pytest

from tests.phones import baresip as telephones
from tests.phones.baresip import Baresip, baresip
from tests.phones.calling import CODE, NUMBER, call, caller, is_idle, run
from tests.phones.hearing import digits_in, places_of
from watchword.messaging.content.sms import Said
from watchword.messaging.content.translations import WORDS, words_of
from watchword.messaging.gateway import Result
from watchword.messaging.gateways.sip import call_flow

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.skipif(bool(telephones.why_not_here()), reason=telephones.why_not_here()),
]
DIGITS = "0123456789"


def heard_words(phone: Baresip, name: str, language: str = "en") -> int:
    """Return how often a phrase was said."""
    words = getattr(words_of(language), name).format(organisation="Harbour & Hill")
    return len(places_of(Said(name, words), phone.heard(), language))


async def hear_the_code(folder: Path, language: str, codecs: str, code: str) -> tuple[str, list[Result]]:
    async with baresip(folder, user=NUMBER, codecs=codecs) as phone, caller(phone.port) as (gateway, reports):
        await gateway.send(call(code, language=language))
        await phone.wait_for("CALL_ESTABLISHED")
        await phone.wait_until_heard(1)
        await phone.press("1")
        await is_idle(gateway)
        await phone.wait_for("CALL_CLOSED")
        assert heard_words(phone, "code", language) == 1
        return digits_in(phone.heard(), language), reports.results


def test_the_digits_of_the_code_are_heard_twice_in_every_language(tmp_path: Path) -> None:
    codes = {"en": "493027", "de": "581604", "fr": "778211", "es": "906355"}
    assert set(codes) == set(WORDS)

    async def play() -> None:
        calls: list[Awaitable[tuple[str, list[Result]]]] = [
            hear_the_code(tmp_path / language, language, codecs, codes[language])
            for language, codecs in zip(codes, ("PCMU", "PCMA", "PCMU", "PCMA"), strict=True)
        ]
        for code, (heard, results) in zip(codes.values(), await asyncio.gather(*calls), strict=True):
            assert heard == code * 2
            assert results == [Result.DELIVERED]

    run(play)


def test_key_1_says_it_again_from_the_beginning(tmp_path: Path) -> None:
    async def play() -> None:
        async with baresip(tmp_path, user=NUMBER) as phone, caller(phone.port) as (gateway, _reports):
            await gateway.send(call())
            await phone.wait_for("CALL_ESTABLISHED")
            await phone.wait_until_heard(1)
            await phone.press("1")
            await phone.wait_until_heard(6)
            await phone.press("1")
            await is_idle(gateway)
            heard = digits_in(phone.heard())
            assert heard.endswith(CODE * 2)
            assert CODE.startswith(heard.removesuffix(CODE * 2))
            assert len(heard) > len(CODE * 2)

    run(play)


def test_fld_07_nothing_is_left_on_an_answering_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answering machine that picks up, talks and records to the end, without pressing a key, gets no code."""
    monkeypatch.setattr(call_flow, "WAIT_SECONDS", 0.3)
    greeting = tmp_path / "greeting.wav"
    speak("You have reached the voice mail of Alice. Please leave a message after the tone.", greeting)

    async def play() -> None:
        async with (
            baresip(tmp_path / "phone", user=NUMBER, speaks=greeting) as phone,
            caller(phone.port) as (gateway, reports),
        ):
            await gateway.send(call())
            await is_idle(gateway)
            await phone.wait_for("CALL_CLOSED")
            assert reports.results == [Result.DELIVERED, Result.VOICEMAIL]
            assert digits_in(phone.heard()) == ""
            assert heard_words(phone, "press_one") == call_flow.ROUNDS
            assert heard_words(phone, "code") == 0

    run(play)


@pytest.mark.parametrize(("speaks", "result"), [(False, Result.HUNG_UP), (True, Result.VOICEMAIL)])
def test_a_person_who_hangs_up_and_a_machine_that_does_are_told_apart(
    tmp_path: Path, *, speaks: bool, result: Result
) -> None:
    greeting = tmp_path / "greeting.wav"
    speak("You have reached the voice mail of Alice. Please leave a message after the tone. Thank you.", greeting)

    async def play() -> None:
        voice = greeting if speaks else None
        async with (
            baresip(tmp_path / "phone", user=NUMBER, speaks=voice) as phone,
            caller(phone.port) as (gateway, reports),
        ):
            await gateway.send(call())
            await phone.wait_for("CALL_ESTABLISHED")
            await phone.wait_until_heard(5 if speaks else 1)
            phone.do("hangup")
            await is_idle(gateway)
            assert reports.results == [Result.DELIVERED, result]

    run(play)


def test_fld_10_zero_hash_reports_fraud_and_the_code_is_never_said(tmp_path: Path) -> None:
    """The keys 0 and # in a call report fraud, and the code is never spoken."""

    async def play() -> None:
        async with baresip(tmp_path, user=NUMBER) as phone, caller(phone.port) as (gateway, reports):
            await gateway.send(call())
            await phone.wait_for("CALL_ESTABLISHED")
            await phone.wait_until_heard(1)
            await phone.press("0#")
            await is_idle(gateway)
            assert reports.results == [Result.DELIVERED, Result.FRAUD_REPORTED]
            assert digits_in(phone.heard()) == ""
            assert heard_words(phone, "thanks") == 1

    run(play)


@pytest.mark.parametrize(("keys", "result"), [("47", Result.APPROVED), ("5748", Result.MISMATCHED)])
def test_fld_08_two_digits_approve_and_nothing_is_said_that_could_be_typed(
    tmp_path: Path, keys: str, result: Result
) -> None:
    """With number matching the two digits approve, wrong ones don't, and the call speaks no digit."""

    async def play() -> None:
        async with baresip(tmp_path, user=NUMBER) as phone, caller(phone.port) as (gateway, reports):
            await gateway.send(call(match="47"))
            await phone.wait_for("CALL_ESTABLISHED")
            await phone.wait_until_heard(1)
            await phone.press(keys)
            await is_idle(gateway)
            assert reports.results == [Result.DELIVERED, result]
            assert digits_in(phone.heard()) == ""

    run(play)


def test_it_is_said_who_calls_and_for_what(tmp_path: Path) -> None:
    async def play() -> None:
        async with baresip(tmp_path, user=NUMBER) as phone, caller(phone.port) as (gateway, _reports):
            await gateway.send(call(purpose="confirm"))
            await phone.wait_for("CALL_ESTABLISHED")
            await phone.wait_until_heard(9)
            phone.do("hangup")
            await is_idle(gateway)
            assert heard_words(phone, "greeting") == 1
            purpose = words_of("en").spoken_purposes["confirm"]
            assert places_of(Said("purpose", purpose), phone.heard())

    run(play)


def test_a_test_call_says_its_words_and_asks_for_nothing(tmp_path: Path) -> None:
    words = words_of("en").test.format(organisation="Harbour & Hill")

    async def play() -> None:
        async with baresip(tmp_path, user=NUMBER) as phone, caller(phone.port) as (gateway, reports):
            await gateway.send(call("", words=words, purpose="test"))
            await is_idle(gateway)
            assert reports.results == [Result.DELIVERED]
            assert len(places_of(Said("test", words), phone.heard())) == 1
            assert heard_words(phone, "press_one") == 0

    run(play)


def test_recordings_of_the_operator_come_before_the_synthesiser(tmp_path: Path) -> None:
    folder = tmp_path / "recordings" / "en"
    folder.mkdir(parents=True)
    speak("Ahoy. This is the harbour master.", folder / "greeting.wav")

    async def play() -> None:
        async with (
            baresip(tmp_path / "phone", user=NUMBER) as phone,
            caller(phone.port, recordings=folder.parent) as (gateway, _reports),
        ):
            await gateway.send(call())
            await phone.wait_for("CALL_ESTABLISHED")
            await phone.wait_until_heard(6)
            phone.do("hangup")
            await is_idle(gateway)
            assert places_of(Said("ahoy", "Ahoy. This is the harbour master."), phone.heard())
            assert heard_words(phone, "greeting") == 0

    run(play)


def test_an_extension_is_dialled_before_anything_is_said(tmp_path: Path) -> None:
    async def play() -> None:
        async with baresip(tmp_path, user=NUMBER) as phone, caller(phone.port) as (gateway, _reports):
            await gateway.send(call(extension=",12"))
            assert (await phone.wait_for("CALL_DTMF_START", 1))["param"] == "1"
            assert (await phone.wait_for("CALL_DTMF_START", 2))["param"] == "2"
            phone.do("hangup")
            await is_idle(gateway)

    run(play)


def test_a_caller_that_stops_hangs_up(tmp_path: Path) -> None:
    async def play() -> None:
        async with baresip(tmp_path, user=NUMBER) as phone:
            async with caller(phone.port) as (gateway, _reports):
                await gateway.send(call())
                await phone.wait_for("CALL_ESTABLISHED")
            await phone.wait_for("CALL_CLOSED")

    run(play)


def speak(words: str, path: Path) -> None:
    """Synthesise words with this machine's voice into a file that baresip can play."""
    from watchword.messaging.voice import audio, tts

    pcm = audio.from_wav(tts.speak(words))
    telephones.write_wav(path, pcm + audio.silence(60))


def test_the_decoder_finds_no_digits_where_none_are_spoken(tmp_path: Path) -> None:
    """Check the decoder itself: it finds no digits in sentences, and tells the digits of other codes apart."""
    from array import array

    from watchword.messaging.voice.prompts import Prompts

    for language, words in WORDS.items():
        pcm = Prompts().sound_of([Said("greeting", words.greeting), Said("fraud", words.fraud_key)], language)
        assert digits_in(array("h", pcm), language) == ""
        spoken = Prompts().sound_of([Said(digit, digit) for digit in DIGITS], language)
        assert digits_in(array("h", spoken), language) == DIGITS
