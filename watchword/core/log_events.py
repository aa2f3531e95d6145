"""The event code of a log line, and the ids that link the line to a sign-in, a message or a gateway.

Every log call of the program has one, and `docs/operating/logs.md` lists them all::

    logger.warning("authentication deferred", extra=log_event("mail.auth.deferred", trouble="database locked"))

The formatters of `watchword/config/logs.py` write the code, the trouble and the ids into each line.
"""

from __future__ import annotations

from uuid import UUID

type FieldValue = UUID | str | int

RESERVED = frozenset({"time", "level", "logger", "event", "message", "trouble", "traceback"})
"""Names that every JSON line already uses."""

ATTEMPT_KEY = "watchword.attempt"
"""The key under which a page stores the id of its sign-in attempt in the WSGI environment, for its request's log lines.
"""


def log_event(code: str, /, *, trouble: str = "", **fields: FieldValue) -> dict[str, object]:
    """Return the ``extra`` of a log call: its stable code and its details.

    ``trouble`` names an error without its text, as `cause_of` and `database_trouble` do: the text may contain a number,
    a code or a password. ``fields`` are ids and small facts such as ``attempt``, ``delivery`` or ``gateway``; empty
    ones are left out.
    """
    assert not fields.keys() & RESERVED, "a field would stand in the place of another part of the line"
    return {
        "event": code,
        "trouble": trouble,
        "fields": {
            name: value if isinstance(value, int) else str(value) for name, value in fields.items() if value != ""
        },
    }
