"""Outbox rows: work that is written down in the transaction it belongs to, and done afterwards by any worker.

One row's trouble is that row's alone. A worker leases a row, so that no other takes it and so that it comes back if the
worker dies; what fails is tried again after growing pauses, and at last given up, in the log that administrators read.
Only a database that can't answer is nobody's trouble: it is waited for, and no row loses a try by it.
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
"""What the database raises when it is locked, full, away or broken, whatever was asked."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When work that failed is tried again, and when it is given up."""

    first_pause: timedelta
    longest_pause: timedelta
    most_tries: int | None = None
    longest_age: timedelta | None = None

    def next_try(self, tries: int, *, since: datetime, now: datetime) -> datetime | None:
        """Return when to try again after the given number of failed tries, or None to give up.

        ``since`` is when the row was written.
        """
        pause = self.pause(tries)
        if pause is None or (self.longest_age is not None and now - since > self.longest_age):
            return None
        return now + pause

    def pause(self, tries: int) -> timedelta | None:
        """Return how long to wait after the given number of failed tries, or None to give up; whatever its age."""
        if self.most_tries is not None and tries >= self.most_tries:
            return None
        doubled: int = 2 ** min(max(tries - 1, 0), 20)
        return min(self.first_pause * doubled, self.longest_pause)


def lease[Row: models.Model](
    waiting: models.QuerySet[Row], *, now: datetime, lasts: timedelta, at_most: int
) -> list[Any]:
    """Take rows (with ``next_try_at`` and ``tries``) whose time has come, oldest first, and return their keys.

    They are nobody else's until the lease is over; then they come back by themselves.
    """
    due = waiting.filter(next_try_at__lte=now)
    if not due.exists():
        # On SQLite a transaction locks everybody else, also one that finds nothing.
        return []
    with transaction.atomic():
        rows = due.order_by("next_try_at", "pk")
        if connection.features.has_select_for_update_skip_locked:
            # Two workers take different ones; on SQLite one of them waits for the other's transaction.
            rows = rows.select_for_update(skip_locked=True)
        taken = list(rows.values_list("pk", flat=True)[:at_most])
        waiting.filter(pk__in=taken).update(next_try_at=now + lasts, tries=F("tries") + 1)
    return taken


def attempt_one[Done](act: Callable[[], Done], note_trouble: Callable[[Exception], None]) -> Done | None:
    """Do one row's work and return what it returns.

    Whatever it raises is that row's trouble: it is handed to ``note_trouble``, and None comes back, so that one row
    neither stops the others nor ends the process. Only a database that can't answer is nobody's trouble, and raised.
    """
    try:
        return act()
    except UNAVAILABLE:
        # The row's lease, or its place in the outbox, gives it back.
        raise
    except Exception as error:  # noqa: BLE001  (as said above)
        note_trouble(error)
        return None


def try_again(
    row: models.QuerySet[Any], policy: RetryPolicy, *, tries: int, since: datetime, now: datetime, **noted: Any
) -> bool:
    """Write when a row is tried again, with what else is to be noted in it; False where it is to be given up."""
    next_try = policy.next_try(tries, since=since, now=now)
    if next_try is None:
        return False
    row.update(next_try_at=next_try, **noted)
    return True


def cause_of(error: BaseException) -> str:
    """Return the kind of an error and the line that raised it. Its text may hold an address, a number or a secret."""
    frames = traceback.extract_tb(error.__traceback__)
    return (
        f"{type(error).__name__} ({Path(frames[-1].filename).name}:{frames[-1].lineno})"
        if frames
        else type(error).__name__
    )
