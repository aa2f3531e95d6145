"""`watchword health`: each process is asked, and an answer that is none is said in words."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.utils import timezone

from tests.ports import free_ports
from watchword.audit.heartbeats import ProcessHeart
from watchword.cli.health import CHECKS, ask_heartbeat, ask_mail, ask_web, health


@contextmanager
def answering(listener: socket.socket, answer: bytes) -> Iterator[None]:
    """Answer one connection with these octets."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@pytest.mark.parametrize(
    ("answer", "healthy", "says"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", True, "ready at 127.0.0.1 port PORT"),
        (
            b'HTTP/1.1 503 x\r\nContent-Length: 23\r\n\r\n{"failed": ["database"]}'[:-1],
            False,
            "127.0.0.1 port PORT answers with status 503",
        ),
        (b'HTTP/1.1 503 x\r\nContent-Length: 24\r\n\r\n{"failed": ["database"]}', False, "it is not ready: database"),
        (b"HTTP/1.1 502 x\r\nContent-Length: 2\r\n\r\n{}", False, "127.0.0.1 port PORT answers with status 502"),
        (b"220 smtp.example.org ESMTP\r\n", False, "nothing answers at 127.0.0.1 port PORT (BadStatusLine)"),
    ],
)
def test_the_web_server_is_asked_whether_it_is_ready(answer: bytes, healthy: bool, says: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with answering(listener, answer):
            found = ask_web({"WATCHWORD_LISTEN": f"127.0.0.1:{port}"})
    assert (found.healthy, found.says) == (healthy, says.replace("PORT", str(port)))


@pytest.mark.parametrize(
    ("answer", "healthy", "says"),
    [
        (b"9:NOTFOUND ,", True, "answers at"),
        (b"20:TEMP try again later,", False, "it answers, but the database does not"),
        (b"", False, "is not the mail door"),
        (b"HTTP/1.1 400 Bad Request\r\n,", False, "is not the mail door"),
    ],
)
def test_the_mail_door_looks_up_an_address_that_nobody_has(
    answer: bytes, healthy: bool, says: str, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socketmap"))
        listener.listen()
        with answering(listener, answer):
            found = ask_mail({"WATCHWORD_MAIL_SOCKET_DIRECTORY": str(tmp_path)})
    assert found.healthy is healthy
    assert says in found.says


def test_a_process_that_is_not_there_is_said_in_words_with_status_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (port,) = free_ports(1)
    variables = {"WATCHWORD_LISTEN": f"127.0.0.1:{port}", "WATCHWORD_MAIL_SOCKET_DIRECTORY": str(tmp_path)}
    assert health(["web"], variables) == 1
    assert capsys.readouterr().out == f"web: NOT OK, nothing answers at 127.0.0.1 port {port} (Connection refused)\n"
    assert health(["mail", "--json"], variables) == 1
    assert json.loads(capsys.readouterr().out) == {
        "healthy": False,
        "processes": {
            "mail": {
                "healthy": False,
                "says": f"nothing answers at {tmp_path}/socketmap (No such file or directory)",
            }
        },
        "notes": [],
    }


def test_a_wrong_setting_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert health(["web"], {"WATCHWORD_LISTEN": "nowhere"}) == 1
    said = capsys.readouterr().err
    assert said.startswith("watchword health: WATCHWORD_LISTEN is 'nowhere'; expected: host:port")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("process", ["worker", "phones"])
def test_a_process_without_a_door_is_known_by_its_heartbeat(process: str) -> None:
    assert not ask_heartbeat(process).healthy
    ProcessHeart(process).beat(now=timezone.now())
    found = ask_heartbeat(process)
    assert (found.healthy, found.says) == (True, "seen 0 s ago")


@pytest.mark.django_db(transaction=True)
def test_all_asks_each_process_and_adds_what_is_to_be_looked_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert health(["all", "--json"], {"WATCHWORD_LISTEN": f"127.0.0.1:{free_ports(1)[0]}"}) == 1
    said = json.loads(capsys.readouterr().out)
    assert set(said["processes"]) == set(CHECKS)
    assert said["healthy"] is False
    assert "Backup: never done." in said["notes"]
