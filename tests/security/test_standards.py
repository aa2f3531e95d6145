"""The page about security standards is current and has an entry for everything required."""

from __future__ import annotations

import re

from tests.security import standards
from tests.security.standards_words import CLASSES, PURPOSES, TABLES
from watchword.audit.events import EventKind

PAGE = standards.ROOT / "docs" / "security" / "standards.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == standards.markdown(), (
        "run: python -m tests.security.write_standards > docs/security/standards.md"
    )


def test_every_table_has_a_class_and_a_time() -> None:
    assert set(TABLES) == standards.tables()
    assert {table.level for table in TABLES.values()} == set(CLASSES)


def test_every_purpose_of_a_key_is_named() -> None:
    assert set(PURPOSES) == standards.purposes()


def test_every_event_is_listed_with_where_it_is_written() -> None:
    lines = {line.split("|")[1].strip(): line for line in PAGE.read_text().splitlines() if line.startswith("| `")}
    assert [kind for kind in EventKind if not re.search(r"\| `\w+`", lines.get(f"`{kind}`", ""))] == []


def test_every_dependency_has_its_reason() -> None:
    reasons = standards.DEPENDENCIES.read_text().casefold()
    assert [name for name in standards.dependencies() if name.casefold() not in reasons] == []
