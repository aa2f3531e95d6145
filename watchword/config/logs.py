"""How log lines are written: as text or as JSON, one printable line per record, without paths that hold a secret."""

import json
import logging
import re
import traceback
from collections.abc import Mapping
from datetime import datetime

from watchword.audit.outbox import UNAVAILABLE, cause_of
from watchword.core.database_errors import database_trouble
from watchword.core.log_events import ATTEMPT_KEY

# One-time links carry their secret as a part of the path.
_SECRET_PART = re.compile(r"[A-Za-z0-9_:=-]{20,}")
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9._:/@+\[\]-]+")

LIBRARIES = (
    ("gunicorn.access", "web.access"),
    ("gunicorn.error", "web.server"),
    ("django.server", "web.access"),
    ("django.security", "web.request.suspicious"),
    ("django.request", "web.request.refused"),
    ("asyncio", "library.asyncio"),
)
_NAMES = {"gunicorn.access": "watchword.access", "gunicorn.error": "watchword.web"}
_NAMES_ONLY = frozenset({AttributeError, ImportError, ModuleNotFoundError, NameError, NotImplementedError, TypeError})
"""Errors whose text is made of the program's own names."""
OTHER_LIBRARY = "library.other"
SERVER_ERROR = 500


def event_of(record: logging.LogRecord) -> str:
    """Return the event code of a record; those of libraries have one by their logger's name."""
    if code := getattr(record, "event", ""):
        return str(code)
    if record.name == "django.request" and getattr(record, "status_code", SERVER_ERROR) >= SERVER_ERROR:
        return "web.request.failed"
    return next(
        (code for name, code in LIBRARIES if record.name == name or record.name.startswith(f"{name}.")), OTHER_LIBRARY
    )


def fields_of(record: logging.LogRecord) -> dict[str, str | int]:
    """Return the ids of a record; a line about a request has that of its sign-in attempt."""
    fields: dict[str, str | int] = dict(getattr(record, "fields", {}))
    environ: object = getattr(getattr(record, "request", None), "META", None)
    if isinstance(environ, Mapping) and ATTEMPT_KEY in environ:
        fields.setdefault("attempt", str(environ[ATTEMPT_KEY]))
    return fields


def trouble_of(record: logging.LogRecord) -> str:
    """Return the kind of the error that a record is about and the line that raised it, without its text."""
    if trouble := getattr(record, "trouble", ""):
        return str(trouble)
    error = record.exc_info[1] if record.exc_info else None
    return cause_of(error) if error is not None else ""


def traceback_of(record: logging.LogRecord) -> str:
    """Return the traceback of a record and of what led to its error; the text of an error only where it holds no value.

    Most texts may hold what was being worked on: a number, a code, a password.
    """
    error = record.exc_info[1] if record.exc_info else None
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    parts = [record.stack_info] if record.stack_info else []
    for each in chain[::-1]:
        text = f": {each}" if type(each) in _NAMES_ONLY else ""
        frames = "".join(traceback.format_tb(each.__traceback__))
        parts.append(f"Traceback (most recent call last):\n{frames}{type(each).__name__}{text}")
    return "\n".join(parts)


def path_for_log(path: str) -> str:
    """The path, with each part that could be a secret replaced by three dots."""
    return "/".join("..." if _SECRET_PART.fullmatch(part) else part for part in path.split("/"))


class LineFormatter(logging.Formatter):
    """Writes each record as one line of text; what follows it, such as a traceback, stands behind a bar.

    A line is time, level, event code, logger, message, trouble and ids, such as
    ``… WARNING mail.auth.deferred watchword.doors.mail.batching: authentication deferred: database locked requests=3``.

    A line break, a terminal's escape or a bidirectional mark in a name, an address or a header could otherwise forge
    lines that look like ours.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with every character that isn't printable written as an escape, and what follows it."""
        head = f"{_time_of(record)} {record.levelname} {event_of(record)} {_name_of(record)}: {record.getMessage()}"
        trouble = trouble_of(record)
        fields = "".join(f" {name}={_plain(value)}" for name, value in fields_of(record).items())
        following = traceback_of(record)
        # Not the record's exc_text, which a formatter of another kind may have left there.
        return "\n".join(
            [
                in_one_line(f"{head}: {trouble}{fields}" if trouble else f"{head}{fields}"),
                *(f"  | {in_one_line(line)}" for line in following.splitlines()),
            ]
        )


class JsonFormatter(logging.Formatter):
    """Writes each record as one JSON object (RFC 8259) in one line of ASCII, with the ids beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object: time, level, logger, event, message, then ids, trouble and traceback where there are."""
        line: dict[str, object] = {
            "time": _time_of(record),
            "level": record.levelname,
            "logger": _name_of(record),
            "event": event_of(record),
            "message": record.getMessage(),
            **getattr(record, "details", {}),
            **fields_of(record),
        }
        if trouble := trouble_of(record):
            line["trouble"] = trouble
        if following := traceback_of(record):
            line["traceback"] = following
        return json.dumps(line, default=str)


FORMATTERS: Mapping[str, type[logging.Formatter]] = {"text": LineFormatter, "json": JsonFormatter}
"""By the value of WATCHWORD_LOG_FORMAT."""


def in_one_line(text: str) -> str:
    """Return a text in which every character that could break, hide or colour a line is written as an escape."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


class PathFilter(logging.Filter):
    """Cleans the paths in lines of Django, such as "Not Found: /invitation/..."; drops nothing.

    Paths in Watchword's own lines are those of files.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Changes the record's arguments in place, and lets it pass."""
        if isinstance(record.args, tuple) and not record.name.startswith("watchword."):
            record.args = tuple(_clean(argument) for argument in record.args)
        return True


class TroubleFilter(logging.Filter):
    """Writes trouble with the database as one line with its code, instead of a traceback for each page.

    A traceback of a stopped or locked database tells nothing about the program, and the text of the error may hold what
    was being written. Drops nothing.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Puts the name of the trouble into the record in place, and lets it pass."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, UNAVAILABLE):
            record.trouble = database_trouble(error)
            record.exc_info = record.exc_text = None
            if record.name == "django.request":
                record.event = "web.request.unavailable"
        return True


def _name_of(record: logging.LogRecord) -> str:
    return _NAMES.get(record.name, record.name)


def _time_of(record: logging.LogRecord) -> str:
    # With the offset from UTC (RFC 3339), so that lines of several machines can be joined.
    return datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")


def _plain(value: object) -> str:
    """Return a value that ends where it seems to end: in quotes where it has spaces or the like."""
    text = str(value)
    return text if _PLAIN_VALUE.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _clean(argument: object) -> object:
    return path_for_log(argument) if isinstance(argument, str) and argument.startswith("/") else argument
