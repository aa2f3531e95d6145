"""The pages while a code is on its way: its state, delays and failures, and digits pressed in a call."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.doors.web.test_pages import PHONE, at_code, at_password, registering
from tests.pages import text
from tests.telephone import Telephone
from tests.world import ORIGIN, World, give_phone, sign_in
from watchword.core.policy import Channel
from watchword.directory.models import Organisation
from watchword.messaging.gateway import Result
from watchword.messaging.models import Delivery
from watchword.messaging.send import note_result
from watchword.signin import queries, throttling
from watchword.signin.models import CodeChallenge, FailureCount, Session
from watchword.signin.otp import delivery_events

PROVE, STATE, CODE = "/sign-in/prove/", "/sign-in/state/", "/methods/add/phone/code/"


def becomes(result: Result) -> None:
    """Report a result of the newest message as a gateway does, and store it as the dispatcher does."""
    delivery = Delivery.objects.latest("created_at")
    assert note_result(delivery.pk, result, now=timezone.now())
    delivery_events.note(delivery.pk, result, now=timezone.now())


def let_pass(seconds: int) -> None:
    """Make all sent codes and messages older by a number of seconds."""
    for model in (CodeChallenge, Delivery):
        for row in model._default_manager.all():
            model._default_manager.filter(pk=row.pk).update(created_at=row.created_at - timedelta(seconds=seconds))


def called(client: Client, world: World, *, match: bool = False) -> None:
    """Sign in up to the code, and request a call instead of a text."""
    Organisation.objects.update(number_match=match)
    at_code(client, world)
    let_pass(31)
    client.post("/sign-in/send/", {"method": str(world.alices_phone.id), "channel": "voice"})


def buttons(page: str) -> list[str]:
    """Return the labels of a page's buttons in order."""
    return [text(found.encode()).strip() for found in re.findall(r"<button[^>]*>.*?</button>", page)]


def state(client: Client, address: str = STATE) -> dict[str, Any]:
    told: dict[str, Any] = client.get(address).json()
    return told


def test_the_page_says_where_the_code_went_and_how_it_stands(
    client: Client, world: World, telephone: Telephone
) -> None:
    at_code(client, world)
    assert "We sent a text message to the number ending 78 · Sent." in text(client.get(PROVE).content)
    becomes(Result.DELIVERED)
    page = client.get(PROVE)
    assert "number ending 78 · Delivered." in text(page.content)
    assert '<span data-says aria-live="polite">Delivered.</span>' in page.content.decode()
    assert f'data-state="{STATE}"' in page.content.decode()
    assert '<noscript><p><a href="/sign-in/prove/">Check again</a></p></noscript>' in page.content.decode()
    assert state(client) == {
        "says": "Delivered.",
        "trouble": "",
        "late": False,
        "approved": False,
        "over": False,
        "done": True,
    }


def test_the_state_is_told_to_the_browser_that_waits_alone(client: Client, world: World, telephone: Telephone) -> None:
    assert client.get(STATE).status_code == 404
    at_code(client, world)
    assert client.get(STATE)["Cache-Control"].count("no-store") == 1
    assert Client().get(STATE).status_code == 404
    client.post(PROVE, {"answer": telephone.code})
    assert client.get(STATE).status_code == 404


def test_a_code_that_has_died_ends_the_waiting(client: Client, world: World, telephone: Telephone) -> None:
    at_code(client, world)
    CodeChallenge.objects.update(expires_at=timezone.now())
    assert state(client)["over"]
    page = client.get(PROVE).content.decode()
    assert "data-state" not in page
    assert "The last code can't be used any more. Get a new one:" in text(page.encode())
    assert buttons(page) == ["Call the number ending 78", "Text the number ending 78"]


def test_a_late_text_offers_a_call_that_can_be_used_at_once(client: Client, world: World, telephone: Telephone) -> None:
    at_code(client, world)
    late = "It hasn't arrived yet. We can call you instead."
    assert re.search(r"<p data-late hidden>.*?</p>", client.get(PROVE).content.decode())
    let_pass(29)
    assert not state(client)["late"], "what is offered must work"
    let_pass(2)
    assert state(client)["late"]
    page = client.get(PROVE).content.decode()
    assert f"<p data-late>{late}</p>" in page.replace("&#x27;", "'")
    assert buttons(page) == ["Verify", "Call the number ending 78", "Text the number ending 78"]
    client.post("/sign-in/send/", {"method": str(world.alices_phone.id), "channel": "voice"})
    assert [sent.channel for sent in telephone.received] == [Channel.SMS, Channel.VOICE]
    assert "Calling the number ending 78 · Ringing…" in text(client.get(PROVE).content)


def test_a_text_that_arrived_is_never_late(client: Client, world: World, telephone: Telephone) -> None:
    at_code(client, world)
    becomes(Result.DELIVERED)
    let_pass(200)
    assert not state(client)["late"]


def test_a_late_text_offers_no_call_where_calls_are_not_allowed(
    client: Client, world: World, telephone: Telephone
) -> None:
    Organisation.objects.update(call_allowed=False)
    at_code(client, world)
    let_pass(31)
    page = client.get(PROVE)
    assert "It hasn't arrived yet. You can ask for another one." in text(page.content)
    assert "all you" not in text(page.content)


def test_an_unanswered_call_offers_a_text(client: Client, world: World, telephone: Telephone) -> None:
    called(client, world)
    let_pass(31)
    page = client.get(PROVE).content.decode()
    assert "Nobody has answered yet. We can text you instead." in text(page.encode())
    assert buttons(page)[1] == "Text the number ending 78"


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (Result.BUSY, "We called, and the line was busy."),
        (Result.NO_ANSWER, "We called, and nobody answered."),
        (
            Result.VOICEMAIL,
            "The call was answered, but no key was pressed. If it was a machine, nothing was left on it.",
        ),
        (Result.DECLINED, "We called, and the call was declined."),
        (Result.HUNG_UP, "We called, and the call ended before the code was heard."),
        (Result.UNREACHABLE, "The call did not get through."),
        (Result.BLOCKED, "The call did not get through."),
    ],
)
def test_after_trouble_the_other_way_comes_first_and_can_be_used_at_once(
    client: Client, world: World, telephone: Telephone, result: Result, says: str
) -> None:
    called(client, world)
    becomes(result)
    assert state(client)["trouble"] == says
    page = client.get(PROVE).content.decode()
    assert f"{says} Choose another way: Text the number ending 78 Call the number ending 78" in text(page.encode())
    assert buttons(page) == ["Text the number ending 78", "Call the number ending 78"], "nothing to type was spoken"
    assert "data-after" not in page
    client.post("/sign-in/send/", {"method": str(world.alices_phone.id), "channel": "sms"})
    assert telephone.received[-1].channel is Channel.SMS
    assert client.post(PROVE, {"answer": telephone.code})["Location"] == "/"


def test_another_telephone_is_offered_too(client: Client, world: World, telephone: Telephone) -> None:
    give_phone(world.alice, "+4915187654342", slot="alternate")
    at_code(client, world)
    becomes(Result.UNREACHABLE)
    assert buttons(client.get(PROVE).content.decode())[:5] == [
        "Call the number ending 78",
        "Text the number ending 42",
        "Call the number ending 42",
        "Text the number ending 78",
        "Verify",
    ], "a text that comes after all can be typed"


def test_two_digits_are_shown_and_nothing_is_typed(client: Client, world: World, telephone: Telephone) -> None:
    called(client, world, match=True)
    match = telephone.received[-1].match
    page = client.get(PROVE).content.decode()
    assert f'<span aria-hidden="true">{match}</span>' in page
    assert f'<span class="visually-hidden">{match[0]} {match[1]}</span>' in page, "read as two digits"
    assert 'name="answer"' not in page
    assert telephone.code not in page
    said = client.post(PROVE)
    assert "Error: Check your phone" in text(said.content)
    assert "We are still waiting for the two digits to be pressed on your phone." in text(said.content)
    assert not FailureCount.objects.filter(pk=f"code:{world.alice.pk}").exists(), "pressed too early is no wrong code"
    becomes(Result.APPROVED)
    assert state(client)["approved"]
    assert client.post(PROVE)["Location"] == "/"
    assert Session.objects.filter(user=world.alice).count() == 1


def test_a_code_that_is_guessed_opens_nothing_where_digits_are_pressed(
    client: Client, world: World, telephone: Telephone
) -> None:
    called(client, world, match=True)
    client.post(PROVE, {"answer": telephone.code})
    client.post(PROVE, {"answer": telephone.received[-1].match})
    assert not Session.objects.exists()


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (Result.MISMATCHED, "Wrong digits were pressed twice, so the call ended."),
        (Result.FRAUD_REPORTED, "Somebody at this phone told us that they are not signing in"),
    ],
)
def test_digits_that_were_wrong_and_fraud_are_explained_with_a_way_on(
    client: Client, world: World, telephone: Telephone, result: Result, says: str
) -> None:
    called(client, world, match=True)
    match = telephone.received[-1].match
    becomes(result)
    assert state(client)["over"]
    for page in (client.get(PROVE), client.post(PROVE)):
        assert says in text(page.content)
        assert f">{match}<" not in page.content.decode()
        assert buttons(page.content.decode()) == ["Text the number ending 78", "Call the number ending 78"]
        assert "Start again" in text(page.content)
    assert not FailureCount.objects.filter(pk=f"code:{world.alice.pk}").exists()


def test_a_lock_after_a_report_says_so_and_blames_no_wrong_codes(
    client: Client, world: World, telephone: Telephone
) -> None:
    Organisation.objects.update(fraud_locks=True)
    called(client, world)
    becomes(Result.FRAUD_REPORTED)
    said = text(client.get(PROVE).content)
    assert "Your sign-in is locked" in said
    assert "Somebody at this phone told us that they are not signing in" in said
    assert "Too many codes" not in said
    assert "Start again" in said


def test_a_new_phone_is_called_instead_without_typing_its_number_again(
    client: Client, world: World, telephone: Telephone
) -> None:
    registering(client, world)
    client.post("/methods/add/phone/", PHONE)
    page = client.get(CODE).content.decode()
    assert "number ending 89 · Sent." in text(page.encode())
    assert f'data-state="{STATE}?adding"' in page
    assert state(client, f"{STATE}?adding")["says"] == "Sent."
    assert "data-late hidden" in page
    let_pass(31)
    assert state(client, f"{STATE}?adding")["late"]
    page = client.get(CODE).content.decode()
    assert "It hasn't arrived yet. We can call you instead." in text(page.encode())
    assert buttons(page) == ["Verify", "Call the number ending 89", "Text the number ending 89"]
    assert client.post(CODE, {"channel": "voice"})["Location"] == CODE
    assert [(sent.channel, sent.number) for sent in telephone.received] == [
        (Channel.SMS, "+4915123456789"),
        (Channel.VOICE, "+4915123456789"),
    ]
    client.post(CODE, {"answer": telephone.code})
    assert [method.channel for method in queries.methods_of(world.bob)] == [Channel.VOICE]


def test_a_new_phone_in_trouble_is_tried_again_at_once_another_way(
    client: Client, world: World, telephone: Telephone
) -> None:
    sign_in(client, world.alice)
    client.post("/methods/add/phone/", {**PHONE, "channel": "voice", "slot": "alternate"})
    becomes(Result.BUSY)
    page = client.get(CODE).content.decode()
    assert "the line was busy. Choose another way: Text the number ending 89" in text(page.encode())
    client.post(CODE, {"channel": "sms"})
    assert telephone.received[-1].channel is Channel.SMS
    assert len(telephone.received) == 2


@pytest.mark.parametrize("channel", ["", "pigeon", "text\0"])
def test_a_senseless_way_to_a_new_phone_sends_nothing(
    client: Client, world: World, telephone: Telephone, channel: str
) -> None:
    registering(client, world)
    client.post("/methods/add/phone/", PHONE)
    assert client.post(CODE, {"channel": channel}, follow=True).status_code == 200
    assert len(telephone.received) == 1


def test_an_office_telephone_is_never_offered_a_text(client: Client, world: World, telephone: Telephone) -> None:
    registering(client, world)
    client.post("/methods/add/phone/", {**PHONE, "slot": "office", "channel": "voice", "extension": "12"})
    becomes(Result.NO_ANSWER)
    assert buttons(client.get(CODE).content.decode()) == ["Call the number ending 89"]
    client.post(CODE, {"channel": "sms"})
    assert len(telephone.received) == 1
    client.post(CODE, {"channel": "voice"})
    assert telephone.received[-1].extension == "12"


def test_a_code_for_a_new_phone_that_has_died_can_be_had_again(
    client: Client, world: World, telephone: Telephone
) -> None:
    registering(client, world)
    client.post("/methods/add/phone/", PHONE)
    let_pass(31)
    CodeChallenge.objects.update(expires_at=timezone.now())
    page = client.get(CODE).content.decode()
    assert "This code can't be used any more. Get a new one:" in text(page.encode())
    assert 'name="answer"' not in page
    client.post(CODE, {"channel": "sms"})
    assert len(telephone.received) == 2


@pytest.mark.parametrize("kind", ["app_password", "password"])
def test_a_code_for_a_new_phone_adds_nothing_else(
    client: Client, world: World, telephone: Telephone, kind: str
) -> None:
    sign_in(client, world.alice)
    client.post("/methods/add/phone/", {**PHONE, "slot": "alternate"})
    address = f"/methods/add/{kind}/code/"
    for answer in (client.get(address), client.post(address, {"answer": telephone.code})):
        assert answer["Location"] == f"/methods/add/{kind}/"
    assert client.post(CODE, {"answer": telephone.code})["Location"] == "/security/"


def test_a_new_phone_can_t_be_proven_while_the_sign_in_is_locked_and_the_page_says_so(
    client: Client, world: World, telephone: Telephone
) -> None:
    sign_in(client, world.alice)
    client.post("/methods/add/phone/", {**PHONE, "slot": "alternate"})
    throttling.lock(world.alice, origin=ORIGIN, now=world.now)
    page = text(client.post(CODE, {"answer": telephone.code}).content)
    assert "Your sign-in is locked, to protect it. Ask your administrator to unlock it." in page


def test_a_code_for_a_new_phone_is_not_mixed_up_with_one_to_sign_in(
    client: Client, world: World, telephone: Telephone
) -> None:
    sign_in(client, world.alice)
    client.post("/methods/add/phone/", {**PHONE, "slot": "alternate"})
    assert client.get(STATE).status_code == 404
    at_password(client, "alice@harbour.example")
    client.post("/sign-in/password/", {"answer": world.passwords["alice"]})
    becomes(Result.DELIVERED)
    assert state(client)["says"] == "Delivered."
    assert state(client, f"{STATE}?adding")["says"] == "Sent."


def test_when_no_more_codes_are_sent_the_page_leads_to_the_start_and_offers_nothing_that_would_be_refused(
    client: Client, world: World, telephone: Telephone
) -> None:
    at_code(client, world)
    for _ in range(2):
        let_pass(31)
        client.post("/sign-in/send/", {"method": str(world.alices_phone.id), "channel": "sms"})
    assert len(telephone.received) == 3
    page = client.get(PROVE).content.decode()
    assert buttons(page) == ["Verify"]
    says = "No more codes are sent in this sign-in. Start again to get another one, or ask your administrator."
    assert says in text(page.encode())
    let_pass(31)
    assert "We can call you instead" not in text(client.get(PROVE).content)
    CodeChallenge.objects.update(expires_at=timezone.now())
    page = client.get(PROVE).content.decode()
    assert f"The last code can't be used any more. {says}" in text(page.encode())
    assert buttons(page) == []
    assert re.findall(r"<a[^>]*>Start again</a>", page) == ['<a class="button" href="/sign-in/">Start again</a>']


def test_when_no_more_codes_are_sent_to_a_new_phone_the_page_says_what_to_do(
    client: Client, world: World, telephone: Telephone
) -> None:
    registering(client, world)
    client.post("/methods/add/phone/", PHONE)
    for _ in range(3):
        let_pass(31)
        client.post(CODE, {"channel": "sms"})
    assert len(telephone.received) == 3
    page = client.get(CODE)
    assert "No more codes are sent for now. Try again in a few minutes, or ask your administrator." in text(
        page.content
    )
    assert buttons(page.content.decode()) == ["Verify"]
    assert "Use another number" in text(page.content)
