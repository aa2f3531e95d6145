"""The daemon that closes connections as root takes one name of the alphabet from one user, and nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchword.cli.serve_kick import serve_kick
from watchword.doors.mail import kick_server
from watchword.doors.mail.kick import CommandResult, KickBySocket, Kicked
from watchword.doors.mail.kick_server import KickServer
from watchword.doors.service_manager import ServiceManager

ALICE = "alice@harbour.example"
_PROGRAM = """
import json, sys
open({log!r}, "a").write(json.dumps(sys.argv[1:]) + chr(10))
print("it is said on standard error", file=sys.stderr)
sys.exit({status})
"""

type Scene = Callable[[Path], Awaitable[None]]


def play(scene: Scene, folder: Path, *, status: int = 0, users: frozenset[int] | None = None) -> list[str]:
    """Run a daemon whose command writes its arguments to a file, and a scene with its socket; return the lines."""
    log = folder / "log"
    log.touch()
    command = [sys.executable, "-c", _PROGRAM.format(log=str(log), status=status), "kick", "--"]

    async def stage() -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(folder / "kick"))
            listener.listen()
            server = KickServer(command, users=frozenset({os.geteuid()}) if users is None else users)
            daemon = asyncio.create_task(server.serve([listener], ServiceManager({})))
            try:
                await scene(folder / "kick")
            finally:
                os.kill(os.getpid(), signal.SIGTERM)
                await daemon

    asyncio.run(stage())
    return log.read_text().splitlines()


async def say(path: Path, octets: bytes, *, end: bool = False) -> bytes:
    """Send octets and return all that is answered."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    try:
        writer.write(octets)
        if end:
            writer.write_eof()
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("status", "kicked"),
    [(0, Kicked.CLOSED), (68, Kicked.NONE_OPEN), (75, Kicked.FAILED)],
    ids=["closed", "none", "75"],
)
def test_a_name_becomes_the_last_argument_and_the_result_is_told(tmp_path: Path, status: int, kicked: Kicked) -> None:
    async def scene(path: Path) -> None:
        done = await KickBySocket(str(path)).ask(ALICE)
        assert done.kicked is kicked
        assert (done.trouble != "") == (kicked is Kicked.FAILED)
        if done.trouble:
            assert "returned 75" in done.trouble
            assert "it is said on standard error" in done.trouble

    assert play(scene, tmp_path, status=status) == [f'["kick", "--", "{ALICE}"]']


BAD = [
    b"*\n",
    b"*@harbour.example\n",
    b"alice?@harbour.example\n",
    b"-c /tmp/x\n",
    b"--help\n",
    b"alice@harbour.example bob@harbour.example\n",
    b"alice@harbour.example; reboot\n",
    b"$(reboot)@harbour.example\n",
    b"../../etc/passwd\n",
    b"alice@harbour.example\0\n",
    b"alice@harbour.example\r\n",
    b" alice@harbour.example\n",
    b"\xff\xfe@harbour.example\n",
    b"\n",
    b"a" * 5000 + b"@harbour.example\n",
    b"GET / HTTP/1.1\r\n\r\n",
]


def test_what_is_no_name_is_refused_and_runs_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(path: Path) -> None:
        for octets in BAD:
            assert (await say(path, octets)).startswith(b"failed "), octets
        # A half line, and none at all, have no answer.
        assert await say(path, b"alice@harbour.exam", end=True) == b""
        assert await say(path, b"", end=True) == b""
        # Only the first line counts.
        assert await say(path, b"alice@harbour.example\nbob@harbour.example\n") == b"closed\n"

    assert play(scene, tmp_path) == [f'["kick", "--", "{ALICE}"]']
    assert caplog.text.count("request refused") == len(BAD)


LINES = [
    st.binary(max_size=300),
    st.text(max_size=80).map(str.encode),
    st.from_regex(r"[-*?a-z. ]{1,9}@[a-z.]{1,9}\n").map(str.encode),
]


@settings(max_examples=200, deadline=None)
@given(line=st.one_of(LINES))
def test_no_octets_reach_the_command_but_a_name_without_a_wildcard_or_an_option(line: bytes) -> None:
    name = kick_server._name_in(line)
    assert name is None or (not name.startswith("-") and not set(name) & set('*?[]\\/ \0\n\r\t"`$;|<>(){}!'))


def test_another_user_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(path: Path) -> None:
        assert await say(path, b"alice@harbour.example\n") == b"failed this user may not ask\n"

    assert play(scene, tmp_path, users=frozenset({4_000_000})) == []
    assert f"client refused: user id {os.geteuid()}" in caplog.text


def test_a_client_that_says_nothing_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kick_server, "ASK_SECONDS", 0.05)

    async def scene(path: Path) -> None:
        assert (await say(path, b"alice")).startswith(b"failed a line")

    assert play(scene, tmp_path) == []


def test_more_clients_than_allowed_are_told_to_come_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kick_server, "MOST_CLIENTS", 1)

    async def scene(path: Path) -> None:
        _, writer = await asyncio.open_unix_connection(str(path))
        assert await say(path, b"alice@harbour.example\n") == b"failed too many clients, try again\n"
        writer.close()

    assert play(scene, tmp_path) == []


def test_a_daemon_that_is_not_there_is_a_failure_to_try_again(tmp_path: Path) -> None:
    done = asyncio.run(KickBySocket(str(tmp_path / "none")).ask(ALICE))
    assert done == CommandResult(Kicked.FAILED, f"{tmp_path}/none does not answer (No such file or directory)")


def test_a_daemon_that_answers_nothing_is_a_failure_to_try_again(tmp_path: Path) -> None:
    async def stage() -> CommandResult:
        async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_unix_server(hang_up, tmp_path / "kick")
        try:
            return await KickBySocket(str(tmp_path / "kick")).ask(ALICE)
        finally:
            server.close()

    assert asyncio.run(stage()).kicked is Kicked.FAILED


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--allow", "nobody-of-this-name"], "there is no user 'nobody-of-this-name'; name the user of the mail door"),
        (["--allow", "0", "--doveadm", "/no/such/doveadm"], "/no/such/doveadm is no program; name the absolute path"),
        (["--allow", "0", "--doveadm", "doveadm"], "doveadm is no program; name the absolute path"),
        (["--allow", "0", "--doveadm", "/bin/true"], "no socket was passed; start watchword-kick.socket instead"),
    ],
)
def test_a_mistake_in_the_unit_is_said_in_a_sentence(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert serve_kick(words) == 1
    assert said in capsys.readouterr().err
