"""Requirements for every gateway of texts: the simulator, SMPP, HTTP by each preset, Kannel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.phones import kannel as gateway
from tests.phones.http_benches import NUMBER, PRESETS, config_of, outgoing
from tests.phones.perl_smsc import PerlSmsc
from tests.phones.perl_smsc import why_not_here as no_perl
from tests.phones.provider import BAD_NUMBER, provider
from tests.phones.smsc import Smsc, free_port
from tests.phones.test_kannel import gateway_to
from watchword.core.policy import Channel
from watchword.messaging.content import sms
from watchword.messaging.gateway import DeliveryFailed, Gateway, Outgoing, Result, Submitted
from watchword.messaging.gateways.http.callback_urls import addresses_of
from watchword.messaging.gateways.http.gateway import HttpGateway
from watchword.messaging.gateways.simulator.gateway import take
from watchword.messaging.gateways.simulator.models import Arrival
from watchword.messaging.gateways.smpp.config import SmppConfig
from watchword.messaging.gateways.smpp.gateway import SmppGateway

type Arrived = Callable[[int], set[tuple[str, str]]]
"""A function that waits for this many texts and returns each number with the text received there."""


class Bench:
    """One open gateway, and the telephones behind it."""

    def __init__(
        self,
        send: Callable[[Outgoing], Submitted],
        arrived: Arrived,
        bad_number: str = "",
        says: Result = Result.SENT,
    ) -> None:
        self.send = send
        self.arrived = arrived
        self.says = says
        """The result once a text is accepted; only the simulator is the telephone itself and knows that it arrived."""
        self.bad_number = bad_number
        """A number that the provider refuses at once; empty if it refuses none."""


@contextmanager
def over(gateway: Gateway, runner: asyncio.Runner, arrived: Arrived, bad_number: str = "") -> Iterator[Bench]:
    """Open a gateway on an event loop, and stop it."""
    runner.run(gateway.start(lambda _report: None))
    assert gateway.channels == {Channel.SMS}
    yield Bench(lambda message: runner.run(gateway.send(message)), arrived, bad_number)
    runner.run(gateway.stop())

    async def left() -> list[asyncio.Task[Any]]:
        return [task for task in asyncio.all_tasks() if task is not asyncio.current_task() and not _is_of_smsc(task)]

    assert runner.run(left()) == [], "something runs on after it was stopped"


def _is_of_smsc(task: asyncio.Task[Any]) -> bool:
    return "Smsc." in getattr(task.get_coro(), "__qualname__", "")


@contextmanager
def simulator(_folder: Path, _runner: asyncio.Runner) -> Iterator[Bench]:
    """Open the simulator's telephone page."""

    def arrived(_number: int) -> set[tuple[str, str]]:
        return {(row.number, row.text) for row in Arrival.objects.all()}

    yield Bench(take, arrived, "+4915112345699", says=Result.DELIVERED)


@contextmanager
def smpp(_folder: Path, runner: asyncio.Runner) -> Iterator[Bench]:
    """Open a gateway to smpp34's own SMSC."""
    smsc = Smsc(stat=None)
    runner.run(smsc.__aenter__())
    config = SmppConfig(host="127.0.0.1", port=smsc.port, system_id="ww", password="secret")

    def arrived(number: int) -> set[tuple[str, str]]:
        return {(f"+{got.number}", got.text) for got in runner.run(smsc.wait_for(number))}

    with over(SmppGateway("one", config), runner, arrived) as bench:
        yield bench
    runner.run(smsc.__aexit__())


@contextmanager
def perl(folder: Path, runner: asyncio.Runner) -> Iterator[Bench]:
    """Open a gateway to Perl's SMSC."""
    if why := no_perl():
        pytest.skip(why)
    port = free_port()
    config = SmppConfig(host="127.0.0.1", port=port, system_id="ww", password="secret")
    with PerlSmsc(port, folder / "perl.log") as smsc:

        def arrived(number: int) -> set[tuple[str, str]]:
            return {(f"+{text.number}", text.words) for text in smsc.wait_for_texts(number)}

        with over(SmppGateway("one", config), runner, arrived) as bench:
            yield bench


def http(kind: str) -> Callable[[Path, asyncio.Runner], Any]:
    """Return a function that opens a gateway to a provider, by one preset."""

    @contextmanager
    def opened(_folder: Path, runner: asyncio.Runner) -> Iterator[Bench]:
        with provider() as one:

            def arrived(number: int) -> set[tuple[str, str]]:
                one.wait_for(lambda: len(one.texts) >= number)
                return {(text.number, text.text) for text in one.texts}

            gateway = HttpGateway("one", config_of(kind, one.base), addresses=addresses_of)
            refuses = BAD_NUMBER if kind in {"twilio-messages", "http"} else ""
            with over(gateway, runner, arrived, refuses) as bench:
                yield bench

    return opened


@contextmanager
def kannel(folder: Path, runner: asyncio.Runner) -> Iterator[Bench]:
    """Open a gateway to Debian's Kannel with its fake SMSC."""
    if why := gateway.why_not_here():
        pytest.skip(why)
    with gateway.kannel(folder) as running:

        def arrived(number: int) -> set[tuple[str, str]]:
            return {(text.number, text.words) for text in running.wait_for(number)}

        with over(gateway_to(running), runner, arrived) as bench:
            yield bench


GATEWAYS = {
    "simulator": simulator,
    "smpp": smpp,
    "smpp to Perl": perl,
    **{f"http: {kind}": http(kind) for kind in PRESETS},
}
ALL = [*GATEWAYS, pytest.param("kannel", marks=pytest.mark.scenario)]


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path, db: None) -> Iterator[Bench]:
    """Open a gateway, with telephones behind it."""
    open_it = {**GATEWAYS, "kannel": kannel}[request.param]
    with asyncio.Runner() as runner, ExitStack() as stack:
        yield stack.enter_context(open_it(tmp_path, runner))


@pytest.mark.parametrize("bench", ALL, indirect=True)
def test_what_is_accepted_arrives_with_its_number_and_every_letter(bench: Bench) -> None:
    messages = [outgoing(f"{number:06d}", number=f"{NUMBER[:-1]}{number}") for number in range(5)]
    handed = [bench.send(message) for message in messages]
    assert all(one.reference for one in handed)
    assert len({one.reference for one in handed}) == len(handed)
    assert {one.result for one in handed} == {bench.says}
    assert bench.arrived(5) == {(message.number, sms.text_of(message)) for message in messages}


@pytest.mark.parametrize("bench", ALL, indirect=True)
def test_a_number_that_is_refused_is_told_apart_and_the_next_one_arrives(bench: Bench) -> None:
    if bench.bad_number:
        with pytest.raises(DeliveryFailed) as caught:
            bench.send(outgoing(number=bench.bad_number))
        assert caught.value.permanent
        assert caught.value.result in {Result.BAD_NUMBER, Result.UNREACHABLE}
        assert not caught.value.maybe_taken
    message = outgoing("777777")
    bench.send(message)
    assert bench.arrived(1) == {(message.number, sms.text_of(message))}


def test_a_gateway_can_be_stopped_that_never_started_well() -> None:
    """Stop a gateway whose peer doesn't exist, or that was never started."""

    async def stopped(gateway: Gateway, *, start: bool) -> None:
        if start:
            await gateway.start(lambda _report: None)
        await gateway.stop()

    config = SmppConfig(host="127.0.0.1", port=free_port(), system_id="ww", password="s")
    makers: list[Callable[[], Gateway]] = [
        lambda: SmppGateway("one", config),
        lambda: HttpGateway("one", config_of("telnyx", "http://127.0.0.1:1"), addresses=addresses_of),
    ]
    for make in makers:
        for start in (True, False):
            asyncio.run(stopped(make(), start=start))
