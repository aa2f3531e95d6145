"""The demo's client of the mail door: yes, no, and the cases in which there is neither."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from watchword.demo import auth_client
from watchword.demo.auth_client import CannotAsk, Login, ask

HELLO = b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nDONE\n"


@contextmanager
def door(folder: Path, answer: bytes, hello: bytes = HELLO, *, hears: int = 3) -> Iterator[tuple[Path, list[bytes]]]:
    """Play the server's side of the protocol once: send the hello, read some lines, answer, hang up."""
    path = folder / "auth"
    heard: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(10)

        def play() -> None:
            connection, _address = listener.accept()
            with connection, connection.makefile("rwb") as stream:
                stream.write(hello)
                stream.flush()
                heard.extend(stream.readline() for _ in range(hears))
                stream.write(answer)

        player = threading.Thread(target=play)
        player.start()
        try:
            yield path, heard
        finally:
            player.join(10)


def shown(name: str = "alice@harbour.example", password: str = "a b\tc") -> Login:
    return Login(name, password, "imap", "127.0.0.1")


def test_a_yes_carries_the_canonical_name(tmp_path: Path) -> None:
    with door(tmp_path, b"OK\t1\tuser=alice@harbour.example\n") as (path, heard):
        assert ask(path, shown("ALICE@harbour.example")) == "alice@harbour.example"
    assert heard[0] == b"VERSION\t1\t2\n"
    question = heard[2].decode().rstrip("\n").split("\t")
    assert question[:5] == ["AUTH", "1", "PLAIN", "service=imap", "rip=127.0.0.1"]
    assert base64.b64decode(question[5].removeprefix("resp=")) == b"\0ALICE@harbour.example\0a b\tc"


def test_a_no_is_a_no(tmp_path: Path) -> None:
    with door(tmp_path, b"FAIL\t1\tuser=alice@harbour.example\n") as (path, _heard):
        assert ask(path, shown()) is None


@pytest.mark.parametrize(
    "answer", [b"FAIL\t1\ttemp\n", b"FAIL\t1\tcode=temp_fail\n", b"", b"CONT\t1\t\n", b"OK\t2\tuser=mallory\n", b"\xff"]
)
def test_what_is_neither_is_never_a_wrong_password(tmp_path: Path, answer: bytes) -> None:
    with door(tmp_path, answer) as (path, _heard), pytest.raises(CannotAsk):
        ask(path, shown())


def test_a_door_that_hangs_up_or_is_not_there_is_never_a_wrong_password(tmp_path: Path) -> None:
    with pytest.raises(CannotAsk):
        ask(tmp_path / "nobody", shown())
    with door(tmp_path, b"", hello=b"VERSION\t1\t2\n", hears=0) as (path, _heard), pytest.raises(CannotAsk):
        ask(path, shown())


def test_a_door_that_falls_silent_is_never_a_wrong_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth_client, "TIMEOUT_SECONDS", 0.1)
    # The server waits for one line more than the client sends, while the client waits for its answer.
    with door(tmp_path, b"", hello=b"VERSION\t1\t2\n") as (path, _heard), pytest.raises(CannotAsk):
        ask(path, shown())


@pytest.mark.parametrize("login", [shown(name="a\0b"), shown(password="x\0y"), shown(name="\ud800")])
def test_what_the_protocol_cannot_carry_is_refused_without_asking(tmp_path: Path, login: Login) -> None:
    assert ask(tmp_path / "nobody", login) is None


def test_a_password_is_not_in_what_a_log_would_show() -> None:
    assert "a b" not in repr(shown())
