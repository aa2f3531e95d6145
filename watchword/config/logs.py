"""Formatters and filters of the log: text or JSON, one printable line per record, without secrets in paths."""

import json
import logging
import re
import traceback
from collections.abc import Mapping
from datetime import datetime

from watchword.audit.metrics import DATABASE_TROUBLE
from watchword.audit.retries import UNAVAILABLE, cause_of
from watchword.core.database_errors import database_trouble
from watchword.core.log_events import ATTEMPT_KEY

# A one-time link has its secret as a part of its path.
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
"""Exceptions whose text holds only names from the source code."""
OTHER_LIBRARY = "library.other"
SERVER_ERROR = 500


def event_of(record: logging.LogRecord) -> str:
    """Return the event code of a record; a library's record has one by the name of its logger."""
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
    """Return the type of a record's exception and the line that raised it, without its text."""
    if trouble := getattr(record, "trouble", ""):
        return str(trouble)
    error = record.exc_info[1] if record.exc_info else None
    return cause_of(error) if error is not None else ""


def traceback_of(record: logging.LogRecord) -> str:
    """Return the traceback of a record's exception and of its causes, with their texts only if they hold no values.

    Most texts may hold the data that was processed: a number, a code, a password.
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
    """Return a path with three dots for each part that could be a secret."""
    return "/".join("..." if _SECRET_PART.fullmatch(part) else part for part in path.split("/"))


class LineFormatter(logging.Formatter):
    """Writes each record as one line of text; further lines, such as a traceback, begin with a bar.

    A line is time, level, event code, logger, message, trouble and ids, such as
    ``… WARNING mail.auth.deferred watchword.doors.mail.batching: authentication deferred: database locked requests=3``.

    Otherwise a line break, a terminal escape or a bidirectional mark in a name, an address or a header could forge log
    lines.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line and its further lines, with every character that isn't printable written as an escape."""
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
        """Return the object: time, level, logger, event, message, then ids, trouble and traceback if there are any."""
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
"""The formatters by the value of WATCHWORD_LOG_FORMAT."""


def in_one_line(text: str) -> str:
    """Return a text in which every character that could break, hide or colour a line is written as an escape."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


class PathFilter(logging.Filter):
    """Removes secrets from the paths in Django's records, such as "Not Found: /invitation/..."; drops no record.

    Paths in Watchword's own records are paths of files.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record's arguments in place, and return True."""
        if isinstance(record.args, tuple) and not record.name.startswith("watchword."):
            record.args = tuple(_clean(argument) for argument in record.args)
        return True


class TroubleFilter(logging.Filter):
    """Turns an error of the database into one line with its code, instead of a traceback for each request.

    A traceback of a stopped or locked database says nothing about the program, and the text of the error may hold the
    values that were written. Drops no record.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Set the name of the trouble on the record in place, and return True."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, UNAVAILABLE):
            record.trouble = trouble = database_trouble(error)
            DATABASE_TROUBLE.labels(trouble).inc()
            record.exc_info = record.exc_text = None
            if record.name == "django.request":
                record.event = "web.request.unavailable"
        elif str(trouble := getattr(record, "trouble", "")).startswith("database "):
            DATABASE_TROUBLE.labels(trouble).inc()
        return True


def _name_of(record: logging.LogRecord) -> str:
    return _NAMES.get(record.name, record.name)


def _time_of(record: logging.LogRecord) -> str:
    # With the offset from UTC (RFC 3339), so that logs of several machines can be merged.
    return datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")


def _plain(value: object) -> str:
    """Return a value as text, in quotes if it has spaces or other special characters, so that its end is clear."""
    text = str(value)
    return text if _PLAIN_VALUE.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _clean(argument: object) -> object:
    return path_for_log(argument) if isinstance(argument, str) and argument.startswith("/") else argument
