"""How right this machine's clock is: by the kernel's own state, and beside the clock of the database server.

Codes, sessions and locks of several nodes are compared by time, and each node uses its own clock.
"""

from __future__ import annotations

import ctypes
from datetime import UTC, datetime, timedelta

from django.db import connection

LARGEST_OFFSET = timedelta(seconds=2)
"""The offset above which a clock is wrong: far more than NTP leaves, far less than a code's life."""

_STA_UNSYNC = 0x0040
_TIME_ERROR = 5


class _Timex(ctypes.Structure):
    """``struct timex`` of adjtimex(2), as far as it is read here; the kernel fills the rest."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 512),
    ]


def is_synchronised() -> bool | None:
    """Return whether the kernel's clock follows a time server (adjtimex(2)); None where it does not say.

    chrony, ntpd and systemd-timesyncd all tell the kernel. A container sees the state of its machine.
    """
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (AttributeError, OSError):
        return None
    state = _Timex(modes=0)
    returned = adjtimex(ctypes.byref(state))
    if returned < 0:
        return None
    return returned != _TIME_ERROR and not state.status & _STA_UNSYNC


def offset_from_database() -> timedelta | None:
    """Return how far this machine's clock is ahead of the database server's; None for SQLite, which has no other.

    The answer is wrong by half the time of the query at most.
    """
    if connection.vendor != "postgresql":
        return None
    before = datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        there: datetime = cursor.fetchone()[0]
    after = datetime.now(UTC)
    return before + (after - before) / 2 - there


def trouble_of_clock(offset: timedelta | None, *, synchronised: bool | None) -> str:
    """Return what is wrong with a clock, in words; empty if nothing is known to be."""
    if offset is not None and abs(offset) > LARGEST_OFFSET:
        where = "ahead of" if offset > timedelta(0) else "behind"
        return f"the clock is {abs(offset).total_seconds():.1f} s {where} the database server's"
    if synchronised is False:
        return "the clock follows no time server"
    return ""
