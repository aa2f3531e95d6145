"""Rows of ended access become one command for each person, whatever order they are committed in."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import OperationalError

from watchword.doors.mail import disconnects
from watchword.doors.mail.disconnects import (
    BATCH_SIZE,
    Position,
    RevocationCursor,
    RevocationRow,
    Watcher,
    rows_after,
)
from watchword.doors.mail.kick import KickByCommand, command_for
from watchword.signin.models import Revocation

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def row(number: int, seconds_ago: float = 0, name: str = "alice@x.example") -> RevocationRow:
    return RevocationRow(number, name, NOW - timedelta(seconds=seconds_ago))


def test_each_row_is_acted_on_once() -> None:
    results = RevocationCursor()
    assert [new.id for new in results.take([row(1), row(2)], now=NOW)] == [1, 2]
    assert [new.id for new in results.take([row(1), row(2), row(3)], now=NOW)] == [3]


def test_a_row_that_is_committed_late_is_not_missed() -> None:
    results = RevocationCursor()
    assert [new.id for new in results.take([row(1), row(3)], now=NOW)] == [1, 3]
    assert [new.id for new in results.take([row(1), row(2), row(3)], now=NOW + timedelta(seconds=30))] == [2]


def test_old_rows_are_not_read_again_and_not_remembered() -> None:
    results = RevocationCursor()
    results.take([row(1), row(2)], now=NOW)
    assert results.floor == 0
    results.take([row(1), row(2), row(3, -100)], now=NOW + timedelta(seconds=90))
    assert results.floor == 2
    assert results._seen == {3}


def test_a_flood_of_rows_is_worked_through_to_its_end() -> None:
    rows = [row(number) for number in range(1, 2 * BATCH_SIZE + 500)]
    results = RevocationCursor()
    seen: list[int] = []
    for _ in range(3):
        window = [each for each in rows if each.id > results.floor][:BATCH_SIZE]
        seen += [new.id for new in results.take(window, now=NOW)]
    assert seen == [each.id for each in rows]


def test_a_name_is_one_argument_whatever_it_holds() -> None:
    name = "-x; rm -rf $(HOME) 'a\"@harbour.example"
    assert command_for(["doveadm", "kick", "--", "{user}"], name) == ["doveadm", "kick", "--", name]


@pytest.mark.django_db(transaction=True)
def test_rows_are_read_by_their_number() -> None:
    import uuid

    made = [
        Revocation.objects.create(user_id=uuid.uuid4(), mailbox=f"{name}@x.example", at=NOW, because="blocked").pk
        for name in ("alice", "bob", "carol")
    ]
    assert [(found.id, found.mailbox) for found in rows_after(made[0])] == [
        (made[1], "bob@x.example"),
        (made[2], "carol@x.example"),
    ]


class Rows:
    """Rows as the database returns them; ``fails`` makes every read raise an OperationalError."""

    def __init__(self) -> None:
        self.rows: list[RevocationRow] = []
        self.fails = False
        self.reads = 0

    def add(self, number: int, name: str) -> None:
        self.rows.append(RevocationRow(number, name, datetime.now(UTC)))

    def after(self, number: int) -> list[RevocationRow]:
        self._read()
        return [each for each in self.rows if each.id > number]

    def _read(self) -> None:
        self.reads += 1
        if self.fails:
            raise OperationalError("the database is away")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disconnects, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(disconnects, "SECOND_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(disconnects, "FIRST_RETRY_SECONDS", 3600.0)


def watch(
    log: Path,
    rows: Rows,
    is_enough: Callable[[Sequence[str]], bool],
    *,
    was_let_in: bool = False,
    status: int | str = 0,
    position: Path | None = None,
) -> list[str]:
    """Run a watcher whose command appends the name to a file, until ``is_enough`` accepts the lines; return them."""
    script = f"import sys; open({str(log)!r}, 'a').write(sys.argv[1] + '\\n'); sys.exit({status})"
    log.touch()

    def lines() -> list[str]:
        return log.read_text().splitlines()

    async def stage() -> None:
        watcher = Watcher(
            KickByCommand((sys.executable, "-c", script, "{user}")),
            was_let_in_since=lambda _name, _moment: was_let_in,
            after=rows.after,
            position=position,
        )
        task = asyncio.create_task(watcher.run())
        async with asyncio.timeout(20):
            while not is_enough(lines()):  # noqa: ASYNC110  another process writes the file
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(stage())
    return lines()


def test_each_person_is_put_out_once_for_all_rows_that_came_together(tmp_path: Path) -> None:
    rows = Rows()
    for number, name in enumerate(["alice@x.example", "alice@x.example", "bob@x.example"], start=1):
        rows.add(number, name)
    assert sorted(watch(tmp_path / "log", rows, lambda lines: len(lines) >= 2 and rows.reads > 3)) == [
        "alice@x.example",
        "bob@x.example",
    ]


def test_a_database_that_is_away_is_asked_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = Rows()
    rows.add(1, "alice@x.example")
    rows.fails = True

    def is_enough(lines: Sequence[str]) -> bool:
        rows.fails = rows.reads < 3
        return bool(lines)

    assert watch(tmp_path / "log", rows, is_enough) == ["alice@x.example"]
    assert caplog.text.count("disconnects deferred: ") == 1


def test_who_was_let_in_a_moment_ago_is_put_out_twice(tmp_path: Path) -> None:
    rows = Rows()
    rows.add(1, "alice@x.example")
    assert watch(tmp_path / "log", rows, lambda lines: len(lines) > 1, was_let_in=True) == ["alice@x.example"] * 2


def test_a_command_that_fails_is_logged_and_the_next_row_is_acted_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = Rows()
    rows.add(1, "alice@x.example")

    def is_enough(lines: Sequence[str]) -> bool:
        if len(lines) == 1 and len(rows.rows) == 1:
            rows.add(2, "bob@x.example")
        return len(lines) > 1 and "bob@x.example" in lines and caplog.text.count("returned 3") == 2

    assert watch(tmp_path / "log", rows, is_enough, status=3) == ["alice@x.example", "bob@x.example"]


def test_a_command_that_is_not_there_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    rows = Rows()
    rows.add(1, "alice@x.example")

    async def stage() -> None:
        watcher = Watcher(
            KickByCommand(("/no/such/doveadm", "{user}")), was_let_in_since=lambda *_: False, after=rows.after
        )
        task = asyncio.create_task(watcher.run())
        async with asyncio.timeout(20):
            while rows.reads < 5:  # noqa: ASYNC110  a thread counts
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(stage())
    assert "/no/such/doveadm can't be run" in caplog.text


def test_after_an_error_of_any_kind_later_disconnects_are_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disconnects, "RETRY_SECONDS", 0.0)
    rows = Rows()
    real, mistakes = rows.after, [KeyError("one"), ZeroDivisionError("two")]

    def after(number: int) -> list[RevocationRow]:
        if mistakes:
            raise mistakes.pop()
        if not rows.rows:
            rows.add(1, "alice@harbour.example")
        return real(number)

    monkeypatch.setattr(rows, "after", after)
    assert watch(tmp_path / "log", rows, bool) == ["alice@harbour.example"]


def test_the_command_inherits_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHWORD_KEYS", "v1:hunter2")
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    told = tmp_path / "environment"
    script = f"import os, sys; open({str(told)!r}, 'w').write(repr(dict(os.environ)) + sys.argv[1])"
    rows = Rows()
    rows.add(1, "alice@harbour.example")

    async def stage() -> None:
        watcher = Watcher(
            KickByCommand((sys.executable, "-c", script, "{user}")),
            was_let_in_since=lambda _name, _moment: False,
            after=rows.after,
        )
        task = asyncio.create_task(watcher.run())
        async with asyncio.timeout(20):
            while not (told.exists() and "alice" in told.read_text()):  # noqa: ASYNC110  another process writes it
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(stage())
    assert "hunter2" not in told.read_text()
    assert "'PATH'" in told.read_text()
    assert "'LC_ALL': 'C.UTF-8'" in told.read_text()


def test_a_daemon_that_was_away_for_long_catches_up_from_where_it_was(tmp_path: Path) -> None:
    position, rows = tmp_path / "position", Rows()
    long_ago = datetime.now(UTC) - timedelta(days=3)
    rows.rows = [RevocationRow(1, "alice@x.example", long_ago)]
    assert watch(tmp_path / "before", rows, lambda _lines: position.exists(), position=position) == ["alice@x.example"]
    assert position.read_text() == "1\n"
    # Three days later another daemon starts; the access ended far longer ago than a minute.
    rows.rows.append(RevocationRow(2, "bob@x.example", long_ago + timedelta(hours=1)))
    done = watch(tmp_path / "after", rows, lambda _lines: position.read_text() == "2\n", position=position)
    assert done == ["bob@x.example"]


def test_a_command_that_fails_is_tried_until_it_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disconnects, "FIRST_RETRY_SECONDS", 0.01)
    log, position, rows = tmp_path / "log", tmp_path / "position", Rows()
    rows.rows = [RevocationRow(7, "alice@x.example", datetime.now(UTC) - timedelta(hours=1))]
    fails_twice = f"75 if len(open({str(log)!r}).read().split()) < 3 else 68"

    def is_enough(lines: Sequence[str]) -> bool:
        reached = position.read_text() if position.exists() else ""
        assert len(lines) > 2 or reached != "7\n", "not done with before it worked"
        return reached == "7\n"

    assert watch(log, rows, is_enough, status=fails_twice, position=position) == ["alice@x.example"] * 3


@pytest.mark.parametrize("name", ["*@x.example", "?lice@x.example", "-f@x.example", "../x@x.example"])
def test_a_name_that_is_a_mask_puts_nobody_out(tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str) -> None:
    rows = Rows()
    rows.add(1, name)
    rows.add(2, "alice@x.example")
    assert watch(tmp_path / "log", rows, bool) == ["alice@x.example"]
    assert "mail.disconnect.invalid_mailbox" in caplog.text


def test_a_position_that_can_t_be_read_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "position").write_text("nonsense")
    assert Position(tmp_path / "position").value == 0
    assert Position(tmp_path / "nowhere" / "position").value == 0
    with_file = Position(tmp_path / "position")
    with_file.move_to(5)
    with_file.move_to(3)
    assert Position(tmp_path / "position").value == 5
