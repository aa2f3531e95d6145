"""Keys in calls: RTP events with either side's payload type, SIP INFO, both at once, and none at all."""

from __future__ import annotations

import asyncio

import pytest

from tests.phones.answered import answered, rtp_port
from tests.phones.calling import call, caller, is_idle, run
from tests.phones.pbx import HOST, key_packet, pbx, peer, sound_at
from tests.phones.test_smpp_links import until
from watchword.messaging.gateway import DeliveryFailed, Result
from watchword.messaging.gateways.sip.config import Keys

pytestmark = pytest.mark.usefixtures("quick_voice")


@pytest.mark.parametrize("named", [101, 100, 96, 127])
@pytest.mark.parametrize("sent", ["named", "offered"])
def test_keys_are_heard_under_the_number_that_either_side_named(named: int, sent: str) -> None:
    async def play() -> None:
        sound = sound_at(4000).replace("4000", "PORT").replace("101", str(named))
        async with answered(sound) as (system, invite, telephone, gateway, reports):
            await telephone.wait_for(3)
            payload_type = named if sent == "named" else 101
            for number, key in enumerate((4, 7), 1):
                packet = key_packet(key, number, payload_type=payload_type)
                telephone.transport.sendto(packet, (HOST, rtp_port(invite)))
            await reports.wait_for(Result.APPROVED, 5)
            system.ask(invite, "BYE")
            await is_idle(gateway)

    run(play)


def test_a_key_without_the_marker_whose_end_is_said_three_times_is_one_key() -> None:
    async def play() -> None:
        async with answered() as (system, invite, telephone, gateway, reports):
            await telephone.wait_for(3)
            for number, key in enumerate((4, 7), 1):
                packet = key_packet(key, number)
                unmarked = packet[:1] + bytes((packet[1] & 0x7F,)) + packet[2:]
                under_way = unmarked[:13] + bytes((unmarked[13] & 0x7F,)) + unmarked[14:]
                for octets in (under_way, under_way, unmarked, unmarked, unmarked):
                    telephone.transport.sendto(octets, (HOST, rtp_port(invite)))
            await reports.wait_for(Result.APPROVED, 5)
            system.ask(invite, "BYE")
            await is_idle(gateway)

    run(play)


def test_the_keys_of_an_extension_are_sent_under_the_number_that_the_answer_names() -> None:
    async def play() -> None:
        async with pbx() as system, caller(system.port) as (gateway, _reports):
            telephone = await peer()
            sending = asyncio.ensure_future(gateway.send(call(extension="5")))
            invite = await system.takes("INVITE")
            system.say(invite, 200, sound=sound_at(telephone.port).replace("101", "96"))
            await sending
            await until(lambda: any(octets[1] & 0x7F == 96 for octets in telephone.got if len(octets) == 16))
            assert not any(octets[1] & 0x7F == 101 for octets in telephone.got)
            system.ask(invite, "BYE")
            await is_idle(gateway)
            telephone.transport.close()

    run(play)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/dtmf-relay", "Signal={}\r\nDuration=160\r\n"),
        ("Application/DTMF-Relay; charset=utf-8", "Duration= 160\nSignal= {}\n"),
        ("application/dtmf", "{}"),
    ],
)
def test_keys_by_sip_info_are_heard_and_answered(kind: str, body: str) -> None:
    async def play() -> None:
        async with answered() as (system, invite, telephone, gateway, reports):
            await telephone.wait_for(3)
            for digit in "47":
                system.ask(invite, "INFO", sound=body.format(digit), Content_Type=kind)
                assert (await system.hears()).status_code == 200
            await reports.wait_for(Result.APPROVED, 5)
            system.ask(invite, "BYE")
            await is_idle(gateway)

    run(play)


def test_a_key_that_comes_both_ways_is_one_key() -> None:
    async def play() -> None:
        async with answered() as (system, invite, telephone, gateway, reports):
            await telephone.wait_for(3)
            for number, key in enumerate((4, 7), 1):
                telephone.transport.sendto(key_packet(key, number), (HOST, rtp_port(invite)))
                system.ask(invite, "INFO", sound=f"Signal={key}\r\n", Content_Type="application/dtmf-relay")
                assert (await system.hears()).status_code == 200
            await reports.wait_for(Result.APPROVED, 5)
            system.ask(invite, "BYE")
            await is_idle(gateway)

    run(play)


def test_info_that_is_no_key_is_answered_by_the_book_and_changes_nothing() -> None:
    async def play() -> None:
        async with answered() as (system, invite, telephone, gateway, reports):
            await telephone.wait_for(3)
            statuses = []
            for kind, body in (
                ("application/media_control+xml", "<x/>"),
                ("application/dtmf", "16"),
                ("application/dtmf-relay", ""),
            ):
                system.ask(invite, "INFO", sound=body, Content_Type=kind)
                statuses.append((await system.hears()).status_code)
            system.ask(invite, "INFO", sound="4", tag="nobody", Content_Type="application/dtmf")
            statuses.append((await system.hears()).status_code)
            assert statuses == [415, 200, 200, 481]
            assert reports.results == [Result.DELIVERED]
            system.ask(invite, "BYE")
            await is_idle(gateway)

    run(play)


def without_keys(port: int) -> str:
    return "\r\n".join(line for line in sound_at(port).replace(" 0 101", " 0").split("\r\n") if "101" not in line)


def test_who_sends_no_keys_is_said_on_the_channel_and_another_gateway_may_have_the_call() -> None:
    async def play() -> None:
        async with pbx() as system, caller(system.port) as (gateway, _reports):
            telephone = await peer()
            sending = asyncio.ensure_future(gateway.send(call()))
            system.say(await system.takes("INVITE"), 200, sound=without_keys(telephone.port))
            with pytest.raises(DeliveryFailed) as caught:
                await sending
            assert (caught.value.permanent, caught.value.is_useless_again) == (False, True)
            assert not gateway.condition.is_up
            assert gateway.condition.words.startswith("calls are answered without telephone events (RFC 4733)")
            telephone.transport.close()

    run(play)


def test_a_telephone_system_that_sends_keys_by_info_alone_is_spoken_to() -> None:
    async def play() -> None:
        async with answered(without_keys(4000).replace("4000", "PORT"), keys=Keys.INFO) as (
            system,
            invite,
            telephone,
            gateway,
            reports,
        ):
            await telephone.wait_for(3)
            for digit in "47":
                system.ask(invite, "INFO", sound=digit, Content_Type="application/dtmf")
                await system.hears()
            await reports.wait_for(Result.APPROVED, 5)
            system.ask(invite, "BYE")
            await is_idle(gateway)

    run(play)
