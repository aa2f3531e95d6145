"""Counts one wrong password that is repeated as one guess: usually a device still has an old password.

Keyed digests of the last few wrong passwords from one source are stored. A repeated digest counts no failure, so that
an old device throttles neither its owner nor the office around it. An attacker tries each password once; repeating a
wrong one reveals nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

MOST_REMEMBERED = 8
"""Wrong passwords; the one that was last typed the longest time ago is forgotten first."""

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

MOST_IN_AN_HOUR = 300
"""Repeats of one wrong password that are hashed; further ones are refused unhashed, so that repeating costs little
work."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """One wrong password: its digest, when it was last typed, and how often, in this hour and altogether."""

    digest: str
    last_at: datetime
    hour_began_at: datetime
    in_this_hour: int = 1
    altogether: int = 1

    @property
    def is_new(self) -> bool:
        """Return whether it was not among the remembered ones."""
        return self.altogether == 1

    @property
    def begins_an_hour(self) -> bool:
        """Return whether it has not been reported for an hour; true for the first try."""
        return self.in_this_hour == 1

    @property
    def is_too_often(self) -> bool:
        """Return whether it was repeated in this hour more often than is hashed."""
        return self.in_this_hour > MOST_IN_AN_HOUR


def repeat(remembered: Sequence[Repeated], digest: str, now: datetime) -> Repeated:
    """Return the result of one more try of a password, without remembering it."""
    for one in remembered:
        if one.digest == digest and now - one.last_at < DAY:
            goes_on = now - one.hour_began_at < HOUR
            return replace(
                one,
                last_at=now,
                hour_began_at=one.hour_began_at if goes_on else now,
                in_this_hour=one.in_this_hour + 1 if goes_on else 1,
                altogether=one.altogether + 1,
            )
    return Repeated(digest, now, now)


def remember(remembered: Sequence[Repeated], latest: Repeated) -> tuple[Repeated, ...]:
    """Return the remembered passwords with the latest one added, the one typed last at the end."""
    return (*without(remembered, latest.digest), latest)[-MOST_REMEMBERED:]


def without(remembered: Sequence[Repeated], digest: str) -> tuple[Repeated, ...]:
    """Return the remembered passwords without one that turned out to be right."""
    return tuple(one for one in remembered if one.digest != digest)
