"""Calls by SIP systems with rare behaviour that the standards allow, and packets that no system should send."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiosipua import SipRequest, parse_sdp

from tests.messaging.test_voice_audio import wav
from tests.phones.calling import NUMBER, Reports, call, caller, is_idle, run
from tests.phones.pbx import HOST, Pbx, Peer, key_packet, pbx, peer, sound_at
from tests.phones.smsc import free_even_port
from watchword.messaging.gateway import DeliveryFailed, Result
from watchword.messaging.gateways.sip import registration
from watchword.messaging.gateways.sip.call_flow import CallFlow
from watchword.messaging.gateways.sip.gateway import SipGateway
from watchword.messaging.voice import tts

CHALLENGE = 'Digest realm="pbx.example", nonce="n1", qop="auth", algorithm=MD5'


@pytest.fixture(autouse=True)
def voice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the synthesiser with a short sound."""
    monkeypatch.setattr(tts, "is_available", lambda: True)
    monkeypatch.setattr(tts, "speak", lambda _words, _language: wav(b"\1\0" * 800))


@asynccontextmanager
async def ringing(**config: Any) -> AsyncIterator[tuple[Pbx, SipRequest, SipGateway, Reports]]:
    """Place a call that rings."""
    async with pbx() as system, caller(system.port, **config) as (gateway, reports):
        sending = asyncio.ensure_future(gateway.send(call(match="47")))
        invite = await system.takes("INVITE")
        system.say(invite, 180)
        await sending
        yield system, invite, gateway, reports


@asynccontextmanager
async def answered(**config: Any) -> AsyncIterator[tuple[Pbx, SipRequest, Peer, Reports]]:
    """Place a call that is answered by a telephone with its own RTP port, and hang up at the end."""
    async with ringing(**config) as (system, invite, gateway, reports):
        telephone = await peer()
        try:
            system.say(invite, 200, sound=sound_at(telephone.port))
            await system.takes("ACK")
            await telephone.wait_for(1)
            yield system, invite, telephone, reports
            system.ask(invite, "BYE")
            await is_idle(gateway)
        finally:
            telephone.transport.close()


def sound_port_of(invite: SipRequest) -> int:
    address = parse_sdp(invite.text).rtp_address
    assert address is not None
    return address[1]


def test_a_challenge_that_comes_twice_is_no_refusal() -> None:
    """A slow SIP system gets an INVITE and its retransmission, and challenges both."""

    async def play() -> None:
        async with pbx() as system, caller(system.port, password="opensesame1") as (gateway, _reports):
            sending = asyncio.ensure_future(gateway.send(call()))
            first = await system.takes("INVITE")
            for _ in range(2):
                system.say(first, 407, Proxy_Authenticate=CHALLENGE)
            await system.takes("ACK")
            second = await system.takes("INVITE")
            assert second.get_header("proxy-authorization")
            system.say(second, 180)
            assert (await sending).result is Result.SENT
            assert gateway.condition.is_up

    run(play)


def test_a_registration_that_is_challenged_twice_is_no_refusal() -> None:
    async def play() -> None:
        async with pbx() as system, caller(system.port, password="opensesame1", register=True) as (gateway, _reports):
            first = await system.takes("REGISTER")
            for _ in range(2):
                system.say(first, 401, WWW_Authenticate=CHALLENGE)
            system.say(await system.takes("REGISTER"), 200)
            async with asyncio.timeout(5):
                await gateway._registration.is_up.wait()
            assert "refuses" not in gateway.condition.words
            assert system.requests.empty()

    run(play)


def test_who_else_is_registered_does_not_say_how_long_we_are() -> None:
    """After a crash the registrar still holds our old contact for a second or so, and lists it first."""

    async def play() -> None:
        async with pbx() as system, caller(system.port, register=True) as (gateway, _reports):
            first = await system.takes("REGISTER")
            ours = (first.get_header("contact") or "") + ";expires=300"
            system.say(first, 200, Contact=f"<sip:watchword@{HOST}:9>;expires=0, {ours}")
            await gateway._registration.is_up.wait()
            await asyncio.sleep(0.1)
            assert system.requests.empty()
            assert gateway.condition.is_up

    run(play)


@pytest.mark.parametrize(
    ("rings", "result", "permanent"), [(False, Result.BLOCKED, False), (True, Result.DECLINED, None)]
)
def test_403_is_said_of_a_call_and_not_of_our_password(
    *, rings: bool, result: Result, permanent: bool | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Asterisk and ISDN gateways (RFC 3398) answer 403 when the callee declines, trunks when a number is barred."""

    caplog.set_level("INFO")

    async def play() -> None:
        async with pbx() as system, caller(system.port) as (gateway, reports):
            sending = asyncio.ensure_future(gateway.send(call()))
            invite = await system.takes("INVITE")
            if rings:
                system.say(invite, 180)
                await sending
            system.say(invite, 403)
            if rings:
                await reports.wait_for(result)
            else:
                with pytest.raises(DeliveryFailed) as caught:
                    await sending
                assert (caught.value.result, caught.value.permanent) == (result, permanent)
            await is_idle(gateway)
            assert gateway.condition.is_up
            assert "ended with SIP 403" in caplog.text

    run(play)


def test_no_ringing_is_asked_for_that_has_to_be_acknowledged() -> None:
    """A callee that supports 100rel may send the session description with the ringing response, and never repeat it."""

    async def play() -> None:
        async with pbx() as system, caller(system.port, password="opensesame1") as (gateway, _reports):
            sending = asyncio.ensure_future(gateway.send(call()))
            first = await system.takes("INVITE")
            system.say(first, 401, WWW_Authenticate=CHALLENGE)
            await system.takes("ACK")
            second = await system.takes("INVITE")
            assert [invite.get_header_values("supported") for invite in (first, second)] == [[], []]
            system.say(second, 486)
            with pytest.raises(DeliveryFailed):
                await sending

    run(play)


def test_a_description_that_can_not_be_read_is_hung_up_at_once() -> None:
    async def play() -> None:
        async with ringing() as (system, invite, gateway, reports):
            system.say(invite, 200, sound=sound_at(4000).replace("m=audio 4000", "m=audio four"))
            await system.takes("ACK")
            system.say(await system.takes("BYE"), 200)
            await reports.wait_for(Result.FAILED)
            await is_idle(gateway)

    run(play)


def test_nothing_of_a_call_goes_on_after_it_ended() -> None:
    """The SIP system names a session refresh interval (Session-Expires) and hangs up before it ends."""

    async def play() -> None:
        async with ringing() as (system, invite, gateway, _reports):
            system.say(invite, 200, sound=sound_at(free_even_port()), Session_Expires="90;refresher=uac")
            await system.takes("ACK")
            system.ask(invite, "BYE")
            assert (await system.hears()).status_code == 200
            await is_idle(gateway)
            left = [str(task.get_coro()) for task in asyncio.all_tasks()]
            assert not [name for name in left if "SessionTimer" in name]

    run(play)


def test_a_caller_that_stops_proves_once_more_who_it_is_where_a_goodbye_wants_that() -> None:
    async def play() -> None:
        async with pbx() as system, caller(system.port, password="opensesame1") as (gateway, reports):
            sending = asyncio.ensure_future(gateway.send(call()))
            invite = await system.takes("INVITE")
            system.say(invite, 200, sound=sound_at(free_even_port()))
            await system.takes("ACK")
            await sending
            await reports.wait_for(Result.DELIVERED)
            stopping = asyncio.ensure_future(gateway.stop())
            system.say(await system.takes("BYE"), 407, Proxy_Authenticate=CHALLENGE)
            # Without the second BYE the callee would stay in a dead call.
            goodbye = await system.takes("BYE")
            assert goodbye.get_header("proxy-authorization")
            system.say(goodbye, 200)
            await stopping

    run(play)


def test_a_call_that_is_moved_is_moved_once_however_often_that_is_asked() -> None:
    async def play() -> None:
        async with answered() as (system, invite, _telephone, _reports):
            other = await peer()
            question = system.ask(invite, "INVITE", sound=sound_at(other.port))
            first = await system.hears()
            # Our response was lost, so the request is retransmitted.
            system.send(bytes(question))
            second = await system.hears()
            assert [first.status_code, second.status_code] == [200, 200]
            assert bytes(first) == bytes(second)
            await other.wait_for(3)
            other.transport.close()

    run(play)


def test_a_call_that_is_moved_while_the_voice_is_made_is_heard_at_the_new_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = asyncio.Event()

    async def prepare(_self: CallFlow) -> None:
        await made.wait()

    monkeypatch.setattr(CallFlow, "prepare", prepare)

    async def play() -> None:
        async with ringing() as (system, invite, gateway, reports):
            first, second = await peer(), await peer()
            system.say(invite, 200, sound=sound_at(first.port, payload_type=8, name="PCMA"))
            await system.takes("ACK")
            await asyncio.sleep(0.1)
            system.ask(invite, "INVITE", sound=sound_at(second.port, payload_type=8, name="PCMA"))
            assert (await system.hears()).status_code == 200
            made.set()
            await second.wait_for(3)
            for number, key in enumerate((4, 7)):
                second.transport.sendto(key_packet(key, number + 1), (HOST, sound_port_of(invite)))
            await reports.wait_for(Result.APPROVED)
            system.ask(invite, "BYE")
            await is_idle(gateway)
            for one in (first, second):
                one.transport.close()

    run(play)


def test_who_moves_a_call_and_offers_nothing_gets_our_offer() -> None:
    async def play() -> None:
        async with answered() as (system, invite, _telephone, _reports):
            system.ask(invite, "INVITE")
            said = await system.hears()
            assert said.status_code == 200
            audio = parse_sdp(said.text).audio
            assert audio is not None
            assert (audio.port, audio.formats) == (sound_port_of(invite), ["0", "101"])

    run(play)


@pytest.mark.parametrize(
    "offer", [sound_at(4000, payload_type=9, name="G722"), sound_at(4000).replace("m=audio", "m=image")]
)
def test_a_move_that_we_can_not_follow_is_refused_and_the_call_goes_on(offer: str) -> None:
    async def play() -> None:
        async with answered() as (system, invite, telephone, _reports):
            system.ask(invite, "INVITE", sound=offer)
            assert (await system.hears()).status_code == 488
            await telephone.wait_for(len(telephone.got) + 3)

    run(play)


def options(via: str) -> bytes:
    return (
        f"OPTIONS sip:watchword@{HOST} SIP/2.0\r\nVia: {via};branch=z9hG4bKhostile\r\nFrom: <sip:a@b>;tag=1\r\n"
        "To: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n"
    ).encode()


@pytest.mark.parametrize("via", [f"SIP/2.0/UDP {HOST}:99999", f"SIP/2.0/UDP {HOST};rport=-1", "SIP/2.0/UDP [", ""])
def test_no_packet_closes_the_way_to_the_telephone_system(via: str) -> None:
    """A response goes to the port in the request's Via header, and sending to port 99999 would break the socket."""

    async def play() -> None:
        async with ringing() as (system, invite, gateway, _reports):
            system.send(options(via))
            system.send(options(f"SIP/2.0/UDP {HOST}:{system.port}").replace(b"hostile", b"honest"))
            async with asyncio.timeout(5):
                while "honest" not in str((await system.hears()).get_header("via")):
                    pass
            system.say(invite, 486)
            await is_idle(gateway)

    run(play)


def test_no_answer_goes_to_others_than_the_telephone_system() -> None:
    async def play() -> None:
        async with ringing() as (system, invite, gateway, _reports):
            stranger = await peer("127.0.0.2")
            system.send(options(f"SIP/2.0/UDP {HOST}:{stranger.port};received=127.0.0.2"))
            system.send(options(f"SIP/2.0/UDP {HOST}:{system.port}").replace(b"hostile", b"honest"))
            await system.hears()
            assert stranger.got == []
            stranger.transport.close()
            system.say(invite, 486)
            await is_idle(gateway)

    run(play)


def test_calls_to_us_are_declined_and_nothing_is_kept_of_them() -> None:
    async def play() -> None:
        async with ringing() as (system, invite, gateway, _reports):
            for number in range(20):
                system.ask(invite, "INVITE", sound=sound_at(4000), Call_ID=f"stranger-{number}")
                assert (await system.hears()).status_code == 603
            server = gateway._registration._server
            assert server is not None
            assert server.active_calls == {}
            assert server.transactions.server_transactions == {}
            system.say(invite, 486)
            await is_idle(gateway)

    run(play)


def test_a_telephone_system_that_moved_to_another_address_is_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(registration, "ASK_EVERY_SECONDS", 0.1)
    monkeypatch.setattr(registration, "FIRST_PAUSE_SECONDS", 0.1)
    addresses = ["127.0.0.2", "127.0.0.3"]

    async def found(_loop: object, _host: str, port: int, **_more: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", (addresses[0], port))]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", found)

    async def play() -> None:
        async with pbx("127.0.0.2") as before:
            port = before.port
            channel = caller(port, host="pbx.example", local_host=HOST)
            gateway, _reports = await channel.__aenter__()
            await gateway._registration.is_up.wait()
        await gateway._registration.is_down.wait()
        addresses.pop(0)
        async with pbx("127.0.0.3", port) as after:
            async with asyncio.timeout(10):
                await gateway._registration.is_up.wait()
            sending = asyncio.ensure_future(gateway.send(call()))
            invite = await after.takes("INVITE")
            assert NUMBER in invite.uri
            after.say(invite, 486)
            with pytest.raises(DeliveryFailed):
                await sending
            await channel.__aexit__(None, None, None)

    run(play)


def test_a_host_that_is_no_name_is_told_and_looked_for_again() -> None:
    async def play() -> None:
        async with caller(5060, host="pbx..example") as (gateway, _reports):
            async with asyncio.timeout(5):
                while gateway.condition.words == "connecting":  # noqa: ASYNC110  (the condition has no event)
                    await asyncio.sleep(0.02)
            assert gateway.condition.words == "no connection"

    run(play)
