"""Counts wrong codes under a lock, so that parallel guesses are counted like sequential ones.

Wrong account passwords are limited in ``password_throttling``: they have to wait and never lock an account.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.lockout import Count, Lock, Locked, Open, after_failure, after_success, stand
from watchword.directory.models import User
from watchword.signin import password_throttling
from watchword.signin.facts import code_key, read_count
from watchword.signin.models import FailureCount


def count_wrong_code(user: User, *, origin: Origin, now: datetime) -> Lock:
    """Count one wrong code of a person, over all methods, doors and browsers, and return the resulting lock state.

    The caller holds the lock on the person's row.
    """
    limits = user.organisation.policy.limits
    row = FailureCount.locked(code_key(user), now)
    before = read_count(row)
    after = after_failure(before, limits, now)
    _write(row, after, now)
    if after.locked_at is not None and before.locked_at is None:
        record(EventKind.SECOND_FACTOR_LOCKED, now=now, subject=user, origin=origin)
    return stand(after, limits, now)


def note_right_code(user: User, *, now: datetime) -> None:
    """Reset the count of consecutive wrong codes; those of the last day stay counted.

    The caller holds the lock on the person's row.
    """
    row = FailureCount.objects.filter(pk=code_key(user), in_a_row__gt=0).first()
    if row is not None:
        _write(row, after_success(read_count(row)), now)


def lock(user: User, *, origin: Origin, now: datetime) -> None:
    """Lock a person's second factor until an administrator unlocks it, because the person reported fraud."""
    row = FailureCount.locked(code_key(user), now)
    before = read_count(row)
    if before.locked_at is None:
        _write(row, replace(before, locked_at=now), now)
        record(EventKind.SECOND_FACTOR_LOCKED, now=now, subject=user, origin=origin)


def unlock(user: User, *, now: datetime) -> bool:
    """Forget a person's wrong codes, and wrong passwords at every source; return whether that changed anything."""
    row = FailureCount.locked(code_key(user), now)
    had_any = bool(row.failures) or row.locked_at is not None or row.in_a_row > 0
    _write(row, Count(), now)
    return password_throttling.forget(user) or had_any


def is_closed(lock: Lock) -> bool:
    """Return whether no try is allowed now."""
    return not isinstance(lock, Open)


def closed_until(lock: Lock) -> datetime | None:
    """Return when the next try is possible; None where one is possible now, or where only an unlock helps."""
    if isinstance(lock, Open | Locked):
        return None
    return lock.until


def _write(row: FailureCount, count: Count, now: datetime) -> None:
    row.failures = [failure.isoformat() for failure in count.failures]
    row.locked_at = count.locked_at
    row.in_a_row = count.in_a_row
    row.changed_at = now
    row.save()
