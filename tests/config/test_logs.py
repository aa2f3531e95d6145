"""What the console says of a database that fails: one line with its code, no traceback, nothing that was written."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError
from django.db.backends.utils import CursorWrapper
from django.db.utils import ConnectionHandler
from django.test import Client
from django.utils.module_loading import import_string

# The same library as the backend: a process does not see its own locks on a file through another one.
from pysqlite3 import dbapi2 as sqlite3

from tests.doors.mail.peer import free_port
from tests.world import World

WINTER = 1_767_225_600.0
SECRET = "what was being written"


@pytest.fixture
def console() -> Iterator[io.StringIO]:
    """What the console's handler writes, with the formatter and the filters of the settings."""
    logs: Any = settings.LOGGING
    wished = logs["handlers"]["console"]
    formatter = logs["formatters"][wished["formatter"]]
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(import_string(formatter["()"])(formatter["format"], style=formatter["style"]))
    for name in wished["filters"]:
        handler.addFilter(import_string(logs["filters"][name]["()"])())
    logging.getLogger().addHandler(handler)
    yield handler.stream
    logging.getLogger().removeHandler(handler)


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
            "ERROR django.request: Service Unavailable: /security/: the database: no answer (OperationalError)"
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
    assert [line.partition("the database: ")[2] for line in lines] == [
        "locked (SQLITE_BUSY)",
        "the database is read-only (SQLITE_READONLY)",
    ]
    assert SECRET not in console.getvalue()


def test_a_mistake_of_ours_keeps_its_traceback(console: io.StringIO) -> None:
    try:
        int("word")
    except ValueError:
        logging.getLogger("django.request").exception("Internal Server Error: %s", "/")
    assert "  | Traceback (most recent call last):" in console.getvalue()


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
    assert rest == "WARNING x: hello\n"
    assert moment.endswith(offset)
    assert datetime.fromisoformat(moment).timestamp() == WINTER
