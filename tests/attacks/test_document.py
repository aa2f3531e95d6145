"""The page of attacks matches the tests."""

from __future__ import annotations

from tests.attacks import document


def test_every_required_attack_has_a_test_or_a_reason() -> None:
    assert document.missing() == []


def test_a_reason_is_given_only_where_there_is_no_test() -> None:
    assert {line.attack for line in document.lines()} & set(document.DOES_NOT_APPLY) == set()


def test_the_page_is_current() -> None:
    page = document.ROOT / "docs" / "security" / "attacks.md"
    assert page.read_text() == document.page(), "run: python -m tests.attacks.document > docs/security/attacks.md"
