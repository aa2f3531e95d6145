"""The file of the key ring, and the command that manages it."""

import itertools
import threading
from pathlib import Path

import pytest

from tests.environment import KEYS
from watchword.cli.keys import keys
from watchword.config import keyfile


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


def test_of_many_processes_that_create_a_ring_at_once_one_wins_and_all_see_its_key(tmp_path: Path) -> None:
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


def test_a_new_key_opens_before_it_seals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keys"
    old = keyfile.create(path)
    assert keys(["rotate", "--file", str(path)], {}) == 0
    said = capsys.readouterr().out
    added = keyfile.read(path)
    assert added.keys[:-1] == old.keys
    assert f"watchword keys use {added.keys[-1].id}" in said
    assert keys(["use", added.keys[-1].id, "--file", str(path)], {}) == 0
    assert keyfile.read(path).keys == (added.keys[-1], *old.keys)
    assert path.stat().st_mode & 0o777 == 0o400


def test_between_the_two_steps_a_process_with_either_ring_reads_what_the_other_made(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    steps = [keyfile.create(path)]
    new = keyfile.add(path)
    steps.append(keyfile.read(path))
    keyfile.use(path, new)
    steps.append(keyfile.read(path))
    for before, after in itertools.pairwise(steps):
        for writer, reader in ((before, after), (after, before)):
            assert reader.open("a purpose", writer.seal("a purpose", b"text")) == b"text"
            assert writer.mac("a purpose", b"letters") in reader.macs("a purpose", b"letters")


def test_a_key_that_is_not_there_is_not_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keys"
    before = keyfile.create(path)
    assert keys(["use", "abcdef01", "--file", str(path)], {}) == 1
    assert f"there is no key abcdef01 on the ring in {path}" in capsys.readouterr().err
    assert keyfile.read(path).keys == before.keys
    for words in (["use"], ["list", "abcdef01"]):
        with pytest.raises(SystemExit):
            keys([*words, "--file", str(path)], {})


def test_no_ring_is_made_beside_a_database_that_holds_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = tmp_path / "watchword.sqlite3"
    database.write_bytes(b"SQLite format 3\0")
    assert keys(["create"], {"WATCHWORD_HOME": str(tmp_path)}) == 1
    said = capsys.readouterr().err
    assert f"the database {database} was sealed with a key ring, and a new one can't open it" in said
    assert f"Restore its file to {tmp_path / 'keys'}" in said
    assert not (tmp_path / "keys").exists()
    database.unlink()
    assert keys(["create"], {"WATCHWORD_HOME": str(tmp_path)}) == 0


def test_a_database_that_can_t_be_asked_is_told_beside_the_new_ring(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = "postgresql://watchword:hunter2@127.0.0.1:1/watchword"
    assert keys(["create"], {"WATCHWORD_HOME": str(tmp_path), "WATCHWORD_DATABASE_URL": nowhere}) == 0
    said = capsys.readouterr().out
    assert "Whether the database is a new one could not be seen: unreachable (OperationalError)." in said
    assert "hunter2" not in said


def test_a_broken_file_is_not_rotated(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("v1:hunter2")
    path.chmod(0o600)
    with pytest.raises(keyfile.KeyFileError, match="line 1") as caught:
        keyfile.add(path)
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
