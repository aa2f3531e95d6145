"""Each preset sends the requests that its provider documents, and reads its responses and receipts accordingly."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.phones.http_benches import NUMBER, PRESETS, config_of, opened, outgoing, phones_file, run
from tests.phones.provider import ACCOUNT, BAD_NUMBER, BLOCKED_NUMBER, TOKEN, Mood, Provider, Request, provider
from watchword.config.phones_file import kinds
from watchword.core.policy import Channel
from watchword.messaging.config_file import read_phones
from watchword.messaging.content import sms
from watchword.messaging.gateway import DeliveryFailed, Outgoing, Result
from watchword.messaging.gateways.http import webhooks
from watchword.messaging.gateways.http.callback_urls import addresses_of


def sent(kind: str, message: Outgoing, **more: Any) -> tuple[Request, str, Provider]:
    """Send one message by a preset; return the request, the provider's message id and the provider."""
    with provider() as one:
        names: list[str] = []

        async def play() -> None:
            async with opened(kind, one, **more) as gateway:
                names.append((await gateway.send(message)).reference)

        run(play)
        return one.requests[-1], names[0], one


def test_twilio_messages_is_asked_as_its_messages_resource_wants() -> None:
    message = outgoing()
    request, reference, one = sent("twilio-messages", message)
    assert (request.method, request.path) == ("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json")
    assert request.user == f"{ACCOUNT}:{TOKEN}"
    assert request.form.pop("ValidityPeriod") in {"299", "300"}
    assert request.form == {
        "To": NUMBER,
        "From": "+4930123456",
        "Body": sms.text_of(message),
        "StatusCallback": addresses_of("one", message.delivery_id)[0],
    }
    assert reference == one.texts[0].name


def test_twilio_takes_a_messaging_service_in_place_of_a_sender() -> None:
    config = config_of("twilio-messages", "http://127.0.0.1:1")
    assert "From" in config.form
    table = {"kind": "twilio-messages", "account": ACCOUNT, "token": "t", "sender": "MG123"}
    assert kinds()["twilio-messages"].adapt(table)["form"]["MessagingServiceSid"] == "{sender}"


def test_twilio_calls_is_asked_as_its_calls_resource_wants() -> None:
    message = outgoing(channel=Channel.VOICE)
    request, reference, one = sent("twilio-calls", message)
    receipt, voice = addresses_of("one", message.delivery_id)
    assert (request.method, request.path) == ("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json")
    assert request.user == f"{ACCOUNT}:{TOKEN}"
    assert request.form == {
        "To": NUMBER,
        "From": "+4930123456",
        "Url": voice,
        "Method": "POST",
        "Timeout": "35",
        "StatusCallback": receipt,
        "StatusCallbackMethod": "POST",
    }
    assert "493027" not in str(request)
    assert reference == one.calls[0]["sid"]


def test_vonage_is_asked_as_its_sms_api_wants() -> None:
    message = outgoing(lives=timedelta(seconds=3))
    request, reference, one = sent("vonage-sms", message)
    assert (request.method, request.path) == ("POST", "/sms/json")
    assert request.form == {
        "api_key": "abcd1234",
        "api_secret": TOKEN,
        "from": "Harbour",
        "to": NUMBER.removeprefix("+"),
        "text": sms.text_of(message),
        "ttl": "20000",
        "callback": addresses_of("one", message.delivery_id)[0],
    }
    assert reference == one.texts[0].name


def test_no_address_of_ours_is_too_long_for_any_provider(settings: Any) -> None:
    """Vonage accepts at most a hundred characters."""
    settings.WATCHWORD_PUBLIC_URL = "https://sign-in.harbour-hill.example"
    receipt, voice = addresses_of("vonage", outgoing().delivery_id)
    assert len(receipt) <= 100
    assert voice == f"{receipt}voice/"


def test_46elks_is_asked_as_its_documentation_says() -> None:
    message = outgoing()
    request, reference, one = sent("46elks", message)
    assert (request.method, request.path, request.user) == ("POST", "/a1/sms", f"u1:{TOKEN}")
    assert request.form == {
        "from": "Harbour",
        "to": NUMBER,
        "message": sms.text_of(message),
        "whendelivered": addresses_of("one", message.delivery_id)[0],
        "dontlog": "message",
    }
    assert reference == one.texts[0].name


def test_telnyx_is_asked_as_its_documentation_says() -> None:
    message = outgoing()
    request, reference, one = sent("telnyx", message)
    assert (request.method, request.path) == ("POST", "/v2/messages")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.json == {
        "from": "+4930123456",
        "to": NUMBER,
        "text": sms.text_of(message),
        "webhook_url": addresses_of("one", message.delivery_id)[0],
    }
    assert reference == one.texts[0].name


def test_a_template_of_ones_own_is_asked_as_it_is_written() -> None:
    message = outgoing()
    request, reference, one = sent("http", message)
    assert (request.method, request.path) == ("PUT", f"/nobody/{message.delivery_id}")
    assert request.query == {"for": NUMBER}
    assert request.headers["x-api-key"] == TOKEN
    assert request.headers["accept"] == "application/vnd.nobody+json"
    assert request.headers["idempotency-key"] == str(message.delivery_id)
    assert request.json == {
        "to": {"number": NUMBER},
        "parts": [sms.text_of(message)],
        "tell": addresses_of("one", message.delivery_id)[0],
        "urgent": True,
        "lives": 5,
    }
    assert reference == one.texts[0].name


def test_without_a_name_of_the_provider_our_own_stands_for_the_message() -> None:
    message = outgoing()
    _request, reference, _one = sent("46elks", message, reference_path='"nothing.here"')
    assert reference == str(message.delivery_id)


FORM = "form"
JSON = "json"
RECEIPTS = [
    ("twilio-messages", FORM, {"MessageStatus": "delivered"}, Result.DELIVERED),
    ("twilio-messages", FORM, {"MessageStatus": "undelivered", "ErrorCode": "30003"}, Result.UNREACHABLE),
    ("twilio-messages", FORM, {"MessageStatus": "failed"}, Result.FAILED),
    ("twilio-messages", FORM, {"MessageStatus": "sent"}, None),
    ("twilio-calls", FORM, {"CallStatus": "busy"}, Result.BUSY),
    ("twilio-calls", FORM, {"CallStatus": "no-answer"}, Result.NO_ANSWER),
    ("twilio-calls", FORM, {"CallStatus": "failed"}, Result.FAILED),
    ("twilio-calls", FORM, {"CallStatus": "completed"}, None),
    ("vonage-sms", FORM, {"messageId": "0A", "status": "delivered", "err-code": "0"}, Result.DELIVERED),
    ("vonage-sms", FORM, {"status": "expired"}, Result.UNREACHABLE),
    ("vonage-sms", FORM, {"status": "rejected"}, Result.BLOCKED),
    ("vonage-sms", FORM, {"status": "buffered"}, None),
    ("vonage-sms", JSON, {"status": "failed"}, Result.FAILED),
    ("46elks", FORM, {"id": "s1", "status": "delivered", "delivered": "2026-11-24T12:00:00"}, Result.DELIVERED),
    ("46elks", FORM, {"id": "s1", "status": "failed"}, Result.FAILED),
    ("46elks", FORM, {"id": "s1", "status": "sent"}, None),
    ("telnyx", JSON, {"data": {"payload": {"to": [{"status": "delivered"}]}}}, Result.DELIVERED),
    ("telnyx", JSON, {"data": {"payload": {"to": [{"status": "delivery_failed"}]}}}, Result.UNREACHABLE),
    ("telnyx", JSON, {"data": {"payload": {"to": [{"status": "sending_failed"}]}}}, Result.FAILED),
    ("telnyx", JSON, {"data": {"payload": {"to": [{"status": "delivery_unconfirmed"}]}}}, None),
    ("http", JSON, {"news": [{"state": "at the phone"}]}, Result.DELIVERED),
    ("http", JSON, {"news": [{"state": "not by me"}]}, Result.BLOCKED),
]


@pytest.mark.parametrize(("kind", "shape", "says", "result"), RECEIPTS)
def test_a_receipt_is_read_as_the_provider_writes_it(
    kind: str, shape: str, says: dict[str, Any], result: Result | None
) -> None:
    config = config_of(kind, "http://127.0.0.1:1").receipts
    assert config is not None
    is_form, url = shape == FORM, "https://x.example/gateways/one/x/y/"
    body = urlencode(says).encode() if is_form else json.dumps(says).encode()
    signed = {
        "X-Twilio-Signature": Provider().signature(url, says) if is_form else "",
        "X-Nobody-Signature": "sha256=" + hmac.new(TOKEN.encode(), body, hashlib.sha256).hexdigest(),
    }
    assert webhooks.is_genuine(config, url=url, headers=signed, body=body, is_form=is_form, now=datetime.now(UTC))
    assert webhooks.result_of(config, url=url, body=body, is_form=is_form) is result


@pytest.mark.parametrize(
    ("kind", "number", "result", "permanent"),
    [
        ("twilio-messages", BAD_NUMBER, Result.BAD_NUMBER, True),
        ("twilio-messages", BLOCKED_NUMBER, Result.BLOCKED, False),
        ("twilio-calls", BAD_NUMBER, Result.BAD_NUMBER, True),
        ("vonage-sms", BLOCKED_NUMBER, Result.BLOCKED, False),
        ("telnyx", BAD_NUMBER, Result.BAD_NUMBER, True),
        ("http", BAD_NUMBER, Result.BAD_NUMBER, True),
    ],
)
def test_a_refusal_has_the_result_of_its_code(kind: str, number: str, result: Result, permanent: bool) -> None:
    async def play() -> None:
        async with opened(kind, one) as gateway:
            for _ in range(4):
                with pytest.raises(DeliveryFailed) as caught:
                    await gateway.send(outgoing(number=number, channel=next(iter(gateway.channels))))
                assert (caught.value.result, caught.value.permanent) == (result, permanent)
                assert not caught.value.maybe_taken
            # The provider answers, so the gateway is available: a bad number is no fault of the provider.
            assert gateway.condition.is_up
            assert not one.texts
            assert not one.calls

    with provider() as one:
        run(play)


@pytest.mark.parametrize("kind", [*PRESETS, "twilio-calls"])
def test_who_refuses_our_credentials_is_down_at_once_and_in_plain_words(kind: str) -> None:
    async def play() -> None:
        async with opened(kind, one) as gateway:
            with pytest.raises(DeliveryFailed) as caught:
                await gateway.send(outgoing(channel=next(iter(gateway.channels))))
            assert (caught.value.result, caught.value.permanent) == (Result.FAILED, False)
            assert not gateway.condition.is_up
            assert gateway.condition.words == "the provider refuses our credentials"

    with provider(Mood.REFUSING) as one:
        run(play)


@pytest.mark.parametrize("kind", [*PRESETS, "twilio-calls"])
def test_nothing_that_is_shown_or_logged_holds_a_secret(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        async with opened(kind, one) as gateway:
            for mood in (Mood.WELL, Mood.FAILING, Mood.BABBLING):
                one.mood = mood
                try:
                    await gateway.send(outgoing(channel=next(iter(gateway.channels))))
                except DeliveryFailed as failure:
                    shown.append(repr(failure) + str(failure))
            shown.append(repr(gateway.condition))

    shown: list[str] = []
    caplog.set_level("DEBUG")
    with provider() as one:
        shown.append(repr(config_of(kind, one.base)))
        run(play)
    everything = "\n".join(shown) + caplog.text
    assert all(secret not in everything for secret in (TOKEN, "493027", "493 027", NUMBER, "abcd1234"))


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        ("twilio-messages", "account, token, sender are missing"),
        ("twilio-calls", "account, token, sender are missing"),
        ("vonage-sms", "key, secret, sender are missing"),
        ("46elks", "user, password, sender are missing"),
        ("telnyx", "key, sender are missing"),
        ("kannel", "url, user, password are missing"),
    ],
)
def test_a_preset_says_what_it_needs(kind: str, missing: str) -> None:
    read = read_phones(f'[[gateway]]\nname = "one"\nkind = "{kind}"\n', kinds(), str)
    assert [problem for problem in read.problems if missing in problem], read.problems


def test_a_secret_in_clear_is_refused_and_not_quoted() -> None:
    text = phones_file("telnyx", "https://api.example").replace("sealed:", "clear-")
    read = read_phones(text, kinds(), _only_sealed)
    assert any("secret in clear" in problem for problem in read.problems)
    assert "clear-" not in str(read.problems)


def _only_sealed(text: str) -> str:
    from tests.phones.http_benches import RING
    from watchword.config.phones_file import open_secret

    return open_secret(text, RING)
