"""Behaviour of SMSCs in the field, on a bare socket: long passwords, refusals, receipts by data_sm."""

from __future__ import annotations

import asyncio

import pytest

from tests.phones.bare_smsc import BareSmsc, bare_smsc, data_sm, deliver_sm, octets, tlv
from tests.phones.test_smpp import bound, outgoing, run
from tests.phones.test_smpp_links import until
from watchword.messaging.gateway import DeliveryFailed, Result
from watchword.messaging.gateways.smpp import session
from watchword.messaging.gateways.smpp.config import Validity

NUMBER = "4915112345678"


@pytest.mark.parametrize("password", ["ninechars", "a-token-of-sixty-four-characters-" + "x" * 31])
def test_a_password_is_sent_as_the_gateway_gave_it(password: str) -> None:
    async def play() -> None:
        async with bare_smsc() as smsc, bound(smsc, password=password) as (gateway, _reports):
            assert (await gateway.send(outgoing())).reference == "abc1"
            assert smsc.binds[0].split(b"\0")[:2] == [b"ww", password.encode()]

    run(play)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0x0E, "the provider does not accept the user name and password (invalid password)"),
        (0x0F, "the provider does not accept the user name and password (invalid system_id)"),
        (0x05, "the provider says that this account is bound already; each process needs a bind of its own"),
        (0x03, "the provider takes no transceiver bind; ask it to allow one"),
        (0x400, "the provider refuses the bind with status 0x00000400"),
    ],
)
def test_a_refused_bind_says_at_once_why(status: int, words: str) -> None:
    async def play() -> None:
        async with bare_smsc(bind_status=status) as smsc, bound(smsc) as (gateway, _reports):
            await until(lambda: bool(smsc.binds) and gateway.condition.words == words, 3)
            assert not gateway.condition.is_up

    run(play)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0x0A, "the provider refuses the sender Harbour; have it registered there, or name another one"),
        (0x62, 'the provider refuses the validity period; say validity = "absolute"'),
        (0x45, "the provider refuses our texts (submission failed); ask it about credit, sender and destination"),
        (0x421, "the provider refuses our texts with status 0x00000421; ask it what that means there"),
    ],
)
def test_a_refusal_that_the_operator_cures_is_told_until_a_text_is_taken(status: int, words: str) -> None:
    async def play() -> None:
        async with bare_smsc(submit_status=status) as smsc, bound(smsc) as (gateway, _reports):
            with pytest.raises(DeliveryFailed) as caught:
                await gateway.send(outgoing())
            assert (caught.value.permanent, caught.value.maybe_taken) == (False, False)
            assert caught.value.is_useless_again
            assert gateway.condition.words == words
            assert gateway.condition.is_up
            smsc.submit_status = 0
            await gateway.send(outgoing())
            assert gateway.condition.words == ""

    run(play)


def test_a_submission_that_was_not_understood_was_certainly_not_taken() -> None:
    async def play() -> None:
        async with bare_smsc(nacks=True) as smsc, bound(smsc) as (gateway, _reports):
            with pytest.raises(DeliveryFailed) as caught:
                await asyncio.wait_for(gateway.send(outgoing()), 2)
            assert not caught.value.maybe_taken

    run(play)


def test_an_smsc_that_takes_no_validity_period_is_sent_none() -> None:
    async def play() -> None:
        async with bare_smsc() as smsc, bound(smsc, validity=Validity.NONE) as (gateway, _reports):
            await gateway.send(outgoing())
            assert b"000R" not in smsc.submissions[0]

    run(play)


def test_a_receipt_by_data_sm_is_taken_and_answered_by_the_book() -> None:
    tags = tlv(0x001E, b"abc1\0") + tlv(0x0427, b"\x02")

    async def play() -> None:
        async with (
            bare_smsc(after_submission=lambda: data_sm(NUMBER, tags)) as smsc,
            bound(smsc) as (gateway, reports),
        ):
            handed = await gateway.send(outgoing())
            (report,) = await reports.wait_for(1)
            assert (report.reference, report.result) == (handed.reference, Result.DELIVERED)
            await until(lambda: smsc.answers == [(0x8000_0103, 0, 77)], 3)
            await gateway.send(outgoing())
            assert len(smsc.binds) == 1

    run(play)


def test_a_receipt_that_is_not_marked_as_one_counts_only_by_its_reference() -> None:
    receipt = deliver_sm(NUMBER, b"id:abc1 sub:001 dlvrd:001 stat:DELIVRD err:000", esm_class=0)

    async def play() -> None:
        async with bare_smsc(after_submission=lambda: receipt) as smsc, bound(smsc) as (gateway, reports):
            await gateway.send(outgoing())
            (report,) = await reports.wait_for(1)
            assert (report.reference, report.is_certain, report.number) == ("abc1", False, f"+{NUMBER}")

    run(play)


def test_what_is_cut_off_or_unknown_is_refused_and_the_link_stays() -> None:
    broken = octets(0x05, 5, b"\0\1\1") + octets(0x21, 6, b"") + octets(0x102, 7, b"\0")

    async def play() -> None:
        async with bare_smsc(after_submission=lambda: broken) as smsc, bound(smsc) as (gateway, reports):
            await gateway.send(outgoing())
            await until(lambda: len(smsc.answers) == 2, 3)
            assert smsc.answers == [(0x8000_0005, 0x02, 5), (0x8000_0000, 0x03, 6)]
            await gateway.send(outgoing())
            assert (len(smsc.binds), reports.all) == (1, [])

    run(play)


def test_a_bind_on_which_the_smsc_is_silent_is_made_anew_without_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "ENQUIRE_SECONDS", 0.2)

    class Deaf(BareSmsc):
        def _answer(self, command: int, status: int, sequence: int, body: bytes) -> bytes:
            return b"" if command == 0x15 else super()._answer(command, status, sequence, body)

    async def play() -> None:
        smsc = Deaf()
        server = await asyncio.start_server(smsc.serve, "127.0.0.1", smsc.port)
        async with bound(smsc):
            await until(lambda: len(smsc.binds) >= 2, 10)
        server.close()

    run(play)
