"""Calls to odd telephones, played by SIPp: every end of a call has its own result, and no call is left open."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.phones import sipp as telephones
from tests.phones.calling import call, caller, is_idle, run
from tests.phones.sipp import G711, KEYS, says, sipp, takes, waits
from watchword.messaging.gateway import DeliveryFailed, Result
from watchword.messaging.gateways.sip import call_flow
from watchword.messaging.gateways.sip import gateway as module

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.skipif(bool(telephones.why_not_here()), reason=telephones.why_not_here()),
]
ENDS_QUICKLY = (takes("INVITE"), says(100))


@pytest.mark.parametrize(
    ("status", "result", "permanent"),
    [
        (486, Result.BUSY, True),
        (603, Result.DECLINED, True),
        (404, Result.BAD_NUMBER, True),
        (484, Result.BAD_NUMBER, True),
        (480, Result.UNREACHABLE, True),
        (408, Result.UNREACHABLE, True),
        (503, Result.FAILED, False),
    ],
)
def test_a_refusal_has_its_own_result_and_is_acknowledged(
    tmp_path: Path, status: int, result: Result, *, permanent: bool
) -> None:
    async def play() -> None:
        # SIPp fails if the ACK for the refusal does not arrive.
        steps = (*ENDS_QUICKLY, says(status, until_ack=True), takes("ACK"))
        async with sipp(tmp_path, *steps) as phone, caller(phone.port) as (gateway, reports):
            with pytest.raises(DeliveryFailed) as caught:
                await gateway.send(call())
            assert (caught.value.result, caught.value.permanent) == (result, permanent)
            assert reports.all == []
            assert await phone.has_played(), phone.heard()

    run(play)


@pytest.mark.parametrize(
    ("status", "result"),
    [(486, Result.BUSY), (603, Result.DECLINED), (480, Result.UNREACHABLE), (408, Result.NO_ANSWER)],
)
def test_what_happens_after_it_rang_comes_as_a_report(tmp_path: Path, status: int, result: Result) -> None:
    async def play() -> None:
        steps = (*ENDS_QUICKLY, says(180), waits(100), says(status, until_ack=True), takes("ACK"))
        async with sipp(tmp_path, *steps) as phone, caller(phone.port) as (gateway, reports):
            handed = await gateway.send(call())
            assert handed.result is Result.SENT
            await reports.wait_for(result)
            assert await phone.has_played(), phone.heard()
            assert [report.reference for report in reports.all] == [handed.reference]

    run(play)


def test_an_unanswered_call_is_cancelled(tmp_path: Path) -> None:
    async def play() -> None:
        steps = (*ENDS_QUICKLY, says(180), takes("CANCEL"), says(200), says_487(), takes("ACK"))
        async with sipp(tmp_path, *steps) as phone, caller(phone.port, ring_seconds=1) as (gateway, reports):
            await gateway.send(call())
            await reports.wait_for(Result.NO_ANSWER)
            assert await phone.has_played(), phone.heard()

    run(play)


def test_who_picks_up_in_the_moment_in_which_we_give_up_is_hung_up(tmp_path: Path) -> None:
    async def play() -> None:
        # The Via of a CANCEL is that of its INVITE.
        answer = _of_invite(says(200, sound=G711, until_ack=True))
        steps = (
            takes("INVITE"),
            says(180),
            takes("CANCEL"),
            says(200),
            answer,
            takes("ACK"),
            takes("BYE"),
            says(200),
        )
        async with sipp(tmp_path, *steps) as phone, caller(phone.port, ring_seconds=1) as (gateway, reports):
            await gateway.send(call())
            await reports.wait_for(Result.NO_ANSWER)
            assert await phone.has_played(), phone.heard()

    run(play)


def test_answers_that_come_out_of_order_and_twice_are_one_call(tmp_path: Path) -> None:
    """200 before 180, 180 again, 200 again: one call, with an ACK for each 200."""

    async def play() -> None:
        answer = says(200, sound=G711)
        later = [_once_more(step) for step in (says(180), says(183), answer)]
        steps = (_REMEMBERED_INVITE, answer, takes("ACK"), *later, takes("ACK"), takes("BYE"))
        async with sipp(tmp_path, *steps, says(200)) as phone, caller(phone.port) as (gateway, reports):
            await gateway.send(call("", words="A test."))
            await is_idle(gateway)
            assert reports.results == [Result.DELIVERED]
            assert await phone.has_played(), phone.heard()

    run(play)


@pytest.mark.parametrize("sound", ["18 101\n" + KEYS, "0\na=rtpmap:0 PCMU/8000", ""])
def test_who_can_not_be_spoken_to_or_send_no_keys_is_hung_up(tmp_path: Path, sound: str) -> None:
    async def play() -> None:
        steps = (
            *ENDS_QUICKLY,
            says(180),
            says(200, sound=sound, until_ack=True),
            takes("ACK"),
            takes("BYE"),
            says(200),
        )
        async with sipp(tmp_path, *steps) as phone, caller(phone.port) as (gateway, reports):
            await gateway.send(call())
            await reports.wait_for(Result.FAILED)
            assert await phone.has_played(), phone.heard()

    run(play)


def test_a_telephone_that_sends_no_sound_at_all_is_hung_up_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The telephone answers but sends neither RTP nor a key."""
    monkeypatch.setattr(call_flow, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(call_flow, "ROUNDS", 1)

    async def play() -> None:
        steps = (*ENDS_QUICKLY, says(200, sound=G711, until_ack=True), takes("ACK"), takes("BYE"), says(200))
        async with sipp(tmp_path, *steps) as phone, caller(phone.port) as (gateway, reports):
            await gateway.send(call())
            await is_idle(gateway)
            assert reports.results == [Result.DELIVERED, Result.VOICEMAIL]
            assert await phone.has_played(), phone.heard()

    run(play)


def test_no_call_lasts_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CALL_SECONDS", 1.0)

    async def play() -> None:
        steps = (*ENDS_QUICKLY, says(200, sound=G711, until_ack=True), takes("ACK"), takes("BYE"), says(200))
        async with sipp(tmp_path, *steps) as phone, caller(phone.port) as (gateway, _reports):
            await gateway.send(call())
            await is_idle(gateway)
            assert await phone.has_played(), phone.heard()

    run(play)


def test_a_telephone_system_that_says_nothing_of_a_call_may_have_taken_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_SIGN_SECONDS", 1.2)

    async def play() -> None:
        steps = (takes("INVITE"), takes("INVITE"), waits(200), says(486, until_ack=True), takes("ACK"))
        async with sipp(tmp_path, *steps) as phone, caller(phone.port) as (gateway, _reports):
            with pytest.raises(DeliveryFailed) as caught:
                await gateway.send(call())
            assert caught.value.maybe_taken
            assert not caught.value.permanent

    run(play)


def test_requests_go_back_through_the_proxies_that_want_to_see_them(tmp_path: Path) -> None:
    async def play() -> None:
        routes = (
            "Record-Route: <sip:[local_ip]:[local_port];lr;hop=2>\nRecord-Route: <sip:[local_ip]:[local_port];lr;hop=1>"
        )
        steps = (
            takes("INVITE"),
            says(200, sound=G711, headers=routes, until_ack=True),
            takes("ACK"),
            takes("BYE"),
            says(200),
        )
        async with sipp(tmp_path, *steps) as phone, caller(phone.port) as (gateway, _reports):
            await gateway.send(call("", words="A test."))
            await is_idle(gateway)
            assert await phone.has_played(), phone.heard()
            for method in ("ACK", "BYE"):
                request = (
                    phone.heard().split(f"{method} sip:callee@127.0.0.1:{phone.port} SIP/2.0")[1].split("\r\n\r\n")[0]
                )
                assert request.index("hop=1") < request.index("hop=2"), request

    run(play)


def test_a_call_to_a_telephone_system_that_cannot_be_reached_fails_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.phones.smsc import free_port

    monkeypatch.setattr(module, "UP_SECONDS", 0.3)

    async def play() -> None:
        async with caller(free_port()) as (gateway, _reports):
            with pytest.raises(DeliveryFailed) as caught:
                await gateway.send(call())
            assert not caught.value.permanent
            assert not caught.value.maybe_taken
            assert not gateway.condition.is_up

    run(play)


def test_when_every_line_is_in_use_a_call_waits_and_no_gateway_is_blamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FREE_SECONDS", 0.2)

    async def play() -> None:
        steps = (*ENDS_QUICKLY, says(180), waits(2000), says(486, until_ack=True), takes("ACK"))
        async with sipp(tmp_path, *steps) as phone, caller(phone.port, calls_at_once=1) as (gateway, _reports):
            await gateway.send(call())
            assert gateway.condition.words == "every line is in use"
            with pytest.raises(DeliveryFailed) as caught:
                await gateway.send(call())
            assert caught.value.is_full
            assert gateway.condition.is_up

    run(play)


def says_487() -> str:
    """Answer the INVITE that was cancelled with 487."""
    return _of_invite(says(487, until_ack=True))


def _of_invite(step: str) -> str:
    return step.replace("[last_CSeq:]", "CSeq: 1 INVITE")


_REMEMBERED_INVITE = (
    '<recv request="INVITE"><action><ereg regexp=".*" search_in="hdr" header="Via:" assign_to="1"/></action></recv>\n'
)


def _once_more(step: str) -> str:
    """Repeat a response to the INVITE after its ACK has arrived."""
    step = _of_invite(step).replace("[last_Via:]", "Via: [$1]")
    return step.replace("[last_To:];tag=callee", "[last_To:]")
