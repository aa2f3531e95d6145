"""A provider that is slow, broken, lies or redirects inside: the gateway reports it in time and stays usable."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import httpcore
import pytest

from tests.phones.http_benches import config_of, failure_of, opened, outgoing, run
from tests.phones.provider import Mood, provider
from tests.phones.smsc import free_port
from tests.phones.tls import Authority, in_front_of
from watchword.messaging.gateway import DeliveryFailed, Result
from watchword.messaging.gateways.http import client as http_client
from watchword.messaging.gateways.http import gateway as gateway_module
from watchword.messaging.gateways.http.callback_urls import addresses_of
from watchword.messaging.gateways.http.client import AddressForbidden, HttpAnswer, NoAnswer, SafeClient, is_public
from watchword.messaging.gateways.http.gateway import HttpGateway


@pytest.mark.parametrize(
    ("mood", "maybe_taken"),
    [
        (Mood.SILENT, True),
        (Mood.CUT, True),
        (Mood.ENDLESS, True),
        (Mood.BABBLING, True),
        (Mood.FAILING, False),
        (Mood.MOVED, False),
        (Mood.REFUSING, False),
        (Mood.DENYING, False),
    ],
)
def test_fld_12_trouble_is_told_in_time_and_says_whether_it_may_have_been_taken(mood: Mood, maybe_taken: bool) -> None:
    """A faulty provider's error is reported within the timeout, and whether it may have taken the message."""

    async def play() -> None:
        async with opened("twilio-messages", one, timeout_seconds=0.5) as gateway:
            began = time.monotonic()
            with pytest.raises(DeliveryFailed) as caught:
                await gateway.send(outgoing())
            assert time.monotonic() - began < 5
            assert (caught.value.result, caught.value.permanent) == (Result.FAILED, False)
            assert caught.value.maybe_taken is maybe_taken
            assert len(one.requests) == 1
            assert one.requests[0].path != "/inside"

    with provider(mood) as one:
        run(play)


def test_fld_12_after_a_hundred_requests_without_an_answer_the_next_one_is_asked() -> None:
    """A hundred timed-out requests free their connections, so that the next message is sent."""

    async def play() -> None:
        async with opened("twilio-messages", one, timeout_seconds=0.5) as gateway:
            failed = await asyncio.gather(*(gateway.send(outgoing()) for _ in range(100)), return_exceptions=True)
            assert all(isinstance(one, DeliveryFailed) for one in failed)
            assert not gateway.condition.is_up
            one.mood = Mood.WELL
            assert (await gateway.send(outgoing())).reference
            assert gateway.condition.is_up

    with provider(Mood.SILENT) as one:
        run(play)


def test_fld_12_a_gateway_that_cannot_be_reached_has_taken_no_message() -> None:
    """A provider that refuses the connection has certainly not taken the message."""

    async def play() -> None:
        config = config_of("twilio-messages", f"http://127.0.0.1:{free_port()}")
        assert not (await failure_of(config)).maybe_taken

    run(play)


def test_fld_12_a_gateway_that_rejects_our_login_has_taken_no_message() -> None:
    """A host that drops packets, as firewalls do, was told nothing; here its connection backlog is full."""

    async def play() -> None:
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            waiting = [socket.socket() for _ in range(4)]
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            config = config_of("twilio-messages", f"http://127.0.0.1:{full.getsockname()[1]}", timeout_seconds=0.5)
            gateway = HttpGateway("one", config, addresses=addresses_of)
            await gateway.start(lambda _report: None)
            with pytest.raises(DeliveryFailed) as caught:
                await gateway.send(outgoing())
            assert not caught.value.maybe_taken
            await gateway.stop()
            for one in waiting:
                one.close()

    run(play)


def test_a_provider_that_failed_is_asked_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a retry its recovery would go unnoticed as long as another gateway takes all messages."""

    async def play() -> None:
        async with opened("twilio-messages", one) as gateway:
            for _ in range(gateway_module.FAILURES_UNTIL_DOWN):
                with pytest.raises(DeliveryFailed):
                    await gateway.send(outgoing())
            assert not gateway.condition.is_up
            assert gateway.condition.words == "the provider answers 500"
            later = gateway._clock() + gateway_module.DOWN_FOR
            monkeypatch.setattr(gateway, "_clock", lambda: later)
            assert gateway.condition.is_up

    with provider(Mood.FAILING) as one:
        run(play)


def test_a_provider_that_says_no_in_a_good_answer_is_down_with_its_own_code_for_it() -> None:
    """Vonage answers 200 to every request, so "answers 200" alone would tell the operator nothing."""

    async def play() -> None:
        form = '{ api_key = "{secret.key}", api_secret = "{secret.secret}" }'
        async with opened("vonage-sms", one, form=form) as gateway:
            for _ in range(gateway_module.FAILURES_UNTIL_DOWN):
                with pytest.raises(DeliveryFailed):
                    await gateway.send(outgoing())
            assert gateway.condition.words == "the provider answers 200 with the code 2"

    with provider() as one:
        run(play)


@pytest.mark.parametrize("code", ["", "+4915112345678", "4915112345678", "x" * 21, "<b>", "no\nline"])
def test_what_is_no_code_is_not_repeated(code: str) -> None:
    gateway = HttpGateway("one", config_of("vonage-sms", "https://api.example"), addresses=addresses_of)
    answer = HttpAnswer(200, json.dumps({"messages": [{"status": code}]}).encode())
    with pytest.raises(DeliveryFailed):
        gateway._evaluate(answer, outgoing())
    assert gateway._words == "the provider answers 200"


@pytest.mark.parametrize(
    ("known", "name", "is_told"),
    [
        pytest.param(True, "localhost", True, id="the authority that ca_file names"),
        pytest.param(False, "localhost", False, id="an authority that nobody knows"),
        pytest.param(True, "carrier.example", False, id="another name"),
    ],
)
def test_only_whom_a_known_authority_vouches_for_is_told_anything(
    tmp_path: Path, known: bool, name: str, is_told: bool
) -> None:
    authority, other, port = Authority(tmp_path), Authority(tmp_path, "Another"), free_port()

    async def play() -> None:
        async with in_front_of(one.port, authority.context_for(name), at=port) as heard:
            file = (authority if known else other).file
            config = config_of("twilio-messages", f"https://localhost:{port}", ca_file=f'"{file}"')
            gateway = HttpGateway("one", config, addresses=addresses_of)
            await gateway.start(lambda _report: None)
            if is_told:
                assert (await gateway.send(outgoing())).reference
            else:
                with pytest.raises(DeliveryFailed) as caught:
                    await gateway.send(outgoing())
                assert not caught.value.maybe_taken
                assert gateway._words == "the certificate of the provider is not trusted"
            assert bool(heard) is is_told
            await gateway.stop()

    with provider() as one:
        run(play)
        assert len(one.texts) == is_told


# Allowed addresses ----------------------------------------------------------------------------------------------------

INSIDE = [
    "127.0.0.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "224.0.0.1",
    "192.0.2.1",
    "::1",
    "::",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2001:0:7f00:1::1",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
]


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_of_the_inside_are_refused_in_every_form(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "::ffff:1.1.1.1", "64:ff9b::101:101", "2606:4700:4700::1111"])
def test_addresses_of_the_internet_are_taken(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0", "2130706433", "0x7f.1"])
def test_no_spelling_of_this_machine_is_asked(host: str) -> None:
    """The resolved address is checked, not its spelling."""

    async def play() -> None:
        client = SafeClient()
        with pytest.raises((AddressForbidden, NoAnswer)) as caught:
            await client.ask("GET", f"http://{host}:{one.port}/", headers={}, content=b"", seconds=2)
        assert not getattr(caught.value, "maybe_taken", False)
        assert one.requests == []
        await client.close()

    with provider() as one:
        run(play)


def test_a_name_with_one_address_inside_is_refused_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    async def two(_host: str, _port: int) -> list[str]:
        return ["1.1.1.1", "127.0.0.1"]

    async def play() -> None:
        client = SafeClient()
        with pytest.raises(AddressForbidden):
            await client.ask("GET", f"http://names.example:{one.port}/", headers={}, content=b"", seconds=2)
        await client.close()

    monkeypatch.setattr(http_client, "resolve", two)
    with provider() as one:
        run(play)
        assert one.requests == []


def test_a_name_that_changes_its_mind_leads_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the name is resolved once for each connection, and the checked address is the one connected to."""
    asked: list[str] = []

    async def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["203.0.113.1"] if len(asked) == 1 else ["127.0.0.1"]

    connected: list[str] = []

    async def connect(_self: object, host: str, _port: int, **_options: object) -> Any:
        connected.append(host)
        raise httpcore.ConnectError("no")

    async def play() -> None:
        client = SafeClient()
        for expected in (AddressForbidden, AddressForbidden):
            with pytest.raises(expected):
                await client.ask("GET", "http://names.example/", headers={}, content=b"", seconds=2)
        monkeypatch.setattr(http_client, "is_public", lambda address: address == "203.0.113.1")
        asked.clear()
        with pytest.raises(NoAnswer):
            await client.ask("GET", "http://names.example/", headers={}, content=b"", seconds=2)
        assert asked == ["names.example"]
        assert connected == ["203.0.113.1"]
        await client.close()

    monkeypatch.setattr(http_client, "resolve", rebinding)
    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    run(play)


def status_of_a_name(addresses: list[str], monkeypatch: pytest.MonkeyPatch, *, seconds: float) -> int:
    """Return the provider's status when it is reached by a name with these addresses; it listens at 127.0.0.1 only."""

    async def resolved(_host: str, _port: int) -> list[str]:
        return addresses

    async def play() -> None:
        client = SafeClient(private_networks_allowed=True)
        address = f"http://names.example:{one.port}/"
        answers.append(await client.ask("GET", address, headers={}, content=b"", seconds=seconds))
        await client.close()

    answers: list[HttpAnswer] = []
    monkeypatch.setattr(http_client, "resolve", resolved)
    with provider() as one:
        run(play)
    return answers[0].status


def test_every_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with an IPv6 address is still reached from a machine without IPv6."""
    assert status_of_a_name(["::1", "127.0.0.1"], monkeypatch, seconds=2) == 404


def test_an_address_that_swallows_what_is_sent_to_it_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """A firewall drops IPv6, the name has an IPv6 address, and this machine assumes that it has a route there."""
    connect = httpcore.AnyIOBackend.connect_tcp

    async def swallowed(self: Any, host: str, port: int, **options: Any) -> Any:
        if ":" in host:
            await asyncio.sleep(60)
        return await connect(self, host, port, **options)

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", swallowed)
    assert status_of_a_name(["2606:4700:4700::1111", "127.0.0.1"], monkeypatch, seconds=4) == 404


def test_no_proxy_of_the_environment_sees_a_code(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        async with opened("twilio-messages", one) as gateway:
            await gateway.send(outgoing())

    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with provider() as one:
        run(play)
        assert len(one.texts) == 1


def test_a_certificate_of_an_unknown_authority_is_refused() -> None:
    async def play() -> None:
        config = config_of("twilio-messages", "https://127.0.0.1:1")
        gateway = HttpGateway("one", config, addresses=addresses_of)
        await gateway.start(lambda _report: None)
        assert gateway._client is not None
        context = gateway._client._pool._ssl_context
        assert context is not None
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        await gateway.stop()

    run(play)
