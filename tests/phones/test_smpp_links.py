"""How a bind is maintained: TLS, a peer that dies or hangs, one that is busy, the window, a second SMSC."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.phones.perl_smsc import PerlSmsc
from tests.phones.perl_smsc import why_not_here as no_perl
from tests.phones.smsc import Smsc, free_port, start_smsc
from tests.phones.test_smpp import Reports, bound, outgoing, run
from tests.phones.tls import Authority, in_front_of
from watchword.messaging.content import sms
from watchword.messaging.gateway import DeliveryFailed, Result
from watchword.messaging.gateways.smpp import gateway as module
from watchword.messaging.gateways.smpp.config import SmppConfig
from watchword.messaging.gateways.smpp.gateway import SmppGateway

needs_perl = pytest.mark.skipif(bool(no_perl()), reason=no_perl())


async def until(is_so: Callable[[], bool], seconds: float = 15) -> None:
    """Wait on the event loop until a condition holds."""
    async with asyncio.timeout(seconds):
        while not is_so():  # noqa: ASYNC110  (the condition has no event)
            await asyncio.sleep(0.01)


# TLS ------------------------------------------------------------------------------------------------------------------


def over_tls(port: int, host: str = "localhost") -> SmppGateway:
    """Return a gateway that binds over TLS."""
    return SmppGateway("one", SmppConfig(host=host, port=port, system_id="ww", password="secret", tls=True))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_over_tls_texts_go_to_an_smsc_whose_authority_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """A private certificate authority is named by SSL_CERT_FILE, for all gateways of the process."""
    authority, port = Authority(tmp_path), free_port()
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))

    async def play() -> None:
        async with Smsc() as smsc, in_front_of(smsc.port, authority.context_for(host), at=port) as heard:
            gateway, reports = over_tls(port, host), Reports()
            await gateway.start(reports)
            handed = await gateway.send(outgoing())
            assert (await smsc.wait_for(1))[0].number == "4915112345678"
            (report,) = await reports.wait_for(1)
            assert (report.reference, report.result) == (handed.reference, Result.DELIVERED)
            assert any(b"secret" in octets for octets in heard)
            await gateway.stop()

    run(play)


@pytest.mark.parametrize(
    ("known", "name"),
    [
        pytest.param(False, "localhost", id="an authority that nobody knows"),
        pytest.param(True, "carrier.example", id="another name"),
    ],
)
def test_over_tls_nobody_else_learns_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool, name: str
) -> None:
    """The certificate is checked before anything is sent."""
    monkeypatch.setattr(module, "BOUND_SECONDS", 1.0)
    authority, other, port = Authority(tmp_path), Authority(tmp_path, "Another"), free_port()
    monkeypatch.setenv("SSL_CERT_FILE", str((authority if known else other).file))

    async def play() -> None:
        async with Smsc() as smsc, in_front_of(smsc.port, authority.context_for(name), at=port) as heard:
            gateway = over_tls(port)
            await gateway.start(Reports())
            with pytest.raises(DeliveryFailed) as caught:
                await gateway.send(outgoing())
            assert not caught.value.maybe_taken
            assert not gateway.condition.is_up
            assert gateway.condition.words == "the certificate of the provider is not trusted"
            await gateway.stop()
            assert heard == []

    run(play)


# Peers that die, hang, or are full ----------------------------------------------------------------------------------


def test_a_peer_that_hangs_is_noticed_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stopped peer's kernel still accepts TCP data: only missing responses show that it is dead."""
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.4)
    monkeypatch.setattr(module, "CONNECT_SECONDS", 1.0)
    monkeypatch.setattr(module, "BOUND_SECONDS", 10.0)
    port, log = free_port(), tmp_path / "got"

    async def play() -> None:
        process = start_smsc(port, log)
        gateway = SmppGateway("one", SmppConfig(host="127.0.0.1", port=port, system_id="ww", password="s"))
        try:
            await gateway.start(Reports())
            await gateway.send(outgoing())
            process.send_signal(signal.SIGSTOP)
            failed = await asyncio.gather(*(gateway.send(outgoing()) for _ in range(3)), return_exceptions=True)
            assert all(isinstance(one, DeliveryFailed) and one.maybe_taken for one in failed)
            await until(lambda: not gateway.condition.is_up)
            process.send_signal(signal.SIGCONT)
            await gateway.send(outgoing("777777"))
            assert "#777777" in log.read_text()
        finally:
            await gateway.stop()
            process.kill()
            process.wait()

    run(play)


def test_a_link_that_was_quiet_for_long_is_made_anew_at_the_first_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A firewall that has lost the connection's state drops packets without a reset."""
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.0)

    async def play() -> None:
        async with Smsc(status=-1) as smsc, bound(smsc) as (gateway, _reports):
            with pytest.raises(DeliveryFailed):
                await gateway.send(outgoing())
            await until(lambda: not gateway.condition.is_up)
            smsc.status = 0
            await gateway.send(outgoing())
            assert len(smsc.got) == 1

    run(play)


def test_the_pauses_between_binds_grow_and_are_never_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """An SMSC that is down isn't flooded with binds, and many nodes don't reconnect at the same moment."""
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    async def play() -> None:
        gateway = SmppGateway("one", SmppConfig(host="127.0.0.1", port=free_port(), system_id="ww", password="s"))
        monkeypatch.setattr(asyncio, "sleep", noted)
        await gateway.start(Reports())
        async with asyncio.timeout(10):
            while len(pauses) < 12:
                await sleep(0.01)
        await gateway.stop()

    run(play)
    for position, pause in enumerate(pauses[:12]):
        middle = min(module.FIRST_PAUSE_SECONDS * 2**position, module.LONGEST_PAUSE_SECONDS)
        assert 0.5 * middle <= pause <= 1.5 * middle
    assert len(set(pauses)) == len(pauses)


def test_a_gateway_that_is_full_is_given_time_and_the_text_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_HOLD_SECONDS", 0.05)

    async def play() -> None:
        async with Smsc(refusals=[0x58, 0x14, 0x58]) as smsc, bound(smsc) as (gateway, _reports):
            began = time.monotonic()
            await gateway.send(outgoing())
            assert time.monotonic() - began >= 0.05 + 0.1 + 0.2
            assert len(await smsc.wait_for(1)) == 1
            assert gateway._hold_seconds == 0

    run(play)


def test_a_gateway_that_stays_full_is_no_broken_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FULL_SECONDS", 0.3)
    monkeypatch.setattr(module, "FIRST_HOLD_SECONDS", 0.1)

    async def play() -> None:
        async with Smsc(status=0x58) as smsc, bound(smsc) as (gateway, _reports):
            with pytest.raises(DeliveryFailed) as caught:
                await gateway.send(outgoing())
            assert caught.value.is_full
            assert not caught.value.maybe_taken
            assert gateway.condition.is_up

    run(play)


def test_no_more_submissions_wait_for_an_answer_than_the_window_holds() -> None:
    async def play() -> None:
        answers = asyncio.Event()
        async with Smsc(stat=None, answers=answers) as smsc, bound(smsc, window_size=7) as (gateway, _reports):
            sending = [asyncio.create_task(gateway.send(outgoing(f"{number:06d}"))) for number in range(40)]
            await until(lambda: smsc.most_at_once >= 7)
            answers.set()
            await asyncio.gather(*sending)
            assert len(smsc.got) == 40
            assert smsc.most_at_once == 7

    run(play)


def test_what_waits_for_the_window_in_vain_was_certainly_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FULL_SECONDS", 0.2)

    async def play() -> None:
        answers = asyncio.Event()
        async with Smsc(stat=None, answers=answers) as smsc, bound(smsc, window_size=1) as (gateway, _reports):
            first = asyncio.create_task(gateway.send(outgoing("111111")))
            await until(lambda: smsc.most_at_once == 1)
            with pytest.raises(DeliveryFailed) as caught:
                await asyncio.wait_for(gateway.send(outgoing("222222")), 3)
            assert (caught.value.is_full, caught.value.maybe_taken, caught.value.permanent) == (True, False, False)
            answers.set()
            await first
            await gateway.send(outgoing("333333"))
            assert [got.text[:7] for got in smsc.got] == ["111 111", "333 333"]

    run(play)


# An SMSC in Perl ------------------------------------------------------------------------------------------------------


@needs_perl
def test_an_smsc_in_perl_reads_what_we_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    with PerlSmsc(port, tmp_path / "log") as smsc:

        async def play() -> None:
            config = SmppConfig(host="127.0.0.1", port=port, system_id="ww", password="secret", sender="+4930123456")
            gateway, reports = SmppGateway("one", config), Reports()
            await gateway.start(reports)
            message = outgoing()
            words = sms.text_of(message)
            monkeypatch.setattr(sms, "text_of", lambda one: one.words or words)
            references = [(await gateway.send(one)).reference for one in (message, outgoing(words="ñ{€}" * 40))]
            assert sorted(report.reference for report in await reports.wait_for(3)) == ["p-1", "p-2", "p-3"]
            assert {report.result for report in reports.all} == {Result.DELIVERED}
            assert references == ["p-1", "p-2"]
            await gateway.stop()
            (code, *parts) = smsc.wait_for_texts(3)
            assert (code.sender, code.number, code.data_coding) == ("4930123456", "4915112345678", 0)
            assert code.words == words
            assert code.validity in {"000000000500000R", "000000000459000R"}
            headless = b"".join(part.octets[6:] for part in parts)
            assert [part.octets[:6].hex() for part in parts] == [
                f"050003{parts[0].octets[3]:02x}02{number:02x}" for number in (1, 2)
            ]
            assert {part.esm_class for part in parts} == {0x40}
            assert headless.decode("gsm03.38") == "ñ{€}" * 40
            assert [line[:1] for line in smsc.lines("bind")] == [["ww"]]
            await until(lambda: smsc.lines("unbind") == [[]])

        run(play)


@needs_perl
def test_a_wrong_password_is_told_in_plain_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECT_SECONDS", 0.5)
    monkeypatch.setattr(module, "BOUND_SECONDS", 0.1)
    port = free_port()
    with PerlSmsc(port, tmp_path / "log"):

        async def play() -> None:
            config = SmppConfig(host="127.0.0.1", port=port, system_id="ww", password="wrong")
            gateway = SmppGateway("one", config)
            await gateway.start(Reports())
            with pytest.raises(DeliveryFailed):
                await gateway.send(outgoing())
            await until(lambda: gateway.condition.words.startswith("the provider does not accept the user name"))
            assert not gateway.condition.is_up
            await gateway.stop()

        run(play)


@needs_perl
def test_a_gateway_in_perl_that_comes_back_is_bound_again(tmp_path: Path) -> None:
    port = free_port()

    async def play() -> None:
        gateway = SmppGateway("one", SmppConfig(host="127.0.0.1", port=port, system_id="ww", password="secret"))
        with PerlSmsc(port, tmp_path / "first"):
            await gateway.start(Reports())
            await gateway.send(outgoing())
        await until(lambda: not gateway.condition.is_up)
        with PerlSmsc(port, tmp_path / "second") as smsc:
            await until(lambda: gateway.condition.is_up)
            await gateway.send(outgoing("777777"))
            assert smsc.wait_for_texts(1)[0].words.endswith("#777777")
        await gateway.stop()

    run(play)
