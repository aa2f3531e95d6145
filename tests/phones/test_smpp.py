"""Texts over SMPP, to smpp34's own SMSC."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.phones.bare_smsc import BareSmsc
from tests.phones.smsc import Smsc, free_port, start_smsc
from watchword.core.policy import Channel
from watchword.messaging.content import sms
from watchword.messaging.gateway import DeliveryFailed, Outgoing, Report, Result
from watchword.messaging.gateways.smpp import gateway as module
from watchword.messaging.gateways.smpp.config import SmppConfig
from watchword.messaging.gateways.smpp.gateway import SmppGateway


def outgoing(code: str = "493027", *, words: str = "", number: str = "+4915112345678") -> Outgoing:
    return Outgoing(
        uuid4(),
        Channel.SMS,
        number,
        "",
        code,
        "Harbour & Hill",
        "sign-in.example",
        words=words,
        not_after=datetime.now(UTC) + timedelta(minutes=5),
    )


class Reports:
    """The reports of a gateway, with a method to wait for them."""

    def __init__(self) -> None:
        self.all: list[Report] = []
        self._came = asyncio.Event()

    def __call__(self, report: Report) -> None:
        self.all.append(report)
        self._came.set()

    async def wait_for(self, number: int) -> list[Report]:
        async with asyncio.timeout(10):
            while len(self.all) < number:
                self._came.clear()
                await self._came.wait()
        return self.all


@asynccontextmanager
async def bound(smsc: Smsc | BareSmsc, **config: Any) -> AsyncIterator[tuple[SmppGateway, Reports]]:
    values = {"host": "127.0.0.1", "port": smsc.port, "system_id": "ww", "password": "secret", "sender": "Harbour"}
    gateway, reports = SmppGateway("one", SmppConfig(**{**values, **config})), Reports()
    await gateway.start(reports)
    try:
        yield gateway, reports
    finally:
        await gateway.stop()


def run(play: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(60):
            await play()

    asyncio.run(within())


def _named(reports: list[Report]) -> list[tuple[str, Result]]:
    return [(report.reference, report.result) for report in reports]


def test_a_text_arrives_and_its_receipt_comes_back() -> None:
    async def play() -> None:
        async with Smsc() as smsc, bound(smsc) as (gateway, reports):
            handed = await gateway.send(outgoing())
            (got,) = await smsc.wait_for(1)
            assert (got.sender, got.number) == ("Harbour", "4915112345678")
            assert got.text.startswith("493 027 is your Harbour & Hill code.")
            assert got.text.endswith("\n\n@sign-in.example #493027")
            assert got.part is None
            assert _named(await reports.wait_for(1)) == [(handed.reference, Result.DELIVERED)]
            assert reports.all[0].number == "+4915112345678"
            assert gateway.condition.is_up

    run(play)


def test_a_long_text_in_another_script_arrives_in_parts_that_belong_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own texts fit into one segment; should a longer one ever be sent, it arrives whole."""
    monkeypatch.setattr(sms, "text_of", lambda one: one.words)

    async def play() -> None:
        async with Smsc(stat=None) as smsc, bound(smsc) as (gateway, _reports):
            await gateway.send(outgoing(words="Ваш код " * 10))
            parts = await smsc.wait_for(2)
            assert [got.part for got in parts] == [(1, 2), (2, 2)]
            assert "".join(got.text for got in parts) == "Ваш код " * 10

    run(play)


@pytest.mark.parametrize(
    ("status", "result", "permanent"),
    [
        (0x58, Result.FAILED, False),
        (0x14, Result.FAILED, False),
        (0x0B, Result.BAD_NUMBER, True),
        (0x0A, Result.FAILED, False),
    ],
)
def test_a_refusal_says_whether_trying_again_helps(
    status: int, result: Result, permanent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FULL_SECONDS", 0.1)

    async def play() -> None:
        async with Smsc(status=status) as smsc, bound(smsc) as (gateway, _reports):
            with pytest.raises(DeliveryFailed) as caught:
                await gateway.send(outgoing())
            assert (caught.value.result, caught.value.permanent) == (result, permanent)
            assert not caught.value.maybe_taken

    run(play)


def test_fld_12_a_gateway_that_does_not_answer_may_have_taken_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text without a response from the SMSC counts as possibly taken."""
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.3)

    async def play() -> None:
        async with Smsc(status=-1) as smsc, bound(smsc) as (gateway, _reports):
            with pytest.raises(DeliveryFailed) as caught:
                await gateway.send(outgoing())
            assert caught.value.maybe_taken

    run(play)


def test_who_leaves_does_not_say_that_the_connection_was_lost(caplog: pytest.LogCaptureFixture) -> None:
    """Otherwise every restart would look like a failure of the SMSC."""

    class Slow:
        """A link whose end is noticed before its unbind is answered."""

        def __init__(self, link: Any) -> None:
            self._link = link

        async def unbind(self) -> None:
            await self._link.unbind()
            await asyncio.sleep(0.2)

    async def play() -> None:
        async with Smsc() as smsc, bound(smsc) as (gateway, _reports):
            await gateway.send(outgoing())
            gateway._smsc = Slow(gateway._smsc)  # type: ignore[assignment]  # all that stopping uses
        assert gateway.condition.words == "stopped"

    run(play)
    assert not [record.message for record in caplog.records if record.levelname == "WARNING"]


def test_a_text_to_an_smsc_that_cannot_be_reached_fails_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BOUND_SECONDS", 0.3)

    async def play() -> None:
        smsc = Smsc(port=free_port())
        async with bound(smsc) as (gateway, _reports):
            with pytest.raises(DeliveryFailed) as caught:
                await gateway.send(outgoing())
            assert not caught.value.maybe_taken
            assert not gateway.condition.is_up

    run(play)


def test_receipts_twice_and_before_the_answer_are_all_reported() -> None:
    async def play() -> None:
        async with Smsc(receipts=2, is_early=True) as smsc, bound(smsc) as (gateway, reports):
            handed = await gateway.send(outgoing())
            assert _named(await reports.wait_for(2)) == [(handed.reference, Result.DELIVERED)] * 2

    run(play)


def test_none_of_500_texts_is_lost_when_the_gateway_is_killed_and_comes_back(tmp_path: Path) -> None:
    """Every accepted text has arrived; a text without a response is known, and sent again with the same code."""
    port, log = free_port(), tmp_path / "got"

    async def play() -> None:
        config = SmppConfig(host="127.0.0.1", port=port, system_id="ww", password="s", window_size=20)
        gateway, reports = SmppGateway("one", config), Reports()
        process = start_smsc(port, log)
        try:
            await gateway.start(reports)
            messages = [outgoing(f"{number:06d}") for number in range(500)]
            accepted: dict[str, str] = {}
            sends: Counter[str] = Counter()
            permanent: list[bool] = []
            many = asyncio.Event()

            async def deliver(message: Outgoing) -> None:
                while message.code not in accepted:
                    sends[message.code] += 1
                    try:
                        accepted[message.code] = (await gateway.send(message)).reference
                        if len(accepted) >= 200:
                            many.set()
                    except DeliveryFailed as failure:
                        permanent.append(failure.permanent)

            async def kill() -> None:
                nonlocal process
                await many.wait()
                process.kill()
                process.wait()
                process = start_smsc(port, log)

            await asyncio.gather(kill(), *(deliver(message) for message in messages))
            arrived = Counter(line.split()[-1].removeprefix("#") for line in log.read_text().splitlines())
            assert set(arrived) == {message.code for message in messages}
            assert all(arrived[code] <= sends[code] for code in arrived)
            assert any(number > 1 for number in sends.values()), "the kill came too late to mean anything"
            assert not any(permanent)
            assert gateway.condition.is_up
        finally:
            await gateway.stop()
            process.kill()
            process.wait()

    run(play)
