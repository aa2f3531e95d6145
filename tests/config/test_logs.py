"""The console's log as text and as JSON: time, event code and ids in each line; a failing database in one line."""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import OperationalError
from django.db.backends.utils import CursorWrapper
from django.db.utils import ConnectionHandler
from django.test import Client
from django.utils.module_loading import import_string
from hypothesis import given
from hypothesis import strategies as st

# The same library as the backend's: a process does not see its own file locks through another library.
from pysqlite3 import dbapi2 as sqlite3

from tests.doors.mail.peer import free_port
from tests.world import World
from watchword.config.logs import FORMATTERS
from watchword.core.log_events import log_event

WINTER = 1_767_225_600.0
SECRET = "what was being written"


def written_by(name: str) -> Iterator[io.StringIO]:
    """Attach a handler with a formatter and the filters of the settings to the root logger; yield its stream."""
    logs: Any = settings.LOGGING
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(import_string(logs["formatters"][name]["()"])())
    for each in logs["handlers"]["console"]["filters"]:
        handler.addFilter(import_string(logs["filters"][each]["()"])())
    logging.getLogger().addHandler(handler)
    yield handler.stream
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def console() -> Iterator[io.StringIO]:
    """Yield the stream of the console's handler with the default format."""
    logs: Any = settings.LOGGING
    assert logs["handlers"]["console"]["formatter"] == "text"
    yield from written_by("text")


@pytest.fixture
def json_console() -> Iterator[io.StringIO]:
    """Yield the stream of the console's handler with WATCHWORD_LOG_FORMAT=json."""
    yield from written_by("json")


def database(**config: object) -> ConnectionHandler:
    return ConnectionHandler({"default": config})


def trouble_with(handler: ConnectionHandler, statement: str = "SELECT 1") -> OperationalError:
    with pytest.raises(OperationalError) as caught, handler["default"].cursor() as cursor:
        cursor.execute(statement)
    handler.close_all()
    return caught.value


def test_a_stopped_database_is_one_line_for_each_page(
    world: World, console: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = trouble_with(
        database(ENGINE="django.db.backends.postgresql", NAME="x", HOST="127.0.0.1", PORT=str(free_port()))
    )

    def fail(*_arguments: object, **_named: object) -> None:
        raise error

    client = Client(raise_request_exception=False)
    client.cookies["watchword-session"] = "x" * 43
    with monkeypatch.context() as patch:
        patch.setattr(CursorWrapper, "execute", fail)
        for _ in range(3):
            assert client.get("/security/").status_code == 503
    lines = console.getvalue().splitlines()
    assert len(lines) == 3
    for line in lines:
        assert line.endswith(
            "ERROR web.request.unavailable django.request: Service Unavailable: /security/: "
            "database unreachable (OperationalError)"
        )


@pytest.mark.django_db
def test_a_locked_and_a_read_only_file_are_told_apart(console: io.StringIO, tmp_path: Path) -> None:
    file = tmp_path / "database"
    with sqlite3.connect(file) as other:
        other.execute("CREATE TABLE kept (word)")
    other.close()
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    config = {"ENGINE": "watchword.config.sqlite", "NAME": str(file), "OPTIONS": {"timeout": 0}}
    insert = f"INSERT INTO kept VALUES ('{SECRET}')"
    locked = trouble_with(database(**config), insert)
    other.close()
    read_only = config | {"NAME": f"file:{file}?mode=ro", "OPTIONS": {"uri": True}}
    refused = trouble_with(database(**read_only), insert)
    for error in (locked, refused):
        logging.getLogger("django.request").error("Service Unavailable: %s", "/", exc_info=error)
    lines = console.getvalue().splitlines()
    assert [line.partition("/: ")[2] for line in lines] == [
        "database locked (SQLITE_BUSY)",
        "database read-only (SQLITE_READONLY)",
    ]
    assert SECRET not in console.getvalue()


def test_a_mistake_of_ours_keeps_its_traceback_without_the_text_of_the_error(console: io.StringIO) -> None:
    """The text may hold data that was being processed; the names in a TypeError come from the program itself."""
    try:
        try:
            int(SECRET)
        except ValueError:
            len(3)  # type: ignore[arg-type]  # wrong on purpose: its error is the test
    except TypeError:
        logging.getLogger("django.request").exception("Internal Server Error: %s", "/")
    line, *following = console.getvalue().splitlines()
    assert "ERROR web.request.failed django.request: Internal Server Error: /: TypeError (test_logs.py:" in line
    assert following[0] == "  | Traceback (most recent call last):"
    assert "  | ValueError" in following, "what led to the error is told as well"
    assert following[-1] == "  | TypeError: object of type 'int' has no len()"
    assert SECRET not in console.getvalue()


@pytest.mark.parametrize(
    ("zone", "offset"), [("Asia/Kolkata", "+05:30"), ("UTC", "+00:00"), ("America/New_York", "-05:00")]
)
def test_every_line_has_its_time_with_the_offset(
    console: io.StringIO, monkeypatch: pytest.MonkeyPatch, zone: str, offset: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        record = logging.makeLogRecord(
            {"levelno": logging.WARNING, "levelname": "WARNING", "msg": "hello", "name": "x"}
        )
        record.created = WINTER
        logging.getLogger().handle(record)
    finally:
        monkeypatch.undo()
        time.tzset()
    moment, rest = console.getvalue().split(" ", maxsplit=1)
    assert rest == "WARNING library.other x: hello\n"
    assert moment.endswith(offset)
    assert datetime.fromisoformat(moment).timestamp() == WINTER


DELIVERY = UUID(int=5)


def test_a_line_ends_with_the_trouble_and_the_ids(console: io.StringIO) -> None:
    extra = log_event(
        "x.y", trouble="database locked (SQLITE_BUSY)", delivery=DELIVERY, requests=3, job="seal it", none=""
    )
    logging.getLogger("watchword.x").warning("authentication %s", "deferred", extra=extra)
    _time, rest = console.getvalue().split(" ", maxsplit=1)
    assert rest == (
        "WARNING x.y watchword.x: authentication deferred: database locked (SQLITE_BUSY)"
        f' delivery={DELIVERY} requests=3 job="seal it"\n'
    )


def test_a_json_line_holds_the_same_in_members(json_console: io.StringIO) -> None:
    extra = log_event("x.y", trouble="database locked", delivery=DELIVERY, requests=3)
    logging.getLogger("watchword.x").warning("authentication %s", "deferred", extra=extra)
    line = json.loads(json_console.getvalue())
    assert datetime.fromisoformat(line.pop("time")).tzinfo is not None
    assert line == {
        "level": "WARNING",
        "logger": "watchword.x",
        "event": "x.y",
        "message": "authentication deferred",
        "delivery": str(DELIVERY),
        "requests": 3,
        "trouble": "database locked",
    }


def test_an_id_never_stands_in_the_place_of_the_time_or_the_level() -> None:
    with pytest.raises(AssertionError):
        log_event("x.y", level="INFO")


@given(st.text(max_size=60))
def test_log_01_a_json_line_is_one_line_of_ascii_whatever_is_logged(typed: str) -> None:
    """A line break, an escape or half a character in a message, a name or an error can't end or forge a JSON object."""
    with pytest.raises(ValueError) as broken:  # noqa: PT011  (Python's own message)
        int(f"no number {typed}")
    error = broken.value
    row = logging.LogRecord(
        "watchword.test", logging.ERROR, __file__, 1, "%s", (typed,), (type(error), error, error.__traceback__)
    )
    row.__dict__.update(log_event("x.y", mailbox=typed))
    line = FORMATTERS["json"]().format(row)
    assert line.isascii()
    assert line.isprintable()
    read = json.loads(line)
    assert (read["message"], read.get("mailbox", "")) == (typed, typed)
    assert read["event"] == "x.y"
    assert read["trouble"].startswith("ValueError (test_logs.py:")
    assert "Traceback (most recent call last):" in read["traceback"]


@pytest.mark.django_db
def test_a_json_line_of_a_database_that_fails_has_no_traceback(json_console: io.StringIO) -> None:
    error = trouble_with(
        database(ENGINE="django.db.backends.postgresql", NAME="x", HOST="127.0.0.1", PORT=str(free_port()))
    )
    logging.getLogger("django.request").error("Service Unavailable: %s", "/", exc_info=error)
    line = json.loads(json_console.getvalue())
    assert line["event"] == "web.request.unavailable"
    assert line["trouble"] == "database unreachable (OperationalError)"
    assert "traceback" not in line
    assert "127.0.0.1" not in json_console.getvalue()


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("django.request", 404, "web.request.refused"),
        ("django.request", 500, "web.request.failed"),
        ("django.security.DisallowedHost", 400, "web.request.suspicious"),
        ("gunicorn.error", 0, "web.server"),
        ("asyncio", 0, "library.asyncio"),
        ("pymap.imap", 0, "library.other"),
    ],
)
def test_lines_of_libraries_have_a_code_too(console: io.StringIO, name: str, status: int, code: str) -> None:
    logger = logging.getLogger(name)
    record = logger.makeRecord(name, logging.WARNING, __file__, 1, "said", (), None, extra={"status_code": status})
    logging.getLogger().handle(record)
    assert f" WARNING {code} " in console.getvalue()
