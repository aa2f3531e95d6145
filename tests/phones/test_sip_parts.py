"""The parts of calls, each alone: transactions and the UDP socket, RTP session, call flow."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import pytest
from aiosipua import SipRequest, build_sdp
from aiosipua.message import SipMessage
from hypothesis import given
from hypothesis import strategies as st

from tests.phones.calling import CODE, call, run
from tests.phones.pbx import key_packet, peer
from tests.phones.smsc import free_even_port, free_port
from watchword.messaging.content.sms import Said
from watchword.messaging.gateway import Result
from watchword.messaging.gateways.sip import rtp_ports
from watchword.messaging.gateways.sip import transactions as layers
from watchword.messaging.gateways.sip.call_flow import CallFlow
from watchword.messaging.gateways.sip.config import SipConfig
from watchword.messaging.gateways.sip.media import NoCommonSound, RtpSession
from watchword.messaging.gateways.sip.transactions import TransactionLayer
from watchword.messaging.voice.prompts import Prompts


def request(method: str) -> SipRequest:
    message = SipRequest(method=method, uri="sip:pbx.example")
    message.headers.set_single("Via", "SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKone;rport")
    for name, value in {"From": "<sip:a@b>;tag=1", "To": "<sip:a@b>", "Call-ID": "x", "CSeq": f"1 {method}"}.items():
        message.headers.set_single(name, value)
    return message


def line_at(port: int) -> RtpSession:
    """Return an RTP session at a bound port, as it is before a call is offered."""
    pair = rtp_ports.reserve("127.0.0.1", port, port + 1)
    assert pair is not None
    return RtpSession("127.0.0.1", pair)


ANSWER = (
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKone\r\nFrom: <sip:a@b>;tag=1\r\n"
    b"To: <sip:a@b>;tag=2\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


@pytest.mark.parametrize("method", ["OPTIONS", "INVITE"])
def test_a_request_is_retransmitted_until_a_response_arrives(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    monkeypatch.setattr(layers, "T1_SECONDS", 0.02)

    async def play() -> None:
        pbx, port = await peer(), free_port()
        layer = TransactionLayer(("127.0.0.1", port), frozenset({"127.0.0.1"}))
        await layer.start()
        layer.listen_first(None)
        sent = request(method)
        layer.send(sent, ("127.0.0.1", pbx.port))
        await pbx.wait_for(3)
        assert len(set(pbx.got)) == 1
        transaction = layer.transaction_of(sent)
        assert transaction is not None
        pbx.transport.sendto(ANSWER.replace(b"1 OPTIONS", f"1 {method}".encode()), ("127.0.0.1", port))
        assert (await transaction.final).status_code == 200
        assert transaction.timer is not None
        assert transaction.timer.cancelled()
        await layer.stop()
        pbx.transport.close()

    run(play)


def test_an_acknowledgement_is_never_waited_for() -> None:
    async def play() -> None:
        layer = TransactionLayer(("127.0.0.1", free_port()), frozenset({"127.0.0.1"}))
        await layer.start()
        layer.send(request("ACK"), ("127.0.0.1", free_port()))
        assert layer.transaction_of(request("ACK")) is None
        await layer.stop()

    run(play)


def test_what_others_than_the_telephone_system_send_is_dropped_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    parse = SipMessage.parse

    def reading(data: bytes) -> Any:
        read.append(data)
        return parse(data)

    monkeypatch.setattr(SipMessage, "parse", reading)

    async def play() -> None:
        stranger, pbx, port = await peer("127.0.0.2"), await peer(), free_port()
        layer = TransactionLayer(("127.0.0.1", port), frozenset({"127.0.0.1"}))
        heard: list[str] = []
        await layer.start()
        layer.listen_first(lambda _message, address: heard.append(address[0]))
        layer.send(request("OPTIONS"), ("127.0.0.1", pbx.port))
        transaction = layer.transaction_of(request("OPTIONS"))
        assert transaction is not None
        stranger.transport.sendto(ANSWER, ("127.0.0.1", port))
        stranger.transport.sendto(b"\xff\x00 rubbish", ("127.0.0.1", port))
        pbx.transport.sendto(ANSWER, ("127.0.0.1", port))
        await transaction.final
        assert heard == ["127.0.0.1"]
        # Parsing 60 kilobytes of headers takes a hundredth of a second, so a stranger's packets are not parsed at all.
        assert read == [ANSWER]
        await layer.stop()
        for one in (stranger, pbx):
            one.transport.close()

    run(play)


def test_fld_08_keys_from_anywhere_else_are_not_heard() -> None:
    """An attacker who sees the two digits in a browser can't send them as RTP keys from another address."""

    async def play() -> None:
        stranger, phone, port = await peer("127.0.0.2"), await peer(), free_even_port()
        line = line_at(port)
        await line.open(build_sdp("127.0.0.1", phone.port, 0, "PCMU"))
        line.start()
        try:
            stranger.transport.sendto(key_packet(4, 1), ("127.0.0.1", port))
            stranger.transport.sendto(key_packet(7, 2), ("127.0.0.1", port))
            phone.transport.sendto(b"\x80\xe5\x00\x01" + bytes(8) + b"\x01", ("127.0.0.1", port))
            phone.transport.sendto(key_packet(9, 3), ("127.0.0.1", port))
            assert await line.key(5) == "9"
            assert await line.key(0) is None
            # Audio still goes to the telephone, not to the stranger.
            await phone.wait_for(3)
            # RTCP reports don't go to a stranger who sends one either.
            stranger.transport.sendto(b"\x80\xc9\x00\x01" + bytes(4), ("127.0.0.1", port + 1))
            stranger.transport.sendto(b"\x80\xc9\x00\x01" + bytes(4), ("127.0.0.1", port))
            await phone.wait_for(len(phone.got) + 3)
        finally:
            await line.close()
            await asyncio.sleep(0.05)
            # The session sends an RTCP BYE when it is closed.
            assert stranger.got == []
            for one in (stranger, phone):
                one.transport.close()

    run(play)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "no place"),
        (build_sdp("0.0.0.0", 4000, 0, "PCMU"), "no place"),
        (build_sdp("pbx.example", 4000, 0, "PCMU"), "no place"),
        (build_sdp("127.0.0.1", 0, 0, "PCMU"), "no place"),
        (build_sdp("127.0.0.1", 70_000, 0, "PCMU"), "no place"),
        (build_sdp("127.0.0.1", 4000, 18, "G729"), "neither PCMU nor PCMA"),
        (build_sdp("127.0.0.1", 4000, 0, "PCMU", dtmf_payload_type=0), "no keys"),
    ],
)
def test_an_answer_that_can_not_be_used_says_why(answer: Any, words: str) -> None:
    async def play() -> None:
        line = line_at(free_even_port())
        with pytest.raises(NoCommonSound, match=words):
            await line.open(answer)
        await line.close()

    run(play)


@pytest.mark.parametrize("steps", range(1, 7))
def test_a_line_that_is_given_up_while_it_opens_leaves_no_port_open(steps: int) -> None:
    async def play() -> None:
        port = free_even_port()
        line = line_at(port)
        opening = asyncio.ensure_future(line.open(build_sdp("127.0.0.1", 4000, 0, "PCMU")))
        for _ in range(steps):
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await line.close()
        await asyncio.sleep(0.01)
        pair = rtp_ports.reserve("127.0.0.1", port, port + 1)
        assert pair is not None
        pair.close()

    run(play)


def test_what_is_said_is_cut_short_by_what_is_said_next() -> None:
    async def play() -> None:
        phone, port = await peer(), free_even_port()
        line = line_at(port)
        await line.open(build_sdp("127.0.0.1", phone.port, 8, "PCMA"))
        line.start()
        try:
            line.play(bytes(16_000 * 60))
            line.play(bytes(1_600))
            async with asyncio.timeout(5):
                await line.played()
            assert phone.got[0][1] & 0x7F == 8
        finally:
            await line.close()
            phone.transport.close()

    run(play)


def test_ports_are_even_used_by_one_call_and_come_back_last() -> None:
    first = free_even_port()
    taken = [rtp_ports.reserve("127.0.0.1", first - 1, first + 5) for _ in range(4)]
    assert [pair.port if pair else None for pair in taken] == [first, first + 2, first + 4, None]
    for pair in taken[:2]:
        assert pair is not None
        pair.close()
    again = [rtp_ports.reserve("127.0.0.1", first - 1, first + 5) for _ in range(2)]
    assert [pair.port if pair else None for pair in again] == [first, first + 2]
    for pair in (*again, taken[2]):
        assert pair is not None
        pair.close()


def test_a_port_that_another_program_has_is_skipped() -> None:
    first = free_even_port()
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", first + 1))
        pair = rtp_ports.reserve("127.0.0.1", first, first + 3)
        assert pair is not None
        assert pair.port == first + 2
        pair.close()


class FakeLine:
    """An RTP session in which keys arrive at once, and played audio is recorded."""

    heard_seconds = 0.0

    def __init__(self, keys: str) -> None:
        self._keys = list(keys)
        self.pressed = ""
        self.played_after: list[tuple[str, bytes]] = []

    def play(self, pcm: bytes) -> None:
        self.played_after.append((self.pressed, pcm))

    async def played(self) -> None:
        return

    async def key(self, _seconds: float) -> str | None:
        if not self._keys:
            return None
        self.pressed += self._keys[0]
        return self._keys.pop(0)

    async def dial_extension(self, _extension: str) -> None:
        return


class FakePrompts(Prompts):
    """Prompts that return names instead of audio."""

    def sound_of(self, sentences: Sequence[Said], language: str) -> bytes:
        return " ".join(said.words if said.words.isdigit() else said.name for said in sentences).encode()


def lead(keys: str, **more: Any) -> tuple[FakeLine, list[Result], list[str]]:
    line, results = FakeLine(keys), list[Result]()
    conversation = CallFlow(call(**more), line, FakePrompts(), results.append)  # type: ignore[arg-type]  # as a session
    asyncio.run(conversation.lead())
    said = [pcm.decode() for _pressed, pcm in line.played_after if pcm.strip(b"\0")]
    return line, results, said


@given(st.text("0123456789*#", max_size=12))
def test_fld_07_whatever_is_pressed_no_digit_is_said_before_key_1(keys: str) -> None:
    """Whatever keys are pressed, no digit of the code is spoken before key 1."""
    line, _results, _said = lead(keys)
    for pressed, pcm in line.played_after:
        if any(word.isdigit() for word in pcm.strip(b"\0").decode().split()):
            assert "1" in pressed
            assert "0#" not in pressed.partition("1")[0]


@given(st.text("0123456789*#", max_size=12))
def test_fld_08_with_two_digits_to_press_no_digit_is_ever_said(keys: str) -> None:
    """With number matching no digit is ever spoken, and only the right two digits approve."""
    _line, results, said = lead(keys, match="47")
    assert not any(word.isdigit() for sentence in said for word in sentence.split())
    if Result.APPROVED in results:
        assert "47" in keys


@given(st.text("0123456789*#", max_size=12))
def test_every_call_ends_with_one_meaning_at_most(keys: str) -> None:
    _line, results, _said = lead(keys)
    assert results[0] is Result.DELIVERED
    assert len(results) <= 2


def test_fld_07_a_person_who_presses_nothing_hears_it_twice_and_no_more() -> None:
    """Without a key the greeting is played twice and the call ends as voicemail, without the code."""
    _line, results, said = lead("")
    assert [sentence.split()[0] for sentence in said] == ["greeting", "greeting"]
    assert results == [Result.DELIVERED, Result.VOICEMAIL]


def test_a_key_that_means_nothing_interrupts_no_prompt() -> None:
    _line, _results, said = lead("5*")
    assert said[0].startswith("greeting")
    assert len(said) == 2


def test_the_code_is_said_twice_and_again_for_key_1() -> None:
    _line, results, said = lead("11")
    spoken = " ".join(CODE)
    assert [sentence.count(spoken) for sentence in said] == [0, 2, 2]
    assert results == [Result.DELIVERED]


@pytest.mark.parametrize(
    "wrong",
    [
        {"dial": "00"},
        {"port": 0},
        {"first_rtp_port": 80},
        {"first_rtp_port": 30_000, "last_rtp_port": 29_000},
        {"calls_at_once": 500},
        {"first_rtp_port": 30_001, "last_rtp_port": 30_004, "calls_at_once": 2},
        {"dial": "0 {digits}"},
        {"user": "a b"},
        {"caller_id": "<sip:x>"},
        {"public_host": "sip.example"},
        {"public_host": "0.0.0.0"},
        {"auth_user": 'a"b'},
    ],
)
def test_what_no_telephone_system_takes_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"dial|port|calls_at_once|user|public_host"):
        SipConfig(**{"host": "pbx.example", **wrong})


def test_an_address_of_ipv6_stands_in_brackets() -> None:
    assert SipConfig(host="2001:db8::7").realm == "[2001:db8::7]"
    assert SipConfig(host="2001:db8::7", domain="pbx.example").realm == "pbx.example"


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(SipConfig(host="pbx.example", password="secret"))
