"""The daemon on real sockets, with a fake backend that can be held up."""

import asyncio
import base64
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.doors.mail.fake_backend import ACCOUNT_PASSWORD, ALICE, APP_PASSWORD, FakeChecks
from tests.doors.mail.peer import INTRODUCTION, Peer, auth, free_port, look_up
from tests.doors.mail.test_dict_protocol import RING
from watchword.doors.mail import connection_limits, connections
from watchword.doors.mail.connections import MOST_PENDING
from watchword.doors.mail.server import Plan, serve
from watchword.doors.mail.sockets import AUTH_SOCKET, DICT_SOCKET, CannotListen

COME_IN = f'O{{"password": null, "nopassword": "y", "user": "{ALICE}"}}'

type Scene = Callable[[Path, FakeChecks], Awaitable[None]]


def play(scene: Scene, folder: Path, **config: Any) -> FakeChecks:
    """Run the daemon and one scene; afterwards the daemon must stop cleanly and leave no socket behind."""
    checks = FakeChecks()

    async def stage() -> None:
        ready = asyncio.Event()
        plan = Plan(folder=folder, **config)
        daemon = asyncio.create_task(serve(plan, checks, RING, ready=lambda _places: ready.set()))
        async with asyncio.timeout(20):
            await ready.wait()
        try:
            async with asyncio.timeout(60):
                await scene(folder, checks)
        finally:
            checks.gate.set()
            os.kill(os.getpid(), signal.SIGTERM)
            async with asyncio.timeout(20):
                await daemon
            await Peer.leave()

    asyncio.run(stage())
    assert list(folder.iterdir()) == []
    return checks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "mail"


def test_dovecot_gets_its_answers(folder: Path) -> None:
    async def scene(folder: Path, checks: FakeChecks) -> None:
        peer = await Peer.of_dict(folder)
        assert await peer.ask(look_up(APP_PASSWORD)) == COME_IN
        assert await peer.ask(look_up(ACCOUNT_PASSWORD)) == COME_IN
        assert await peer.ask(look_up("wrong")) == "N"
        assert await peer.ask(look_up(APP_PASSWORD, "mallory@x")) == "N"
        assert await peer.ask(b"Lshared/userdb/A.Lias@harbour.example\t\n") == f'O{{"user": "{ALICE}"}}'
        assert await peer.ask(b"Lshared/userdb/mallory@x\t\n") == "N"
        assert (await peer.ask(b"Lshared/quota/alice\t\n"))[:1] == "F"
        checks.is_locked = True
        assert (await peer.ask(look_up(APP_PASSWORD)))[:1] == "F"
        assert (await peer.ask(look_up(ACCOUNT_PASSWORD)))[:1] == "F"

    play(scene, folder)


def test_all_mailboxes_are_listed_in_portions_and_in_the_order_of_the_questions(folder: Path) -> None:
    async def scene(folder: Path, checks: FakeChecks) -> None:
        peer = await Peer.of_dict(folder)
        peer.write(b"I0\t0\tshared/userdb/\t\n" + look_up("zzzz" * 6))
        rows = [await peer.read() for _ in range(7)]
        assert rows == [*(f"Oshared/userdb/p{number}@x\t" for number in range(1, 6)), "", "N"]
        peer.write(b"I0\t3\tshared/userdb/\t\n")
        assert [await peer.read() for _ in range(4)] == [*(f"Oshared/userdb/p{n}@x\t" for n in range(1, 4)), ""]
        checks.is_locked = True
        assert (await peer.ask(b"I0\t0\tshared/userdb/\t\n"))[:1] == "F"

    play(scene, folder)


def test_answers_of_the_dict_protocol_leave_in_the_order_of_the_questions(folder: Path) -> None:
    async def scene(folder: Path, checks: FakeChecks) -> None:
        peer = await Peer.of_dict(folder)
        checks.gate.clear()
        peer.write(
            look_up(ACCOUNT_PASSWORD) + b"Lshared/passdb/nonsense\t\n" + look_up(APP_PASSWORD) + look_up("zzzz" * 6)
        )
        await checks.reached(turns=1, account_checks=1)
        checks.gate.set()
        assert [await peer.read() for _ in range(4)] == [COME_IN, "N", COME_IN, "N"]

    play(scene, folder)


def test_postfix_gets_its_answers(folder: Path) -> None:
    async def scene(folder: Path, checks: FakeChecks) -> None:
        peer = await Peer.of_auth(folder)
        assert await peer.ask(auth(APP_PASSWORD, request=1)) == f"OK\t1\tuser={ALICE}"
        assert await peer.ask(auth(APP_PASSWORD, ALICE.upper(), request=2)) == f"OK\t2\tuser={ALICE}"
        assert await peer.ask(auth("wrong", request=3)) == f"FAIL\t3\tuser={ALICE}"
        assert await peer.ask(auth("wrong", "mallory@x", request=4)) == "FAIL\t4\tuser=mallory@x"
        checks.is_locked = True
        assert await peer.ask(auth(APP_PASSWORD, request=5)) == "FAIL\t5\ttemp\tcode=temp_fail"

    play(scene, folder)


def test_a_client_to_which_every_fail_is_a_wrong_password_is_hung_up_on_instead(folder: Path) -> None:
    async def scene(folder: Path, checks: FakeChecks) -> None:
        peer = await Peer.of_auth(folder, INTRODUCTION)
        checks.is_locked = True
        peer.write(auth(APP_PASSWORD))
        assert await peer.is_hung_up()
        checks.is_locked = False
        again = await Peer.of_auth(folder, INTRODUCTION)
        assert await again.ask(auth(APP_PASSWORD)) == f"OK\t1\tuser={ALICE}"

    play(scene, folder)


def test_a_cancelled_question_is_not_answered(folder: Path) -> None:
    async def scene(folder: Path, checks: FakeChecks) -> None:
        peer = await Peer.of_auth(folder)
        checks.gate.clear()
        peer.write(auth(APP_PASSWORD, request=1))
        await checks.reached(turns=1)
        peer.write(b"CANCEL\t1\n" + auth("zzzz" * 6, request=2))
        other = await Peer.of_auth(folder)  # By now the daemon has read the lines before.
        checks.gate.set()
        assert await peer.read() == f"FAIL\t2\tuser={ALICE}"
        assert await other.ask(auth(APP_PASSWORD)) == f"OK\t1\tuser={ALICE}"

    play(scene, folder)


GARBAGE = [
    b"\x00",
    b"\xff\xfe",
    b"A" * 65_536,
    b"L" + b"A" * 65_536,
    b'Lshared/passdb/a\x00b@x"secret"imap"',
    b'Lshared/passdb/a\x01tb@x"secret"imap"',
    b'Lshared/passdb/\xff@x"secret"imap"',
    b"AUTH\t1\tPLAIN\tresp=" + b"A" * 65_536,
    b"AUTH\t1\tPLAIN\tresp=\xff",
    b"AUTH\t1\tPLAIN\tresp=" + base64.b64encode(b"\x00a\tb\x00c\nd"),
    b"AUTH\t99999999999999999999\tPLAIN",
]


@pytest.mark.parametrize("octets", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_disturbs_no_other_connection(folder: Path, octets: bytes) -> None:
    async def scene(folder: Path, checks: FakeChecks) -> None:
        good_dict, good_auth = await Peer.of_dict(folder), await Peer.of_auth(folder)
        for bad in (await Peer.of_dict(folder), await Peer.of_auth(folder)):
            bad.write(octets + b"\n")
            bad.writer.write_eof()
            async with asyncio.timeout(20):
                with contextlib.suppress(ConnectionResetError):
                    await bad.reader.read()
        assert await good_dict.ask(look_up(APP_PASSWORD)) == COME_IN
        assert await good_auth.ask(auth(APP_PASSWORD)) == f"OK\t1\tuser={ALICE}"

    play(scene, folder)


def test_what_is_too_long_is_refused_on_the_same_connection(folder: Path) -> None:
    async def scene(folder: Path, checks: FakeChecks) -> None:
        peer = await Peer.of_dict(folder)
        assert await peer.ask(look_up("x" * 65_536)) == "N"
        assert await peer.ask(look_up(APP_PASSWORD)) == COME_IN
        other = await Peer.of_auth(folder)
        assert await other.ask(auth("x" * 65_536)) == "FAIL\t1"
        assert await other.ask(auth(APP_PASSWORD)) == f"OK\t1\tuser={ALICE}"

    play(scene, folder)


def test_a_client_that_asks_without_end_is_read_no_further_than_allowed(folder: Path) -> None:
    async def scene(folder: Path, checks: FakeChecks) -> None:
        peer, other = await Peer.of_dict(folder), await Peer.of_dict(folder)
        checks.gate.clear()
        peer.write(look_up(APP_PASSWORD) * 1000)
        answer = asyncio.create_task(other.ask(look_up(APP_PASSWORD)))
        await checks.reached(turns=1)
        checks.gate.set()
        assert await answer == COME_IN
        assert [await peer.read() for _ in range(1000)] == [COME_IN] * 1000
        assert max(checks.turns) <= MOST_PENDING + 1

    play(scene, folder)


def test_too_many_connections_are_refused_and_places_are_free_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_limits, "MOST_CONNECTIONS", 2)
    monkeypatch.setattr(connection_limits, "UNIX_PEER_SHARE", 1.0)

    async def scene(folder: Path, checks: FakeChecks) -> None:
        first, second = await Peer.of_auth(folder), await Peer.of_auth(folder)
        for one in (first, second):
            assert await one.ask(auth(APP_PASSWORD)) == f"OK\t1\tuser={ALICE}"
        third = Peer(*await asyncio.open_unix_connection(folder / AUTH_SOCKET))
        assert await third.is_hung_up()
        first.writer.close()
        await first.writer.wait_closed()
        assert await second.ask(auth(APP_PASSWORD, request=2)) == f"OK\t2\tuser={ALICE}"
        fourth = await Peer.of_auth(folder)
        assert await fourth.ask(auth(APP_PASSWORD)) == f"OK\t1\tuser={ALICE}"

    play(scene, folder)


def test_idle_connections_end_and_busy_ones_stay(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0)
    monkeypatch.setattr("watchword.doors.mail.server.SWEEP_SECONDS", 0.02)

    async def scene(folder: Path, checks: FakeChecks) -> None:
        silent, idle = Peer(*await asyncio.open_unix_connection(folder / DICT_SOCKET)), await Peer.of_auth(folder)
        busy = await Peer.of_auth(folder)
        checks.gate.clear()
        busy.write(auth(APP_PASSWORD))
        await checks.reached(turns=1)
        assert await idle.is_hung_up()
        checks.gate.set()
        assert await busy.read() == f"OK\t1\tuser={ALICE}"
        assert not silent.reader.at_eof()

    play(scene, folder)


def test_a_daemon_that_is_told_to_stop_answers_what_was_asked(folder: Path) -> None:
    checks = FakeChecks()

    async def stage() -> list[str]:
        ready = asyncio.Event()
        daemon = asyncio.create_task(serve(Plan(folder), checks, RING, ready=lambda _places: ready.set()))
        await ready.wait()
        peers = [await Peer.of_dict(folder), await Peer.of_dict(folder)]
        idle = await Peer.of_auth(folder)
        checks.gate.clear()
        peers[0].write(look_up(APP_PASSWORD))
        peers[1].write(look_up(ACCOUNT_PASSWORD))
        await checks.reached(turns=1, account_checks=1)
        os.kill(os.getpid(), signal.SIGINT)
        assert await idle.is_hung_up()
        checks.gate.set()
        answers = [await peer.read() for peer in peers]
        async with asyncio.timeout(20):
            await daemon
        await Peer.leave()
        return answers

    assert asyncio.run(stage()) == [COME_IN, COME_IN]
    assert list(folder.iterdir()) == []


def test_a_second_daemon_is_refused_and_the_first_goes_on(folder: Path) -> None:
    async def scene(folder: Path, checks: FakeChecks) -> None:
        with pytest.raises(CannotListen, match="another daemon answers at"):
            await serve(Plan(folder), checks, RING)
        peer = await Peer.of_dict(folder)
        assert await peer.ask(look_up(APP_PASSWORD)) == COME_IN

    play(scene, folder)


def test_postfix_can_ask_over_loopback_and_each_place_is_logged(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(folder: Path, checks: FakeChecks) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        peer = Peer(reader, writer)
        peer.write(INTRODUCTION)
        while await peer.read() != "DONE":
            pass
        assert await peer.ask(auth(APP_PASSWORD)) == f"OK\t1\tuser={ALICE}"

    port = free_port()
    caplog.set_level("INFO")
    play(scene, folder, loopback=("127.0.0.1", port))
    listening = [record.getMessage() for record in caplog.records if record.__dict__["event"] == "mail.listening"]
    assert sorted(listening) == sorted(
        [
            *(f"listening on {folder / name}" for name in ("dict", "auth", "socketmap", "policy")),
            *(
                f"listening on 127.0.0.1 port {port + at} ({name})"
                for at, name in enumerate(("auth", "socketmap", "policy"))
            ),
        ]
    )
