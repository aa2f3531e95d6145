"""A submitted message is traced to the sign-in that authorised it."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from watchword.doors.mail import submission_sessions as submissions_module
from watchword.doors.mail.submission_sessions import Submissions
from watchword.signin.mail_submission import SubmissionLogin

HOME, OFFICE = "192.0.2.1", "198.51.100.7"


def sign_in(minute: int, name: str = "alice@x", address: str = HOME) -> SubmissionLogin:
    return SubmissionLogin(name, UUID(int=minute), datetime(2026, 11, 27, 12, minute, tzinfo=UTC), "smtp", address)


def test_the_last_sign_in_at_a_process_counts() -> None:
    stored = Submissions()
    stored.note(7, sign_in(1))
    stored.note(8, sign_in(2))
    assert stored.find("alice@x", 7, HOME) == sign_in(1), "the older session at the same address is told apart"
    assert stored.find("alice@x", 8, HOME) == sign_in(2)
    stored.note(7, sign_in(3))
    assert stored.find("alice@x", 7, HOME) == sign_in(3)


def test_where_the_process_is_not_known_the_last_one_from_that_address_counts() -> None:
    stored = Submissions()
    stored.note(0, sign_in(1))
    stored.note(0, sign_in(2, address=OFFICE))
    assert stored.find("alice@x", 0, HOME) == sign_in(1)
    assert stored.find("alice@x", 99, OFFICE) == sign_in(2, address=OFFICE)
    assert stored.find("alice@x", 99, "203.0.113.9") is None
    assert stored.find("bob@x", 0, HOME) is None


def test_a_reused_process_tells_nothing_about_its_new_session() -> None:
    stored = Submissions()
    stored.note(7, sign_in(1))
    assert stored.find("bob@x", 7, HOME) is None


def test_no_more_is_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submissions_module, "MOST_STORED", 2)
    stored = Submissions()
    for minute in (1, 2, 3):
        stored.note(minute, sign_in(minute, f"p{minute}@x"))
    assert [stored.find(f"p{minute}@x", minute, HOME) for minute in (1, 2, 3)] == [
        None,
        sign_in(2, "p2@x"),
        sign_in(3, "p3@x"),
    ]
