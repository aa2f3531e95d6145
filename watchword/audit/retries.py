"""Outbox rows: work that is stored in the transaction that causes it, and done afterwards by any worker.

A worker leases a row, so that no other worker takes it, and so that it becomes due again if the worker dies. Work that
fails is retried after growing pauses and finally given up, in the log that administrators read; one row's failure does
not affect other rows. An unavailable database is not a row's failure: the worker waits for it, and no failure is
recorded for the row.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import InterfaceError, InternalError, OperationalError, connection, models, transaction
from django.db.models import F

UNAVAILABLE = (OperationalError, InterfaceError, InternalError)
"""The exceptions of a database that is locked, full, unreachable or broken, whatever the query."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The pauses between retries of failed work, and the limits after which it is given up."""

    first_pause: timedelta
    longest_pause: timedelta
    most_tries: int | None = None
    longest_age: timedelta | None = None

    def next_try(self, tries: int, *, since: datetime, now: datetime) -> datetime | None:
        """Return the time of the next try after this number of failed tries, or None to give up.

        ``since`` is the time when the row was written.
        """
        pause = self.pause(tries)
        if pause is None or (self.longest_age is not None and now - since > self.longest_age):
            return None
        return now + pause

    def pause(self, tries: int) -> timedelta | None:
        """Return the pause after this number of failed tries, or None to give up; the row's age is not considered."""
        if self.most_tries is not None and tries >= self.most_tries:
            return None
        doubled: int = 2 ** min(max(tries - 1, 0), 20)
        return min(self.first_pause * doubled, self.longest_pause)


def lease[Row: models.Model](
    waiting: models.QuerySet[Row], *, now: datetime, lifetime: timedelta, at_most: int
) -> list[Any]:
    """Lease due rows (with ``next_try_at`` and ``tries``), oldest first, and return their primary keys.

    No other worker takes these rows until the lease expires; then they are due again.
    """
    due = waiting.filter(next_try_at__lte=now)
    if not due.exists():
        # On SQLite a transaction blocks all other writers, also a transaction that finds nothing.
        return []
    with transaction.atomic():
        rows = due.order_by("next_try_at", "pk")
        if connection.features.has_select_for_update_skip_locked:
            # Two workers lease different rows; on SQLite one worker waits for the other's transaction.
            rows = rows.select_for_update(skip_locked=True)
        taken = list(rows.values_list("pk", flat=True)[:at_most])
        waiting.filter(pk__in=taken).update(next_try_at=now + lifetime, tries=F("tries") + 1)
    return taken


def attempt_one[Done](act: Callable[[], Done], note_trouble: Callable[[Exception], None]) -> Done | None:
    """Do one row's work and return its result.

    An exception is passed to ``note_trouble`` and None is returned, so that one row neither stops the others nor ends
    the process. Only the exceptions in UNAVAILABLE are raised, because they are not the row's failure.
    """
    try:
        return act()
    except UNAVAILABLE:
        # The row stays in the outbox, and is due again when its lease expires.
        raise
    except Exception as error:  # noqa: BLE001  (see the docstring)
        note_trouble(error)
        return None


def try_again(
    row: models.QuerySet[Any], policy: RetryPolicy, *, tries: int, since: datetime, now: datetime, **noted: Any
) -> bool:
    """Store the time of the row's next try and the fields in ``noted``; return False if the row is to be given up."""
    next_try = policy.next_try(tries, since=since, now=now)
    if next_try is None:
        return False
    row.update(next_try_at=next_try, **noted)
    return True


def cause_of(error: BaseException) -> str:
    """Return the class of an error and the place that raised it.

    The error's text is left out, because it may hold an address, a number or a secret.
    """
    frames = traceback.extract_tb(error.__traceback__)
    return (
        f"{type(error).__name__} ({Path(frames[-1].filename).name}:{frames[-1].lineno})"
        if frames
        else type(error).__name__
    )
