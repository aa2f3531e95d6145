"""One wrong password that is typed again and again is one guess: a device that still has an old password.

Of the last few wrong passwords of one caller a keyed digest is kept. A digest that is found again counts no failure, so
that an old device shuts out neither its owner nor the office in which it stands. Who learns a new password by trying it
tries it once; repeating a wrong one teaches nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

MOST_REMEMBERED = 8
"""Wrong passwords; the one that was not typed for longest is forgotten first."""

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

MOST_IN_AN_HOUR = 300
"""Repeats of one wrong password that are hashed; what is beyond is turned away, so that repeating costs little work."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """One wrong password: its digest, when it was typed last, and how often, in this hour and altogether."""

    digest: str
    last_at: datetime
    hour_began_at: datetime
    in_this_hour: int = 1
    altogether: int = 1

    @property
    def is_new(self) -> bool:
        """Whether it was not among the remembered ones."""
        return self.altogether == 1

    @property
    def begins_an_hour(self) -> bool:
        """Whether nothing was said of it for an hour; the first one counts too."""
        return self.in_this_hour == 1

    @property
    def is_too_often(self) -> bool:
        """Whether it was repeated more often in this hour than is hashed."""
        return self.in_this_hour > MOST_IN_AN_HOUR


def repeat(remembered: Sequence[Repeated], digest: str, now: datetime) -> Repeated:
    """Return what one more try of a password means; it is not remembered by this."""
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
    """Return the remembered ones with the latest among them, the one typed last at the end."""
    return (*without(remembered, latest.digest), latest)[-MOST_REMEMBERED:]


def without(remembered: Sequence[Repeated], digest: str) -> tuple[Repeated, ...]:
    """Return the remembered ones but for one, because it was right after all."""
    return tuple(one for one in remembered if one.digest != digest)
