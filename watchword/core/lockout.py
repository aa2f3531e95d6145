"""Failures and time decide whether a proof may be tried: open, wait, locked.

::

    open --- the 10th failure within 15 minutes ---> wait 30 s, then one try;
      ^                                               each further failure doubles the wait, to 1 h at most
      |                                               |
      +--- 24 h without the burst <-------------------+--- the 30th failure within 24 h ---> locked
      ^                                                                                        |
      +------------------------------- an unlock by somebody who may ---------------------------+

Only time and an unlock make the count smaller: a new code, a right password, a right code, another browser
or another method do not (NIST SP 800-63B-4 section 3.2.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from watchword.core.policy import Limits

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Open:
    """A try is allowed; ``left`` is how many failures the burst still bears."""

    left: int


@dataclass(frozen=True, slots=True)
class Wait:
    """No try before ``until``."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Locked:
    """No try until somebody unlocks."""

    since: datetime


type Lock = Open | Wait | Locked


@dataclass(frozen=True, slots=True)
class Count:
    """What is kept of the failures of one account: their times, oldest first, and since when it is locked."""

    failures: tuple[datetime, ...] = ()
    locked_at: datetime | None = None


def stand(count: Count, limits: Limits, now: datetime) -> Lock:
    """Return what the failures so far mean at this moment."""
    if count.locked_at is not None:
        return Locked(count.locked_at)
    # A clock that was set back must not forgive: times in the future count as now.
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
    """Return the count with one more failure in it."""
    kept = (*(failure for failure in count.failures if now - failure < DAY), now)
    locked_at = count.locked_at
    if locked_at is None and len(kept) >= limits.day_failures:
        locked_at = now
    return Count(kept[-limits.day_failures :], locked_at)


def _failures_since_burst(failures: Sequence[datetime], limits: Limits) -> int:
    """Count the failures from the one on that filled a burst; 0 while there was no burst."""
    size = limits.burst_failures
    window = timedelta(seconds=limits.burst_seconds)
    for last in range(size - 1, len(failures)):
        if failures[last] - failures[last - size + 1] < window:
            return len(failures) - last
    return 0
