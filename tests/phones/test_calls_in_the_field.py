"""Unusual SIP systems from field reports: addresses, ports and responses that differ from most."""

from __future__ import annotations

import asyncio

import pytest
from aiosipua import parse_sdp

from tests.phones.answered import answered, rtp_port
from tests.phones.calling import call, caller, is_idle, run, sign_off
from tests.phones.pbx import pbx, peer, sound_at
from tests.phones.smsc import free_even_port
from tests.phones.test_smpp_links import until
from watchword.messaging.gateway import DeliveryFailed, Result
from watchword.messaging.gateways.sip import registration
from watchword.messaging.gateways.sip.config import Keepalive

OTHER_HOST = "127.0.0.2"


pytestmark = pytest.mark.usefixtures("quick_voice")


# Audio and addresses --------------------------------------------------------------------------------------------------


def test_a_description_that_came_with_the_ringing_counts() -> None:
    async def play() -> None:
        async with pbx() as system, caller(system.port) as (gateway, reports):
            telephone = await peer()
            sending = asyncio.ensure_future(gateway.send(call(match="47")))
            invite = await system.takes("INVITE")
            system.say(invite, 183, sound=sound_at(telephone.port))
            await sending
            system.say(invite, 200)
            await system.takes("ACK")
            await telephone.wait_for(3)
            system.ask(invite, "BYE")
            await is_idle(gateway)
            assert Result.FAILED not in reports.results
            telephone.transport.close()

    run(play)


def test_two_channels_with_the_same_ports_for_sound_never_share_one() -> None:
    first = free_even_port()
    ports = {"first_rtp_port": first, "last_rtp_port": first + 7, "calls_at_once": 4}

    async def play() -> None:
        async with (
            pbx() as system,
            caller(system.port, **ports) as (one, _),
            caller(system.port, **ports) as (other, _),
        ):
            sending = [asyncio.ensure_future(gateway.send(call())) for gateway in (one, other, one, other)]
            invites = [await system.takes("INVITE") for _ in sending]
            assert sorted(rtp_port(invite) for invite in invites) == [first, first + 2, first + 4, first + 6]
            # The ports are bound before the calls are answered, so a fifth call finds none.
            with pytest.raises(DeliveryFailed) as caught:
                await one.send(call())
            assert caught.value.is_full
            for task in sending:
                task.cancel()

    run(play)


def test_the_public_address_is_told_and_the_own_one_is_bound() -> None:
    async def play() -> None:
        async with pbx() as system, caller(system.port, public_host="203.0.113.7") as (gateway, _reports):
            sending = asyncio.ensure_future(gateway.send(call()))
            invite = await system.takes("INVITE")
            address = parse_sdp(invite.text).rtp_address
            assert address is not None
            assert address[0] == "203.0.113.7"
            assert "@203.0.113.7:" in f"@{(invite.get_header('contact') or '').removeprefix('<sip:')}"
            assert "203.0.113.7:" in (invite.get_header("via") or "")
            system.say(invite, 486)
            with pytest.raises(DeliveryFailed) as caught:
                await sending
            assert caught.value.result is Result.BUSY

    run(play)


def test_behind_a_translator_the_address_that_the_telephone_system_sees_is_told() -> None:
    """RFC 3581: the received and rport parameters of the first response give the address as seen through NAT."""

    async def play() -> None:
        async with pbx() as system:
            system.sees_caller_as = ("198.51.100.9", 40_123)
            async with caller(system.port, register=True) as (gateway, _reports):
                first = await system.takes("REGISTER")
                system.say(first, 200, Expires="300")
                second = await system.takes("REGISTER")
                assert "198.51.100.9:40123" in (second.get_header("contact") or "")
                assert "198.51.100.9" not in (first.get_header("contact") or "")
                system.say(second, 200, Expires="300")
                sending = asyncio.ensure_future(gateway.send(call()))
                invite = await system.takes("INVITE")
                assert "198.51.100.9:40123" in (invite.get_header("contact") or "")
                assert "c=IN IP4 198.51.100.9" in invite.text
                system.say(invite, 486)
                with pytest.raises(DeliveryFailed):
                    await sending
                await system.takes("ACK")
                await sign_off(gateway, system)

    run(play)


def test_an_address_that_changes_while_we_are_registered_is_told_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "ASK_EVERY_SECONDS", 0.1)

    async def play() -> None:
        async with pbx() as system, caller(system.port, register=True) as (gateway, _reports):
            system.say(await system.takes("REGISTER"), 200, Expires="300")
            await until(lambda: gateway.condition.is_up)
            system.sees_caller_as = ("198.51.100.9", 40_123)
            again = await system.takes("REGISTER")
            assert "198.51.100.9:40123" in (again.get_header("contact") or "")
            assert gateway.condition.is_up
            system.say(again, 200, Expires="300")
            await sign_off(gateway, system)

    run(play)


@pytest.mark.parametrize("seen", [("pbx.example", 5060), ("198.51.100.9", 0), ("198.51.100.9", 99_999), ("0.0.0.0", 1)])
def test_an_impossible_address_is_not_taken_over(seen: tuple[str, int]) -> None:
    async def play() -> None:
        async with pbx() as system:
            system.sees_caller_as = seen
            async with caller(system.port) as (gateway, _reports):
                sending = asyncio.ensure_future(gateway.send(call()))
                invite = await system.takes("INVITE")
                assert "c=IN IP4 127.0.0.1" in invite.text
                assert "127.0.0.1" in (invite.get_header("contact") or "")
                system.say(invite, 486)
                with pytest.raises(DeliveryFailed):
                    await sending

    run(play)


def test_over_ipv6_the_own_address_is_no_other_one_for_its_brackets() -> None:
    async def play() -> None:
        async with pbx(host="::1") as system, caller(system.port, host="::1", register=True) as (gateway, _reports):
            system.say(await system.takes("REGISTER"), 200, Expires="300")
            await until(lambda: gateway.condition.is_up)
            sending = asyncio.ensure_future(gateway.send(call()))
            invite = await system.takes("INVITE")
            assert "c=IN IP6 ::1" in invite.text
            system.say(invite, 486)
            with pytest.raises(DeliveryFailed):
                await sending
            await system.takes("ACK")
            await sign_off(gateway, system)

    run(play)


def test_a_trunk_of_several_machines_may_hang_up_from_another_one() -> None:
    async def play() -> None:
        async with answered() as (system, invite, telephone, gateway, _reports):
            await telephone.wait_for(3)
            other = await peer(OTHER_HOST)
            system.ask(invite, "BYE", by=other.transport, tag="nobody")
            system.ask(invite, "BYE", by=other.transport)
            await other.wait_for(1)
            await is_idle(gateway)
            assert other.got[0].startswith(b"SIP/2.0 200 ")
            assert len(other.got) == 1
            other.transport.close()

    run(play)


def test_a_trunk_that_ignores_options_is_used_where_the_file_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(registration, "ASK_EVERY_SECONDS", 0.1)

    async def play() -> None:
        async with pbx() as system:
            system.ignores_options = True
            async with caller(system.port) as (asking, _):
                await until(lambda: 'say keepalive = "none"' in asking.condition.words)
            async with caller(system.port, keepalive=Keepalive.NONE) as (gateway, _):
                sending = asyncio.ensure_future(gateway.send(call()))
                system.say(await system.takes("INVITE"), 486)
                with pytest.raises(DeliveryFailed) as caught:
                    await sending
                assert caught.value.result is Result.BUSY

    run(play)


# Refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [302, 403, 415, 488, 606])
def test_what_is_refused_because_of_how_we_call_is_not_repeated(status: int) -> None:
    async def play() -> None:
        async with pbx() as system, caller(system.port) as (gateway, _reports):
            sending = asyncio.ensure_future(gateway.send(call()))
            system.say(await system.takes("INVITE"), status)
            with pytest.raises(DeliveryFailed) as caught:
                await sending
            assert (caught.value.permanent, caught.value.is_useless_again) == (False, True)
            assert gateway.condition.is_up

    run(play)


@pytest.mark.parametrize(
    ("said", "seconds"), [("30", 30.0), ("18;duration=60", 18.0), ("99999999", 3600.0), ("soon", 0.0)]
)
def test_a_telephone_system_that_says_when_to_try_again_is_listened_to(said: str, seconds: float) -> None:
    async def play() -> None:
        async with pbx() as system, caller(system.port) as (gateway, _reports):
            sending = asyncio.ensure_future(gateway.send(call()))
            system.say(await system.takes("INVITE"), 503, Retry_After=said)
            with pytest.raises(DeliveryFailed) as caught:
                await sending
            assert caught.value.retry_after_seconds == seconds
            assert not caught.value.is_useless_again

    run(play)
