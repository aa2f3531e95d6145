"""No peer takes all connections of the mail door: TCP leaves places to sockets, and idle peers to requests."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.doors.mail.fake_backend import ALICE, APP_PASSWORD, FakeChecks
from tests.doors.mail.peer import OF_TODAY, Peer, auth, free_port
from tests.doors.mail.test_server import play
from watchword.doors.mail import connection_limits
from watchword.doors.mail.connection_limits import MOST_CONNECTIONS, ConnectionLimits, Full
from watchword.doors.mail.connection_limits import Peer as Who

COME_IN = f"OK\t1\tuser={ALICE}"


async def by_tcp(port: int, source: str = "127.0.0.1") -> Peer:
    peer = Peer(*await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0)))
    peer.write(OF_TODAY)
    while (line := await peer.read()) != "DONE":
        assert line, "hung up"
    return peer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "mail"


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    """Return the TCP port of a daemon that allows sixteen connections."""
    monkeypatch.setattr(connection_limits, "MOST_CONNECTIONS", 16)
    return free_port()


def test_idle_tcp_connections_leave_the_sockets_to_the_mail_servers(folder: Path, port: int) -> None:
    async def scene(folder: Path, checks: FakeChecks) -> None:
        for source in range(1, 30):
            await by_tcp(port, f"127.0.0.{source}")
        for _ in range(8):
            server = await Peer.of_auth(folder)
            assert await server.ask(auth(APP_PASSWORD)) == COME_IN

    play(scene, folder, loopback=("127.0.0.1", port))


def test_one_tcp_address_leaves_places_to_another(folder: Path, port: int) -> None:
    async def scene(folder: Path, checks: FakeChecks) -> None:
        busy = [await by_tcp(port, "127.0.0.2") for _ in range(4)]
        for one in busy:
            assert await one.ask(auth(APP_PASSWORD)) == COME_IN
        refused = Peer(*await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0)))
        assert await refused.is_hung_up()
        other = await by_tcp(port, "127.0.0.3")
        assert await other.ask(auth(APP_PASSWORD)) == COME_IN
        for one in busy:
            assert await one.ask(auth(APP_PASSWORD, request=2)) == f"OK\t2\tuser={ALICE}"

    play(scene, folder, loopback=("127.0.0.1", port))


def test_a_silent_connection_makes_room_for_one_that_asks(folder: Path, port: int) -> None:
    async def scene(folder: Path, checks: FakeChecks) -> None:
        silent = [await Peer.of_auth(folder) for _ in range(12)]
        for _ in range(12):
            server = await Peer.of_auth(folder)
            assert await server.ask(auth(APP_PASSWORD)) == COME_IN
        for one in silent:
            assert await one.is_hung_up()
        refused = Peer(*await asyncio.open_unix_connection(folder / "auth"))
        assert await refused.is_hung_up()

    play(scene, folder, loopback=("127.0.0.1", port))


def test_each_kind_of_peer_has_its_share() -> None:
    limits, postfix, dovecot = ConnectionLimits(), Who(is_tcp=False, name="101"), Who(is_tcp=False, name="102")
    taken = 0
    while limits.full(postfix) is None:
        limits.take(postfix)
        taken += 1
    assert (taken, limits.full(postfix)) == (MOST_CONNECTIONS * 3 // 4, Full.PEER)
    while limits.full(dovecot) is None:
        limits.take(dovecot)
        taken += 1
    assert (taken, limits.full(dovecot)) == (MOST_CONNECTIONS, Full.ALL)
    limits.give_back(dovecot)
    assert limits.full(dovecot) is None


def test_all_tcp_addresses_together_have_half() -> None:
    limits, taken = ConnectionLimits(), 0
    for number in range(10):
        peer = Who(is_tcp=True, name=f"127.0.0.{number}")
        while limits.full(peer) is None:
            limits.take(peer)
            taken += 1
    assert taken == MOST_CONNECTIONS // 2
    assert limits.full(Who(is_tcp=True, name="127.0.0.99")) is Full.TCP
    assert limits.full(Who(is_tcp=False, name="101")) is None
