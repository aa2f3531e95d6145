"""Migrations: one initial migration for each app, and descriptive names for the later ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(path for path in (ROOT / "watchword").rglob("migrations") if path.is_dir())
MADE_UP_BY_DJANGO = re.compile(r"\d{4}_auto_|_and_more$|^\d{4}_(alter|add|remove|rename|delete)_\w+_\w+_\w+_\w+_\w+_")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_an_app_begins_with_one_migration_and_names_the_later_ones(folder: Path) -> None:
    names = sorted(path.stem for path in folder.glob("[0-9]*.py"))
    assert names[0] == "0001_initial"
    assert [name for name in names[1:] if name.endswith("initial") or MADE_UP_BY_DJANGO.search(name)] == []


def test_the_folders_of_migrations_are_found() -> None:
    assert {"audit", "directory", "factors", "messaging", "signin"} <= {folder.parent.name for folder in FOLDERS}
