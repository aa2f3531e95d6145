"""Lockout: failures and time decide whether a proof may be tried (open, wait, locked).

::

    open --- the 10th failure within 15 minutes ---> wait 30 s, then one try;
      ^                                               each further failure doubles the wait, to 1 h at most
      |                                               |
      +--- 24 h without the burst <-------------------+--- the 30th failure within 24 h ---> locked
      ^                                                                                        |
      +------------------------------- an unlock by an administrator ---------------------------+

Only time and an unlock reduce the count: a new code, a right password, a right code, another browser or another method
do not. The wrong codes since the last right one are counted too, however slowly they come: the 100th also locks
(NIST SP 800-63B-4 section 3.2.2).

Account passwords wait by the same rule and are never locked, because any stranger can produce wrong ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from watchword.core.negative_result import NegativeResult
from watchword.core.policy import Limits

DAY = timedelta(days=1)

_MOST_AFTER_A_BURST = 300
"""A day of waits of five minutes, the strictest value of the longest wait, has 288."""


@dataclass(frozen=True, slots=True)
class Open:
    """A try is allowed; ``left`` is how many failures are left before the burst is full."""

    left: int


@dataclass(frozen=True, slots=True)
class Wait(NegativeResult):
    """No try is allowed before ``until``."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Locked(NegativeResult):
    """No try is allowed until an administrator unlocks."""

    since: datetime


type Lock = Open | Wait | Locked


@dataclass(frozen=True, slots=True)
class Count:
    """The stored failures of one account: their times, oldest first, and since when it is locked.

    ``in_a_row`` is the number of failures since the last success, at any time.
    """

    failures: tuple[datetime, ...] = ()
    locked_at: datetime | None = None
    in_a_row: int = 0


def stand(count: Count, limits: Limits, now: datetime) -> Lock:
    """Return the lock state that follows from the failures so far."""
    return Locked(count.locked_at) if count.locked_at is not None else wait_or_open(count, limits, now)


def wait_or_open(count: Count, limits: Limits, now: datetime) -> Open | Wait:
    """Return the same for a count that is never locked."""
    # Setting a clock back must not forgive failures: times in the future count as now.
    failures = [min(failure, now) for failure in count.failures if now - failure < DAY]
    beyond = _failures_since_burst(failures, limits)
    if beyond:
        wait = min(limits.first_wait_seconds * 2 ** min(beyond - 1, 20), limits.longest_wait_seconds)
        until = failures[-1] + timedelta(seconds=wait)
        if now < until:
            return Wait(until)
        return Open(1)
    window = timedelta(seconds=limits.burst_seconds)
    lately = sum(1 for failure in failures if now - failure < window)
    return Open(max(limits.burst_failures - lately, 1))


def after_failure(count: Count, limits: Limits, now: datetime) -> Count:
    """Return the count with one more failure."""
    stored = (*(failure for failure in count.failures if now - failure < DAY), now)
    in_a_row = count.in_a_row + 1
    locked_at = count.locked_at
    if locked_at is None and (len(stored) >= limits.day_failures or in_a_row >= limits.failures_in_a_row):
        locked_at = now
    return Count(stored[-limits.day_failures :], locked_at, in_a_row)


def after_success(count: Count) -> Count:
    """Return the count after a right code: the failures in a row start again at 0, those of the day stay."""
    return replace(count, in_a_row=0)


def after_waiting_failure(count: Count, limits: Limits, now: datetime) -> Count:
    """Return the count with one more failure, for a count that is never locked."""
    stored = (*(failure for failure in count.failures if now - failure < DAY), now)
    # As many as a burst and a day of waits can have, so that later failures never push a burst out.
    return Count(stored[-limits.burst_failures - _MOST_AFTER_A_BURST :])


def _failures_since_burst(failures: Sequence[datetime], limits: Limits) -> int:
    """Return the number of failures from the one that completed a burst; 0 if there was no burst."""
    size = limits.burst_failures
    window = timedelta(seconds=limits.burst_seconds)
    for last in range(size - 1, len(failures)):
        if failures[last] - failures[last - size + 1] < window:
            return len(failures) - last
    return 0
