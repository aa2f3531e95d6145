"""Counts failures under a lock, so that parallel guesses are counted like those one after another."""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_address

from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.lockout import Count, Lock, Locked, Open, after_failure, stand
from watchword.core.policy import Limits, Policy
from watchword.core.sources import source_of
from watchword.directory.models import User
from watchword.signin.chance import token_hash
from watchword.signin.facts import code_key, read_count
from watchword.signin.models import FailureCount


def password_key(name: str, address: str) -> str:
    """Return the key for wrong passwords: one name from one source, known or not.

    Failures elsewhere don't count, so that a stranger can't lock the owner out; an IPv6 source is its /64.
    """
    return f"password:{token_hash(name + '|' + source_of(address)).hex()}"


def reserve(key: str, limits: Limits, *, now: datetime) -> Lock:
    """Count a failure before the proof is even looked at, if it may be tried; ``refund`` takes it back.

    Call inside a transaction of its own.
    """
    row = _locked_row(key, now)
    count = read_count(row)
    lock = stand(count, limits, now)
    if isinstance(lock, Open):
        _write(row, after_failure(count, limits, now), now)
    return lock


def refund(key: str, reserved_at: datetime, *, now: datetime) -> None:
    """Take back a reserved failure, because the proof was right."""
    row = _locked_row(key, now)
    failures = list(row.failures)
    if reserved_at.isoformat() in failures:
        failures.remove(reserved_at.isoformat())
        row.failures = failures
        row.locked_at = None if row.locked_at == reserved_at else row.locked_at
        row.changed_at = now
        row.save()


def reserve_source(origin: Origin, policy: Policy, *, now: datetime) -> Lock:
    """Count a wrong account password against its network address, whoever is named, before it is looked at.

    Trusted networks and this machine itself (a webmail in front) are not counted. Call inside a transaction.
    """
    if not _is_counted(origin.address, policy):
        return Open(1)
    limits = policy.limits.of_sources
    row = _locked_row(_source_key(origin.address), now)
    count = read_count(row)
    lock = stand(count, limits, now)
    if isinstance(lock, Open):
        after = after_failure(count, limits, now)
        _write(row, Count(after.failures[-2 * limits.burst_failures :]), now)
        if not isinstance(stand(after, limits, now), Open):
            record(EventKind.SOURCE_CLOSED, now=now, origin=origin, details={"failures": len(after.failures)})
    return lock


def refund_source(address: str, reserved_at: datetime, *, now: datetime) -> None:
    """Take back what was counted against a network address, because the password was right."""
    key = _source_key(address)
    if FailureCount.objects.filter(pk=key).exists():
        refund(key, reserved_at, now=now)


def count_wrong_code(user: User, *, origin: Origin, now: datetime) -> Lock:
    """Count one wrong code of a person, over all methods, doors and browsers, and say what follows.

    The caller holds the lock on the person's row.
    """
    limits = user.organisation.policy.limits
    row = _locked_row(code_key(user), now)
    before = read_count(row)
    after = after_failure(before, limits, now)
    _write(row, after, now)
    if after.locked_at is not None and before.locked_at is None:
        record(EventKind.SECOND_FACTOR_LOCKED, now=now, subject=user, origin=origin)
    return stand(after, limits, now)


def lock(user: User, *, origin: Origin, now: datetime) -> None:
    """Lock the second proof of a person until somebody unlocks it: they said themselves that it isn't them."""
    row = _locked_row(code_key(user), now)
    before = read_count(row)
    if before.locked_at is None:
        _write(row, Count(before.failures, now), now)
        record(EventKind.SECOND_FACTOR_LOCKED, now=now, subject=user, origin=origin)


def unlock(user: User, *, now: datetime) -> bool:
    """Forget the wrong codes of a person; True if that changed anything."""
    row = _locked_row(code_key(user), now)
    had_any = bool(row.failures) or row.locked_at is not None
    _write(row, Count(), now)
    return had_any


def is_closed(lock: Lock) -> bool:
    """Whether nothing may be tried now."""
    return not isinstance(lock, Open)


def closed_until(lock: Lock) -> datetime | None:
    """Return when trying is possible again; None where only an unlock helps."""
    if isinstance(lock, Open | Locked):
        return None
    return lock.until


def _locked_row(key: str, now: datetime) -> FailureCount:
    FailureCount.objects.get_or_create(pk=key, defaults={"changed_at": now})
    return FailureCount.objects.select_for_update().get(pk=key)


def _write(row: FailureCount, count: Count, now: datetime) -> None:
    row.failures = [failure.isoformat() for failure in count.failures]
    row.locked_at = count.locked_at
    row.changed_at = now
    row.save()


def _source_key(address: str) -> str:
    return f"source:{token_hash(source_of(address)).hex()}"


def _is_counted(address: str, policy: Policy) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return not parsed.is_loopback and not policy.trusts(address)
