"""A provider over real HTTP, in both directions: requests to it, and its webhooks to the web server; one whole call."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.phones.http_benches import outgoing, phones_file
from tests.phones.provider import Provider, call_back, provider
from tests.phones.site import PHONES, WEB, PhoneSite
from tests.scenarios.mail.site import wait_until
from tests.world import ALICES_NUMBER, World, make_world
from watchword.core.policy import Channel
from watchword.messaging.gateway import Outgoing, Result
from watchword.messaging.limits.counters import telephone_of
from watchword.messaging.models import Delivery, DeliveryAttempt, OutboxMessage
from watchword.messaging.send import enqueue, new_delivery

pytestmark = pytest.mark.scenario


@pytest.fixture
def world(transactional_db: None) -> World:
    """Return the people of the tests, committed so that other processes see them."""
    return make_world()


@pytest.fixture
def twilio(tmp_path: Any, world: World, settings: Any) -> Iterator[tuple[Provider, PhoneSite]]:
    """Run a site whose texts and calls use Twilio's interfaces."""
    with provider() as one:
        texts = phones_file("twilio-messages", one.base, name="texts")
        calls = phones_file("twilio-calls", one.base, name="calls")
        site = PhoneSite(tmp_path, f"{texts}\n{calls}", settings)
        try:
            site.start(WEB, PHONES)
            yield one, site
        finally:
            site.stop()


def queued(world: World, channel: Channel) -> Delivery:
    """Put a code for Alice into the outbox."""
    now = datetime.now(UTC)
    delivery = new_delivery(world.alice, telephone_of(ALICES_NUMBER), channel, "sign_in", now=now)
    not_after = outgoing().not_after
    words = ("", "493027", "Harbour & Hill", "x.ex")
    enqueue(Outgoing(delivery.pk, channel, ALICES_NUMBER, *words, not_after=not_after), now=now)
    return delivery


def result_of(delivery: Delivery) -> Result:
    return Result(Delivery.objects.get(pk=delivery.pk).result)


def test_a_text_and_its_receipts_twice_late_and_forged(twilio: tuple[Provider, PhoneSite], world: World) -> None:
    one, site = twilio
    delivery = queued(world, Channel.SMS)
    one.wait_for(lambda: len(one.texts) == 1, 30)
    (text,) = one.texts
    assert (text.number, text.text.endswith("#493027")) == (ALICES_NUMBER, True)
    assert text.webhook.startswith(site.url)

    def say(status: str, secret: str | None = None) -> int:
        fields = {"MessageSid": text.name, "MessageStatus": status}
        signature = one.signature(text.webhook, fields, *([secret] if secret else []))
        return call_back(text.webhook, fields, {"X-Twilio-Signature": signature})[0]

    assert say("failed", "a guess") == 404
    wait_until(lambda: result_of(delivery) is Result.SENT)
    assert [say(status) for status in ("sent", "delivered", "delivered", "failed")] == [204] * 4
    assert result_of(delivery) is Result.DELIVERED
    assert [row.result for row in DeliveryAttempt.objects.all()] == [Result.DELIVERED]
    assert not OutboxMessage.objects.exists()
    assert text.webhook.split("/")[-2] not in site.log_of(WEB) + site.log_of(PHONES), "the address is in a log"


def test_a_call_is_made_spoken_and_ended_by_keys(twilio: tuple[Provider, PhoneSite], world: World) -> None:
    """Play a call as Twilio does: its creation, its instructions after each key, and its end."""
    one, _site = twilio
    delivery = queued(world, Channel.VOICE)
    one.wait_for(lambda: len(one.calls) == 1, 30)
    call = one.calls[0]
    assert call["To"] == ALICES_NUMBER
    assert "493027" not in str(one.requests)

    def ask(url: str, **fields: str) -> ET.Element:
        sent = {"CallSid": call["sid"], "CallStatus": "in-progress", **fields}
        status, answer = call_back(url, sent, {"X-Twilio-Signature": one.signature(url, sent)})
        assert status == 200
        return ET.fromstring(answer)

    first = ask(call["Url"])
    gather = first.find("Gather")
    assert gather is not None
    assert (gather.get("numDigits"), gather.get("finishOnKey"), gather.get("input")) == ("1", "", "dtmf")
    assert "4" not in {say.text for say in first.iter("Say")}
    assert result_of(delivery) is Result.DELIVERED
    spoken = [say.text for say in ask(gather.get("action", ""), Digits="1").iter("Say")]
    digits = [word for word in spoken if word and word.isdigit()]
    assert "".join(digits[:12]) == "493027" * 2
    fields = {"CallSid": call["sid"], "CallStatus": "completed"}
    signature = one.signature(call["StatusCallback"], fields)
    assert call_back(call["StatusCallback"], fields, {"X-Twilio-Signature": signature})[0] == 204
    assert result_of(delivery) is Result.DELIVERED
    assert len(one.calls) == 1


def test_a_call_to_a_telephone_that_is_busy_is_told(twilio: tuple[Provider, PhoneSite], world: World) -> None:
    one, _site = twilio
    delivery = queued(world, Channel.VOICE)
    one.wait_for(lambda: len(one.calls) == 1, 30)
    call = one.calls[0]
    fields = {"CallSid": call["sid"], "CallStatus": "busy"}
    signature = one.signature(call["StatusCallback"], fields)
    wait_until(lambda: result_of(delivery) is Result.SENT)
    assert call_back(call["StatusCallback"], fields, {"X-Twilio-Signature": signature})[0] == 204
    assert result_of(delivery) is Result.BUSY
