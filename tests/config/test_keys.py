"""The key ring's file and the command that keeps it."""

import threading
from pathlib import Path

import pytest

from tests.environment import KEYS
from watchword.config import keyfile
from watchword.config.key_commands import keys


def test_a_new_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "keys"
    ring = keyfile.create(path)
    assert path.stat().st_mode & 0o777 == 0o400
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert keyfile.read(path).keys == ring.keys
    assert list(path.parent.iterdir()) == [path]


def test_an_existing_file_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keys"
    path.write_text("something dear")
    assert keys(["create", "--file", str(path)], {}) == 1
    assert "exists already and was left as it is" in capsys.readouterr().err
    assert path.read_text() == "something dear"
    assert list(tmp_path.iterdir()) == [path]


def test_of_many_who_create_at_once_one_wins_and_all_see_its_key(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    seen: list[str] = []
    start = threading.Barrier(8)

    def create() -> None:
        start.wait()
        seen.append(keyfile.read_or_create(path).keys[0].id)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert set(seen) == {keyfile.read(path).keys[0].id}


def test_rotation_puts_a_new_key_in_front_and_keeps_the_old(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    old = keyfile.create(path)
    new = keyfile.rotate(path)
    assert new.keys[1:] == old.keys
    assert keyfile.read(path).keys == new.keys
    assert path.stat().st_mode & 0o777 == 0o400


def test_a_broken_file_is_not_rotated(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("v1:hunter2")
    path.chmod(0o600)
    with pytest.raises(keyfile.KeyFileError, match="line 1") as caught:
        keyfile.rotate(path)
    assert "hunter2" not in str(caught.value)
    assert path.read_text() == "v1:hunter2"


def test_a_missing_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for act in ("list", "rotate"):
        assert keys([act, "--file", str(tmp_path / "keys")], {}) == 1
        assert "doesn't exist" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert keys(["create", "--file", str(tmp_path / "file" / "keys")], {}) == 1
    assert "can't be made" in capsys.readouterr().err


def test_the_commands_show_ids_and_never_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    variables = {"WATCHWORD_HOME": str(tmp_path)}
    for act in ("create", "rotate", "list"):
        assert keys([act], variables) == 0
    said = capsys.readouterr().out
    ring = keyfile.read(tmp_path / "keys")
    assert said.splitlines()[-2:] == [f"{ring.keys[0].id}  in use", f"{ring.keys[1].id}  kept for reading"]
    for line in ring.serialise().split():
        assert line.split(":")[2] not in said


def test_a_ring_in_a_variable_is_not_quietly_replaced_by_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        keys(["rotate"], {"WATCHWORD_KEYS": KEYS, "WATCHWORD_HOME": str(tmp_path)})
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert "WATCHWORD_KEYS" in said
    assert KEYS not in said
