"""Whatever fails at a gateway, the page answers at once, traffic moves to a working gateway, a call is offered."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import truediv
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.doors.web.test_code_on_its_way import let_pass
from tests.doors.web.test_pages import at_password
from tests.messaging.test_dispatcher import FakeGateway, carry, result_of, waiting, without_pauses
from tests.pages import text
from tests.phones.http_benches import config_of, opened, outgoing, phones_file, phones_of, run
from tests.phones.provider import Mood, Provider, provider
from tests.phones.smsc import free_port
from tests.world import World
from watchword.core.policy import Channel
from watchword.messaging import send
from watchword.messaging.gateway import DeliveryFailed, Report, Result
from watchword.messaging.gateways.http.callback_urls import addresses_of
from watchword.messaging.gateways.http.gateway import HttpGateway
from watchword.messaging.models import Delivery, DeliveryAttempt, OutboxMessage
from watchword.messaging.worker import delivery_receipts, persistence, route_selection
from watchword.messaging.worker.delivery_receipts import DeliveryOutcome
from watchword.messaging.worker.route_selection import Measured, Route


@pytest.fixture
def gateways(settings: Any) -> Any:
    """Configure a gateway that is down and one that never answers; codes go into the outbox."""
    with provider(Mood.SILENT) as silent:
        dead = phones_file("twilio-messages", f"http://127.0.0.1:{free_port()}", name="dead")
        slow = phones_file("vonage-sms", silent.base, name="slow")
        calls = phones_file("twilio-calls", silent.base, name="calls")
        settings.WATCHWORD_PHONES = phones_of(f"{dead}\n{slow}\n{calls}")
        yield silent


def no_connections(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Record every connection that this process opens from now on, and refuse it."""
    made: list[object] = []

    def refuse(_self: socket.socket, address: object) -> int:
        made.append(address)
        raise OSError("no connections here")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    return made


def test_fld_12_the_page_answers_without_pauses_and_asks_no_gateway(
    client: Client, world: World, gateways: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With dead gateways the page answers at once: it writes one outbox row, wakes the worker, connects to nothing."""
    at_password(client, world.alice.sign_in_name)
    with monkeypatch.context() as patch:
        # A PostgreSQL client is C code, so its connections are not seen here.
        made = no_connections(patch)
        began = time.monotonic()
        answer = client.post("/sign-in/password/", {"answer": world.passwords["alice"]})
        page = client.get("/sign-in/prove/")
        took = time.monotonic() - began
    sys.stdout.write(f"\nright password to the page that asks for the code: {took * 1000:.0f} ms\n")
    assert answer["Location"] == "/sign-in/prove/"
    assert "We are sending" in text(page.content) or "We sent" in text(page.content)
    assert made == []
    assert gateways.requests == []
    assert took < 1
    assert OutboxMessage.objects.count() == 1
    assert Delivery.objects.get().result == Result.WAITING


def test_fld_12_after_twenty_seconds_without_a_receipt_a_call_is_offered(
    client: Client, world: World, gateways: Provider
) -> None:
    """A text that a gateway accepted and dropped is not waited for: the page offers a call."""
    at_password(client, world.alice.sign_in_name)
    client.post("/sign-in/password/", {"answer": world.passwords["alice"]})
    delivery = Delivery.objects.get()
    send.note_result(delivery.pk, Result.SENT, now=timezone.now(), gateway="slow", reference="SM1")
    assert not client.get("/sign-in/state/").json()["late"]
    let_pass(31)
    assert client.get("/sign-in/state/").json()["late"]
    page = client.get("/sign-in/prove/").content.decode()
    assert 'name="channel" value="voice"' in page
    client.post("/sign-in/send/", {"method": str(world.alices_phone.id), "channel": "voice"})
    assert Delivery.objects.filter(channel=Channel.VOICE, result=Result.WAITING).count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("mood", [Mood.FAILING, Mood.BABBLING, Mood.CUT])
def test_fld_12_a_gateway_in_trouble_is_followed_by_another_gateway(
    world: World, monkeypatch: pytest.MonkeyPatch, mood: Mood
) -> None:
    """If a provider answers with an error, nonsense or a cut connection, the next gateway sends the same code."""
    monkeypatch.setattr("watchword.messaging.worker.dispatcher.UNSURE_SECONDS", 0.1)
    monkeypatch.setattr("watchword.messaging.worker.dispatcher.RETRIES", without_pauses(6))
    with provider(mood) as one:
        http = HttpGateway("http", config_of("twilio-messages", one.base), addresses=addresses_of)
        good, delivery = FakeGateway("good"), waiting(world)
        carry(http, good, until=lambda: result_of(delivery) is Result.SENT)
        assert [message.code for message in good.sent] == ["493027"]


@pytest.mark.django_db(transaction=True)
def test_fld_12_traffic_leaves_a_gateway_that_says_yes_and_drops(world: World) -> None:
    """A gateway that answers 200 and drops texts loses its share of the traffic, except for a few probes."""
    now = datetime.now(UTC)
    then = now - timedelta(minutes=5)
    for gateway in ("lying", "honest"):
        for number in range(40):
            delivery = waiting(world)
            delivery_receipts.note_outcomes(
                [DeliveryOutcome(delivery.pk, gateway, Result.SENT, "DE", f"{gateway}{number}")], now=then
            )
            if gateway == "honest":
                delivery_receipts.note_reports([Report(gateway, f"{gateway}{number}", Result.DELIVERED)], now=now)
    seen = persistence.measure(["lying", "honest"], now)
    assert seen.measured["lying", "DE"] == Measured(40, 0)
    assert seen.measured["honest", "DE"] == Measured(40, 40)
    routes = [Route(name, frozenset({Channel.SMS})) for name in ("lying", "honest")]
    first = Counter(
        route_selection.order(
            routes,
            channel=Channel.SMS,
            number="+4915112345678",
            is_usable=lambda _name: True,
            measured={name: seen.measured[name, "DE"] for name in ("lying", "honest")},
            random_source=partial(truediv, step, 1000),
        )[0].name
        for step in range(1000)
    )
    sys.stdout.write(f"\nof 1000 texts after 40 that were dropped: {dict(first)}\n")
    assert first["honest"] > 900
    assert first["lying"] > 0, "its recovery would never be seen"


@pytest.mark.django_db(transaction=True)
def test_fld_12_codes_that_were_typed_count_where_receipts_never_come(world: World) -> None:
    """A gateway without receipts isn't ranked down: codes that people typed count as delivered."""
    now = datetime.now(UTC)
    for number in range(10):
        delivery = waiting(world)
        outcome = DeliveryOutcome(delivery.pk, "quiet", Result.SENT, "DE", f"q{number}")
        delivery_receipts.note_outcomes([outcome], now=now - timedelta(minutes=5))
        Delivery.objects.filter(pk=delivery.pk).update(entered_at=now)
    assert persistence.measure(["quiet"], now).measured["quiet", "DE"] == Measured(10, 10)
    assert DeliveryAttempt.objects.filter(result=Result.SENT).count() == 10


def test_fld_12_a_slow_gateway_holds_up_no_other_message() -> None:
    """Fifty messages that wait for a slow gateway don't delay a message to another one."""

    async def play() -> None:
        async with opened("vonage-sms", silent, timeout_seconds=5) as slow, opened("twilio-messages", well) as quick:
            waiting_ones = [asyncio.create_task(slow.send(outgoing())) for _ in range(50)]
            while len(silent.requests) < 50:  # noqa: ASYNC110  (the provider is a thread)
                await asyncio.sleep(0.01)
            began = time.monotonic()
            await quick.send(outgoing())
            assert time.monotonic() - began < 2
            assert not any(task.done() for task in waiting_ones)
            silent.let_go.set()
            ended = await asyncio.gather(*waiting_ones, return_exceptions=True)
            assert all(isinstance(one, DeliveryFailed) for one in ended)

    with provider(Mood.SILENT) as silent, provider() as well:
        run(play)
