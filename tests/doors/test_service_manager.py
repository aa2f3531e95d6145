"""The service manager is told what holds, and the sockets that it passes are found by their names."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from watchword.doors import service_manager
from watchword.doors.service_manager import (
    InvalidSockets,
    ServiceManager,
    inherited_sockets,
    only,
    passed_sockets,
    socket_words,
)


@pytest.fixture
def told(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(10)
        yield channel


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        yield one


def manager(told: socket.socket, **more: str) -> ServiceManager:
    return ServiceManager({"NOTIFY_SOCKET": told.getsockname(), **more})


def test_the_states_are_told_as_sd_notify_says(told: socket.socket) -> None:
    one = manager(told)
    one.ready("serving")
    assert told.recv(100) == b"READY=1\nSTATUS=serving"
    one.reloading()
    first, second = told.recv(100).split(b"\n")
    assert first == b"RELOADING=1"
    assert second.startswith(b"MONOTONIC_USEC=")
    one.stopping()
    assert told.recv(100).startswith(b"STOPPING=1\n")


def test_an_abstract_address_is_reached() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(f"\0watchword-test-{os.getpid()}")
        channel.settimeout(10)
        ServiceManager({"NOTIFY_SOCKET": f"@watchword-test-{os.getpid()}"}).ready("x")
        assert channel.recv(100).startswith(b"READY=1")


def test_without_a_service_manager_nothing_is_sent() -> None:
    one = ServiceManager({})
    one.ready("serving")
    one.beat()
    asyncio.run(one.keep_beating())
    assert one.beat_seconds == 0


def test_a_manager_that_is_gone_is_logged_and_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("serving")
    assert "service manager not told" in caplog.text


def test_a_heartbeat_comes_three_times_within_the_time_of_the_watchdog(told: socket.socket) -> None:
    one = manager(told, WATCHDOG_USEC="90000", WATCHDOG_PID=str(os.getpid()))
    assert one.beat_seconds == pytest.approx(0.03)
    one.beat()
    one.beat()
    assert told.recv(100) == b"WATCHDOG=1"
    told.setblocking(False)
    with pytest.raises(BlockingIOError):
        told.recv(100)


def test_an_event_loop_that_stands_still_sends_no_heartbeat(told: socket.socket) -> None:
    async def stage() -> int:
        one = manager(told, WATCHDOG_USEC="30000")
        beats = asyncio.create_task(one.keep_beating())
        await asyncio.sleep(0)
        told.recv(100)
        told.settimeout(0.1)
        with pytest.raises(TimeoutError):
            # The loop is blocked here for ten of its heartbeats.
            told.recv(100)
        told.setblocking(False)
        await asyncio.sleep(0.02)
        beats.cancel()
        return len(told.recv(100))

    assert asyncio.run(stage()) > 0


def test_the_watchdog_of_another_process_is_not_this_ones(told: socket.socket) -> None:
    assert manager(told, WATCHDOG_USEC="90000", WATCHDOG_PID="1").beat_seconds == 0
    assert manager(told, WATCHDOG_USEC="soon").beat_seconds == 0


def passed(monkeypatch: pytest.MonkeyPatch, *sockets: socket.socket) -> None:
    """Let the passed descriptors begin at the duplicates of these sockets."""
    first = 700
    for number, one in enumerate(sockets, start=first):
        assert fcntl.fcntl(one.fileno(), fcntl.F_DUPFD, number) == number
    monkeypatch.setattr(service_manager, "FIRST_SOCKET", first)


def close(found: service_manager.Sockets) -> None:
    for one in (one for each in found.values() for one in each):
        one.close()


def test_passed_sockets_are_found_by_their_names(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    passed(monkeypatch, listener, listener)
    found = passed_sockets({"LISTEN_PID": "7", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "auth:dict"}, 7)
    assert {name: [one.getsockname() for one in each] for name, each in found.items()} == {
        "auth": [listener.getsockname()],
        "dict": [listener.getsockname()],
    }
    assert not any(one.get_inheritable() for each in found.values() for one in each)
    words = socket_words(found)
    for one in (one for each in found.values() for one in each):
        one.detach()
    again = inherited_sockets(words)
    assert set(again) == {"auth", "dict"}
    close(again)


@pytest.mark.parametrize("environment", [{}, {"LISTEN_PID": "8", "LISTEN_FDS": "1"}])
def test_the_sockets_of_another_process_are_not_taken(environment: dict[str, str]) -> None:
    assert passed_sockets(environment, 7) == {}


def test_a_number_of_sockets_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidSockets, match="LISTEN_FDS is no number"):
        passed_sockets({"LISTEN_PID": "7", "LISTEN_FDS": "many"}, 7)


def test_a_socket_that_does_not_listen_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        monkeypatch.setattr(service_manager, "FIRST_SOCKET", datagrams.fileno())
        with pytest.raises(InvalidSockets, match="does not listen: use ListenStream="):
            passed_sockets({"LISTEN_PID": "7", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "auth"}, 7)


def test_a_descriptor_that_is_no_socket_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file, pytest.raises(InvalidSockets, match="is no socket"):
        inherited_sockets(f"web={file.fileno()}")


@pytest.mark.parametrize("text", ["web", "web=", "web=x", "=;"])
def test_inherited_sockets_that_are_described_wrongly_are_refused(text: str) -> None:
    with pytest.raises(InvalidSockets, match="is passed by `watchword serve` alone"):
        inherited_sockets(text)


def test_a_socket_with_another_name_is_refused_with_the_names_that_are_known(listener: socket.socket) -> None:
    with pytest.raises(InvalidSockets, match="FileDescriptorName= of its socket unit must be web"):
        only({"auth": [listener]}, ["web"])
