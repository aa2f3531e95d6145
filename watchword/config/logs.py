"""What logs leave out, the secret part of a one-time link, and how nobody writes lines of their own into them."""

import logging
import re
from datetime import datetime
from typing import Any

from watchword.audit.outbox import UNAVAILABLE
from watchword.core.database_errors import name_of_trouble

# One-time links carry their secret as a part of the path.
_SECRET_PART = re.compile(r"[A-Za-z0-9_:=-]{20,}")


def path_for_log(path: str) -> str:
    """The path, with each part that could be a secret replaced by three dots."""
    return "/".join("..." if _SECRET_PART.fullmatch(part) else part for part in path.split("/"))


class LineFormatter(logging.Formatter):
    """Writes each record as one line; what follows it, such as a traceback, stands behind a bar.

    Whoever can put a line break, a terminal's escape or a bidirectional mark into a name, an address or a header
    could otherwise write lines that look like ours.
    """

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802  (logging's name)
        """Return the local time with its offset from UTC (RFC 3339): lines of several machines can be joined."""
        if datefmt is not None:
            return super().formatTime(record, datefmt)
        return datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (logging's name)
        """Return the line itself, with every character that isn't printable written as an escape."""
        return in_one_line(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802  (logging's name)
        """Return the traceback, each line behind a bar."""
        return _behind_a_bar(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802  (logging's name)
        """Return the stack, each line behind a bar."""
        return _behind_a_bar(super().formatStack(stack_info))


def in_one_line(text: str) -> str:
    """Return a text in which every character that could break, hide or colour a line is written as an escape."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def _behind_a_bar(text: str) -> str:
    return "\n".join(f"  | {in_one_line(line)}" for line in text.split("\n"))


class PathFilter(logging.Filter):
    """Cleans the paths in Django's own lines, such as "Not Found: /invitation/..."; drops nothing."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Changes the record's arguments in place, and lets it pass."""
        if isinstance(record.args, tuple):
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
            record.msg = f"{record.getMessage()}: the database: {name_of_trouble(error)}"
            record.args = record.exc_info = record.exc_text = None
        return True


def _clean(argument: object) -> object:
    return path_for_log(argument) if isinstance(argument, str) and argument.startswith("/") else argument
