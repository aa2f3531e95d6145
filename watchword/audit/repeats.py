"""Aggregates refusals: the first of a kind in an hour is an event, repeats are counted, so no flood fills the log.

::

    the first refusal of a name from a source, for a reason, in this hour ---> an event, and a row that counts repeats
    the 101st name from one source in this hour, and all after it ----------> one event, and one row, for the source
    the 201st source in this hour, and all after it ------------------------> one event, and one row, for all of them

The rows are written in the transaction of the events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from django.db import connection

from watchword.audit.models import Event, Repeat

MOST_NAMES = 100
"""Names of one source in an hour that get events of their own."""
MOST_SOURCES = 200
"""Sources in an hour whose names get events of their own; refusals from further sources are counted together."""
STORED = timedelta(days=400)
BATCH_SIZE = 500

_EVERYTHING = "everything"
_MANY = "many"


@dataclass(frozen=True, slots=True)
class RepeatedDenial:
    """One refused sign-in: the name, the source and the reason."""

    name: str
    source: str
    why: str


def note(refusals: Sequence[RepeatedDenial], *, now: datetime) -> list[dict[str, object] | None]:
    """Count refusals; return for each one the details of the event to write, or None if it is only counted.

    Call it inside a transaction, and write the events in the same transaction.
    """
    if not refusals:
        return []
    hour = now.replace(minute=0, second=0, microsecond=0)
    known = _read(hour, refusals)
    added: Counter[str] = Counter()
    noted: list[dict[str, object] | None] = []
    for refusal in refusals:
        key = _key(hour, refusal.name, refusal.source, refusal.why)
        if key not in known:
            key = _place(hour, refusal, key, known, added)
        is_first = not known[key]
        known[key] += 1
        added[key] += 1
        noted.append(_details(hour, refusal, key) if is_first else None)
    _add(added, hour, now)
    return noted


def more_times(events: Iterable[Event]) -> dict[int, int]:
    """Return by event id how often its refusal was repeated within the hour; events without repeats are left out."""
    ids = {str(event.details["repeat"]): event.pk for event in events if "repeat" in event.details}
    keys, found = list(ids), {}
    for first in range(0, len(keys), BATCH_SIZE):
        rows = Repeat.objects.filter(pk__in=keys[first : first + BATCH_SIZE], times__gt=1)
        found.update({ids[key]: times - 1 for key, times in rows.values_list("pk", "times")})
    return found


def is_about_many(event: Event) -> bool:
    """Return whether an event stands for further names too, from its source or from any source."""
    return bool(event.details.get("others") == _MANY)


def forget_old(*, now: datetime) -> int:
    """Delete up to BATCH_SIZE counts older than STORED; return the number deleted."""
    old = list(Repeat.objects.filter(hour__lt=now - STORED).values_list("pk", flat=True)[:BATCH_SIZE])
    return Repeat.objects.filter(pk__in=old).delete()[0] if old else 0


def _read(hour: datetime, refusals: Sequence[RepeatedDenial]) -> dict[str, int]:
    """Return by key the current counts of all rows to which these refusals may be added."""
    asked = {_names_key(hour, _EVERYTHING), _rest_key(hour, _EVERYTHING)}
    for refusal in refusals:
        asked |= {_names_key(hour, refusal.source), _rest_key(hour, refusal.source)}
        asked.add(_key(hour, refusal.name, refusal.source, refusal.why))
    return dict(Repeat.objects.filter(pk__in=asked).values_list("pk", "times"))


def _place(hour: datetime, refusal: RepeatedDenial, key: str, known: dict[str, int], added: Counter[str]) -> str:
    """Return the key under which a new refusal is counted: its own, its source's or that of all sources."""
    everything, source = _names_key(hour, _EVERYTHING), _names_key(hour, refusal.source)
    if source not in known:
        if known.setdefault(everything, 0) >= MOST_SOURCES:
            key = _rest_key(hour, _EVERYTHING)
            known.setdefault(key, 0)
            return key
        known[everything] += 1
        added[everything] += 1
        known[source] = 0
    if known[source] >= MOST_NAMES:
        key = _rest_key(hour, refusal.source)
    else:
        known[source] += 1
        added[source] += 1
    known.setdefault(key, 0)
    return key


def _details(hour: datetime, refusal: RepeatedDenial, key: str) -> dict[str, object]:
    own = key == _key(hour, refusal.name, refusal.source, refusal.why)
    return {"repeat": key} if own else {"repeat": key, "others": _MANY}


def _key(hour: datetime, *parts: str) -> str:
    octets = "\0".join((hour.isoformat(), *parts)).encode("utf-8", "surrogatepass")
    return blake2b(octets, digest_size=16).hexdigest()


def _names_key(hour: datetime, source: str) -> str:
    return _key(hour, "names of", source)


def _rest_key(hour: datetime, source: str) -> str:
    return _key(hour, "rest of", source)


def _add(added: Mapping[str, int], hour: datetime, now: datetime) -> None:
    """Add to the counts with one statement, sorted by key: a fixed lock order, so that two processes never deadlock."""
    if not added:
        return
    moments = [connection.ops.adapt_datetimefield_value(moment) for moment in (hour, now)]
    values = [value for key in sorted(added) for value in (key, moments[0], added[key], moments[1])]
    table = Repeat._meta.db_table
    rows = ", ".join(["(%s, %s, %s, %s)"] * len(added))
    statement = (
        f"INSERT INTO {table} (key, hour, times, last_at) VALUES {rows} "  # noqa: S608  (a table's name)
        f"ON CONFLICT (key) DO UPDATE SET times = {table}.times + excluded.times, last_at = excluded.last_at"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
