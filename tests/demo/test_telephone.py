"""The demo's phone with number matching, in other languages, and in calls without a code."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.test import Client
from django.utils import timezone

from tests.demo.test_pages import call_alice, call_of_alice, text_a_person
from tests.pages import text
from tests.world import World
from watchword.core.policy import Channel, FactorKind
from watchword.directory.models import Organisation, User
from watchword.messaging.gateway import Outgoing, Result
from watchword.messaging.gateways.simulator.gateway import take
from watchword.messaging.gateways.simulator.models import Arrival
from watchword.messaging.models import Delivery
from watchword.messaging.voice import tts
from watchword.signin import flow
from watchword.signin.results import SignedIn

TELEPHONE = "/demo/telephone/"


pytestmark = pytest.mark.usefixtures("simulator")


def press(client: Client, *keys: str) -> str:
    """Press keys at Alice's phone and return the text of the page that follows."""
    after = TELEPHONE
    for key in keys:
        after = client.post(f"{TELEPHONE}call/{call_of_alice().pk}/", {"do": key})["Location"]
    return text(client.get(after).content)


def test_the_two_digits_of_the_screen_let_it_go_on(client: Client, world: World) -> None:
    Organisation.objects.update(number_match=True)
    attempt, arrival = call_alice(world)
    spoken = press(client, "answer").partition("“")[2].partition("”")[0]
    assert "press the two digits that your screen shows" in spoken
    assert not any(letter.isdigit() for letter in spoken.replace("press 0", "")), "nothing is given away"
    page = client.get(TELEPHONE).content.decode()
    assert " autoplay" in page
    client.post(f"{TELEPHONE}call/{arrival.pk}/", {"do": arrival.match[0]})
    page = client.get(TELEPHONE).content.decode()
    assert f'<p class="telephone-pressed">{arrival.match[0]}</p>' in page
    assert " autoplay" not in page, "a key does not make the voice begin again"
    said = press(client, arrival.match[1])
    assert "Call ended" in said
    assert "You can go on at your screen. Goodbye." in said
    assert Delivery.objects.get(pk=arrival.delivery_id).result == Result.APPROVED
    assert isinstance(flow.answer(attempt, FactorKind.PHONE, "", now=timezone.now()), SignedIn)


def test_wrong_digits_are_said_to_be_wrong_once_and_then_the_call_ends(client: Client, world: World) -> None:
    Organisation.objects.update(number_match=True)
    _attempt, arrival = call_alice(world)
    wrong = "10" if arrival.match != "10" else "11"
    assert "These are not the right digits." in press(client, "answer", *wrong)
    said = press(client, *wrong)
    assert "Call ended" in said
    assert "Goodbye." in said
    assert "wrong digits, twice" in text(client.get(TELEPHONE).content)
    assert Delivery.objects.get(pk=arrival.delivery_id).result == Result.MISMATCHED


def test_last_words_make_room_for_what_comes_next(client: Client, world: World) -> None:
    call_alice(world)
    press(client, "answer", "0")
    ended = f"{TELEPHONE}?ended={call_of_alice().pk}"
    assert "your administrators are being told" in press(client, "#")
    assert "Call ended" in text(client.get(ended).content)
    text_a_person(world)
    said = text(client.get(ended).content)
    assert "Call ended" not in said
    assert "493 027 is your" in said


@pytest.mark.parametrize("junk", ["x", "\0", "00000000-0000-0000-0000-000000000000"])
def test_no_other_call_is_shown_as_just_ended(client: Client, world: World, junk: str) -> None:
    call_alice(world)
    press(client, "hang_up")
    for named in (junk, str(call_of_alice().pk)):
        assert "Call ended" not in text(client.get(TELEPHONE, {"ended": named}).content)


@pytest.mark.parametrize(("requested", "spoken"), [("de", "de"), ("fr-CA", "fr"), ("it", "en"), ("", "en")])
def test_the_voice_speaks_the_language_of_its_words(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch, requested: str, spoken: str
) -> None:
    voices: list[str] = []
    speak = tts.speak

    def heard_speaking(words: str, voice: str) -> bytes:
        voices.append(voice)
        return speak(words, voice)

    monkeypatch.setattr(tts, "speak", heard_speaking)
    User.objects.filter(pk=world.alice.pk).update(language=requested)
    _attempt, arrival = call_alice(world)
    press(client, "answer")
    heard = client.get(f"{TELEPHONE}call/{arrival.pk}/speech.wav")
    assert heard.content[:4] == b"RIFF"
    assert voices == [spoken]
    assert f'lang="{spoken}"' in client.get(TELEPHONE).content.decode()


def test_a_test_call_is_spoken_at_once_takes_no_keys_and_ends_by_itself(client: Client, world: World) -> None:
    delivery = Delivery.objects.create(
        organisation=world.organisation,
        user=world.alice,
        channel="voice",
        purpose="test",
        number_key=b"k",
        ends="78",
        created_at=world.now,
        changed_at=world.now,
    )
    message = Outgoing(delivery.pk, Channel.VOICE, "+4915112345678", "", "")
    take(replace(message, words="This is a test. No code is needed."))
    arrival = Arrival.objects.get()
    said = press(client, "answer", "1", "0", "#")
    assert "This is a test. No code is needed." in said
    assert "Connected" in said
    page = client.get(TELEPHONE).content.decode()
    assert "Key 1" not in page
    assert 'data-then="telephone-end"' in page
    assert "Call ended" not in press(client, "hang_up")
    assert Delivery.objects.get(pk=arrival.delivery_id).result == Result.DELIVERED
