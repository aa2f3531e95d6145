"""Texts through Debian's Kannel to its fake SMSC, and by SMPP to an SMSC; receipts return to our web server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.phones import kannel as gateway
from tests.phones.http_benches import RING, outgoing, phones_of, run
from tests.phones.perl_smsc import PerlSmsc
from tests.phones.perl_smsc import why_not_here as no_perl
from tests.phones.site import PHONES, WEB, PhoneSite
from tests.phones.smsc import Smsc, free_port
from tests.scenarios.mail.site import wait_until
from tests.world import ALICES_NUMBER, World, make_world
from watchword.config.phones_file import seal
from watchword.core.policy import Channel
from watchword.messaging.content import sms
from watchword.messaging.gateway import Outgoing, Result
from watchword.messaging.gateways.http.callback_urls import addresses_of
from watchword.messaging.gateways.http.client import SafeClient
from watchword.messaging.gateways.http.gateway import HttpGateway, coding_of
from watchword.messaging.gateways.http.request_templates import fill
from watchword.messaging.limits.counters import telephone_of
from watchword.messaging.models import Delivery, DeliveryAttempt, OutboxMessage
from watchword.messaging.send import enqueue, new_delivery

pytestmark = [pytest.mark.scenario, pytest.mark.skipif(bool(gateway.why_not_here()), reason=gateway.why_not_here())]

GSM = "493 027 für Sie @ [Größe] {5 €} ~ \\ ^ ñ Ω"
CYRILLIC = "493 027 — ваш код для Harbour & Hill"


def phones_file(url: str) -> str:
    """Return a phones file that names Kannel."""
    return f"""
[[gateway]]
name = "kannel"
kind = "kannel"
url = "{url}"
user = "watchword"
password = "{seal("open sesame", RING)}"
sender = "Harbour"
private_networks_allowed = true
"""


def gateway_to(running: gateway.Kannel) -> HttpGateway:
    """Return a gateway to Kannel as the phones file creates it."""
    (planned,) = phones_of(phones_file(running.sendsms_url)).gateways
    return HttpGateway("kannel", planned.config, addresses=addresses_of)


async def send_words(to_gateway: HttpGateway, words: str) -> int:
    """Send any words by the gateway's own template; return the status of the response."""
    values = {**to_gateway._values(outgoing()), "text": words, "coding": coding_of(words)}
    request = fill(to_gateway._config, values)
    client = SafeClient(private_networks_allowed=True)
    answer = await client.ask(request.method, request.url, headers=request.headers, content=request.content, seconds=5)
    await client.close()
    return answer.status


def test_texts_in_both_alphabets_arrive_at_the_fake_smsc_letter_by_letter(tmp_path: Path) -> None:
    with gateway.kannel(tmp_path) as running:
        to_gateway = gateway_to(running)

        async def play() -> None:
            await to_gateway.start(lambda _report: None)
            message = outgoing()
            assert (await to_gateway.send(message)).reference == str(message.delivery_id)
            assert [await send_words(to_gateway, words) for words in (GSM, CYRILLIC)] == [202, 202]
            await to_gateway.stop()

        run(play)
        sent = (sms.text_of(outgoing()), GSM, CYRILLIC)
        assert set(running.wait_for(3)) == {gateway.Text("Harbour", ALICES_NUMBER, words) for words in sent}


def test_by_kannel_and_smpp_a_text_arrives_whole(tmp_path: Path) -> None:
    """A text through Watchword, HTTP, Kannel and SMPP arrives at the SMSC unchanged, with both of its lines."""

    async def play() -> None:
        async with Smsc() as smsc:
            with gateway.kannel(tmp_path, smpp=smsc.port) as running:
                to_gateway = gateway_to(running)
                await to_gateway.start(lambda _report: None)
                message = outgoing()
                await to_gateway.send(message)
                for words in (GSM, CYRILLIC):
                    assert await send_words(to_gateway, words) == 202
                got = await smsc.wait_for(3, 20)
                await to_gateway.stop()
        assert {(one.sender, one.number) for one in got} == {("Harbour", ALICES_NUMBER.removeprefix("+"))}
        assert {(one.text, one.data_coding) for one in got} == {
            (sms.text_of(message), 0),
            (GSM, 0),
            (CYRILLIC, 8),
        }

    run(play)


@pytest.mark.skipif(bool(no_perl()), reason=no_perl())
def test_fld_13_kannel_keeps_the_time_at_which_a_code_dies_while_no_gateway_is_there(tmp_path: Path) -> None:
    """Kannel forwards a queued text with its original expiry, so that an expired code is not delivered later."""
    port, log = free_port(), tmp_path / "perl.log"
    with gateway.kannel(tmp_path, smpp=port) as running:
        to_gateway = gateway_to(running)
        lives = timedelta(minutes=3, seconds=30)
        dies_at = datetime.now(UTC) + lives

        async def play() -> None:
            await to_gateway.start(lambda _report: None)
            # Kannel queues the text, since its SMSC is not up yet.
            await to_gateway.send(outgoing(lives=lives))
            await to_gateway.stop()

        run(play)
        with PerlSmsc(port, log) as smsc:
            (text,) = smsc.wait_for_texts(1)
    assert text.words == sms.text_of(outgoing())
    valid_until = datetime.strptime(text.validity[:12], "%y%m%d%H%M%S").replace(tzinfo=UTC)
    assert dies_at - timedelta(minutes=1, seconds=10) <= valid_until <= dies_at


@pytest.fixture
def world(transactional_db: None) -> World:
    """Return the people of the tests, committed so that other processes see them."""
    return make_world()


def queued(world: World, code: str) -> Delivery:
    """Put a code for Alice into the outbox."""
    now = datetime.now(UTC)
    delivery = new_delivery(world.alice, telephone_of(ALICES_NUMBER), Channel.SMS, "sign_in", now=now)
    message = outgoing(code)
    words = ("", code, "Harbour & Hill", "x.example")
    enqueue(Outgoing(delivery.pk, Channel.SMS, ALICES_NUMBER, *words, not_after=message.not_after), now=now)
    return delivery


def result_of(delivery: Delivery) -> Result:
    return Result(Delivery.objects.get(pk=delivery.pk).result)


@pytest.mark.skipif(bool(no_perl()), reason=no_perl())
@pytest.mark.parametrize(("stat", "result"), [("DELIVRD", Result.DELIVERED), ("UNDELIV", Result.UNREACHABLE)])
def test_a_receipt_comes_back_by_all_of_them_to_the_web_server(
    tmp_path: Path, world: World, settings: Any, stat: str, result: Result
) -> None:
    """A code goes from the outbox through dispatcher and Kannel to an SMSC; its receipt returns by Kannel's webhook."""
    port, log = free_port(), tmp_path / "perl.log"
    with PerlSmsc(port, log, stat=stat) as smsc, gateway.kannel(tmp_path, smpp=port) as running:
        site = PhoneSite(tmp_path, phones_file(running.sendsms_url), settings)
        try:
            site.start(WEB, PHONES)
            delivery = queued(world, "493027")
            (text,) = smsc.wait_for_texts(1)
            assert text.number == ALICES_NUMBER.removeprefix("+")
            assert text.words.startswith("493 027 ")
            assert text.words.endswith("\n\n@x.example #493027")
            wait_until(lambda: result_of(delivery) is result)
            # The receipt may arrive before we have recorded that Kannel accepted the text.
            wait_until(lambda: [row.result for row in DeliveryAttempt.objects.all()] == [result])
            assert not OutboxMessage.objects.exists()
            assert "493027" not in site.log_of(WEB) + site.log_of(PHONES)
        finally:
            site.stop()


def test_receipts_of_the_fake_smsc_come_back_too(tmp_path: Path, world: World, settings: Any) -> None:
    with gateway.kannel(tmp_path) as running:
        site = PhoneSite(tmp_path, phones_file(running.sendsms_url), settings)
        try:
            site.start(WEB, PHONES)
            deliveries = [queued(world, f"{number:06d}") for number in range(3)]
            assert len(running.wait_for(3)) == 3
            wait_until(lambda: {result_of(one) for one in deliveries} == {Result.DELIVERED})
        finally:
            site.stop()
