"""An archive is read back whole, or refused: cut at any place, changed in any octet, or of another installation."""

from __future__ import annotations

import os
import stat
import tarfile
from pathlib import Path

import pytest

from watchword.cli import archive
from watchword.cli.archive import ArchiveError, Manifest
from watchword.core.keyring import KeyRing

CONTENT = os.urandom(3000) + b"0" * 3000


def ring() -> KeyRing:
    return KeyRing.create(random_source=os.urandom)


def manifest_of(keys: KeyRing) -> Manifest:
    key = keys.keys[0].id
    return Manifest(
        made_at="2026-11-28T03:00:00+00:00",
        release="0.1.0",
        lowest_release="0.1.0",
        engine="sqlite",
        migrations=[["audit", "0001_initial"]],
        keys={key: keys.seal(archive.PROBE_PURPOSE, key.encode()).hex()},
        seal="ab" * 32,
    )


@pytest.fixture
def keys() -> KeyRing:
    return ring()


@pytest.fixture
def written(tmp_path: Path, keys: KeyRing) -> Path:
    member = tmp_path / "database.sqlite3"
    member.write_bytes(CONTENT)
    path = tmp_path / "backup.tar.gz"
    archive.write(path, manifest_of(keys), {member.name: member}, keys)
    return path


def test_what_was_written_is_read_back(written: Path, keys: KeyRing, tmp_path: Path) -> None:
    manifest, is_ours = archive.check(written)
    assert is_ours(keys)
    assert manifest.missing_keys(keys) == []
    archive.extract(written, manifest, "database.sqlite3", tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == CONTENT
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert sorted(each.name for each in tmp_path.iterdir()) == ["again", "backup.tar.gz", "database.sqlite3"]


def test_an_archive_cut_at_any_place_is_refused(written: Path) -> None:
    octets = written.read_bytes()
    for length in (0, 1, 20, *range(100, len(octets) - 1, 97)):
        written.write_bytes(octets[:length])
        with pytest.raises(ArchiveError):
            archive.check(written)


def test_an_archive_changed_in_any_octet_is_refused(written: Path, keys: KeyRing) -> None:
    octets = written.read_bytes()
    before, _ = archive.check(written)
    for place in range(10, len(octets), 41):
        written.write_bytes(octets[:place] + bytes([octets[place] ^ 0x41]) + octets[place + 1 :])
        try:
            manifest, is_ours = archive.check(written)
        except ArchiveError:
            continue
        # A bit of padding that decompresses to the same octets.
        assert is_ours(keys)
        assert manifest == before


def test_a_manifest_that_was_written_anew_is_not_ours(written: Path, keys: KeyRing, tmp_path: Path) -> None:
    member = tmp_path / "database.sqlite3"
    member.write_bytes(b"forged")
    archive.write(tmp_path / "forged.tar.gz", manifest_of(keys), {member.name: member}, ring())
    manifest, is_ours = archive.check(tmp_path / "forged.tar.gz")
    assert manifest.missing_keys(keys) == []
    assert not is_ours(keys)


def test_a_wrong_ring_lacks_the_key_by_name(written: Path, keys: KeyRing) -> None:
    manifest, is_ours = archive.check(written)
    assert manifest.missing_keys(ring()) == [keys.keys[0].id]
    assert not is_ours(ring())


def test_no_file_is_replaced_and_a_failed_one_leaves_nothing(written: Path, keys: KeyRing, tmp_path: Path) -> None:
    before = written.read_bytes()
    with pytest.raises(ArchiveError, match="exists already and was left as it is"):
        archive.write(written, manifest_of(keys), {}, keys)
    assert written.read_bytes() == before
    with pytest.raises(FileNotFoundError):
        archive.write(tmp_path / "other", manifest_of(keys), {"missing": tmp_path / "missing"}, keys)
    with pytest.raises(ArchiveError, match="can't be written"):
        archive.write(tmp_path / "no" / "folder", manifest_of(keys), {}, keys)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["backup.tar.gz", "database.sqlite3"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.LNKTYPE])
def test_an_archive_with_something_else_than_files_is_refused(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "strange.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo("../../etc/passwd")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(ArchiveError):
        archive.check(path)


def test_an_archive_of_a_later_format_is_refused_by_its_number() -> None:
    with pytest.raises(ArchiveError, match="has the format 2, which this release does not know"):
        Manifest.parse(b'{"format": 2}')
