"""A disk that is full while an archive or a restored database is written: one sentence, and nothing half-written."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import refusal, succeed
from tests.scenarios import small_disk
from tests.scenarios.recovery.conftest import Databases, new_site

pytestmark = pytest.mark.scenario


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield the folder of a disk with 300 kB of free space, less than the copy of any database needs."""
    with small_disk.mounted(tmp_path / "disk", "300k") as folder:
        yield folder


def test_neither_an_archive_nor_a_restored_database_is_half_written(full_disk: Path, tmp_path: Path) -> None:
    site = new_site(tmp_path / "home", Databases(None))
    said = refusal("backup", str(full_disk / "backup.tar.gz"), home=site.home)
    assert "disk is full" in said or "No space left on device" in said
    assert list(full_disk.iterdir()) == []
    succeed("backup", str(tmp_path / "backup.tar.gz"), home=site.home)
    shutil.copy2(site.home / "keys", full_disk)
    said = refusal("restore", str(tmp_path / "backup.tar.gz"), home=full_disk)
    assert "disk is full" in said or "No space left on device" in said
    assert [each.name for each in full_disk.iterdir()] == ["keys"]
