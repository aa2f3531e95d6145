"""The addresses that the daemon listens on, and its errors where it can't."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from watchword.doors.mail.sockets import Access, CannotListen, listen_on_loopback, listen_on_path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mail" / "dict"


def test_the_socket_and_its_folder_are_for_their_owner_alone(path: Path) -> None:
    with listen_on_path(path, Access()).socket:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_group_may_use_the_socket_and_pass_through_its_folder(path: Path) -> None:
    own = os.getgid()
    with listen_on_path(path, Access(group=str(own), mode=0o660)).socket:
        assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_gid) == (0o660, own)
        assert (stat.S_IMODE(path.parent.stat().st_mode), path.parent.stat().st_gid) == (0o750, own)


def test_a_folder_that_is_there_is_left_as_it_is(path: Path) -> None:
    path.parent.mkdir(mode=0o711)
    path.parent.chmod(0o711)
    with listen_on_path(path, Access()).socket:
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o711


def test_a_stale_socket_is_replaced(path: Path) -> None:
    listen_on_path(path, Access()).socket.close()
    assert path.exists()
    listener = listen_on_path(path, Access())
    with listener.socket, socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(path))


def test_a_live_socket_is_not_taken_away(path: Path) -> None:
    with listen_on_path(path, Access()).socket:
        with pytest.raises(CannotListen, match="another daemon answers at"):
            listen_on_path(path, Access())
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(path))


def test_a_file_of_another_persons_is_not_touched(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(CannotListen, match="exists and is not a socket"):
        listen_on_path(path, Access())
    assert path.read_text() == "precious"


def test_only_ones_own_socket_is_removed(path: Path) -> None:
    first = listen_on_path(path, Access())
    first.socket.close()
    second = listen_on_path(path, Access())
    with second.socket:
        first.remove()
        assert path.exists()
        second.remove()
        assert not path.exists()


def test_a_path_that_is_too_long_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotListen, match="too long for a socket"):
        listen_on_path(tmp_path / ("x" * 120), Access())


@pytest.mark.parametrize(
    ("access", "said"), [(Access(owner="nobody-at-all"), "user"), (Access(group="no-group"), "group")]
)
def test_an_unknown_user_or_group_is_named_and_nothing_is_made(path: Path, access: Access, said: str) -> None:
    with pytest.raises(CannotListen, match=f"there is no {said}"):
        listen_on_path(path, access)
    assert not path.parent.exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "localhost", ""])
def test_only_this_machine_can_ask_over_tcp(host: str) -> None:
    with pytest.raises(CannotListen, match=r"127\.0\.0\.1"):
        listen_on_loopback(host, 0)


def test_a_port_in_use_is_named() -> None:
    with listen_on_loopback("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(CannotListen, match=f"port {port} can't be used: another program listens there"):
            listen_on_loopback("127.0.0.1", port)
