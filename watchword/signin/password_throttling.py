"""Limits wrong account passwords: further tries have to wait, and no account is locked.

A try is counted against the name at its source and against the network address before the slow hash, so that parallel
guesses count like sequential ones; ``refund`` takes it back. The same wrong password again is one guess
(``core.repeated_guesses``): it is checked and refused like any other, and not counted.

Rows are locked in one order, here and in ``refund``: the person, the name at its source, the address.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from django.db import transaction

from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.lockout import Count, Open, Wait, after_waiting_failure, wait_or_open
from watchword.core.negative_result import NegativeResult
from watchword.core.policy import Limits, Policy
from watchword.core.repeated_guesses import DAY, HOUR, Repeated, remember, repeat, without
from watchword.core.source_networks import source_of
from watchword.directory.models import User
from watchword.factors import vault
from watchword.signin.facts import read_count
from watchword.signin.models import FailureCount
from watchword.signin.tokens import token_hash

_DIGEST_PURPOSE = "signin.wrong_password"
_DIGEST_OCTETS = 16


@dataclass(frozen=True, slots=True)
class Guess:
    """One typed account password: the name, the source, and which password is the right one.

    ``version`` is the id of the present password (None: there is none); a new password invalidates all digests.
    """

    name: str
    typed: str = field(repr=False)
    origin: Origin
    user: User | None
    version: UUID | None
    policy: Policy

    @property
    def key(self) -> str:
        """Return the key of its count: one name (known or not) from one source; an IPv6 source is its /64."""
        return f"password:{token_hash(self.name + '|' + source_of(self.origin.address)).hex()}"

    @property
    def digest(self) -> str:
        """Return a keyed hash that identifies a repeated password, and is useless without the keyring."""
        typed = unicodedata.normalize("NFC", self.typed).encode("utf-8", "surrogatepass")
        owner = self.version.bytes if self.version is not None else self.name.encode("utf-8", "surrogatepass")
        return vault.keyed(_DIGEST_PURPOSE, token_hash(self.name) + owner + b"|" + typed)[:_DIGEST_OCTETS].hex()


@dataclass(frozen=True, slots=True)
class Reserved:
    """Permission to check the password; holds what was counted for it, and whether it was typed here before."""

    guess: Guess
    at: datetime
    repeated: Repeated

    @property
    def is_worth_an_event(self) -> bool:
        """Return whether this try is recorded as an event: a new password is, a repeated one only counts.

        A repeated one is recorded once an hour, and when it becomes clear that a device repeats it.
        """
        return self.repeated.begins_an_hour or self.has_just_become_a_device

    @property
    def is_a_device(self) -> bool:
        """Return whether the password was repeated so often that a device must be doing it, not a person."""
        return self.repeated.altogether >= self.guess.policy.limits.burst_failures

    @property
    def has_just_become_a_device(self) -> bool:
        """Return whether with this try it has become clear that a device repeats the password."""
        return self.repeated.altogether == self.guess.policy.limits.burst_failures


@dataclass(frozen=True, slots=True)
class Throttled(NegativeResult):
    """The password may not be checked before ``until``."""

    until: datetime
    by_address: bool = False
    """Whether the network address is throttled, for every name."""
    is_worth_an_event: bool = False
    """Whether to record an event: for the first refusal of each wait; for an address only its closing is recorded."""


def reserve(guess: Guess, *, now: datetime) -> Reserved | Throttled:
    """Count a failure before the password is checked, if it may be checked; ``refund`` takes the count back.

    Opens transactions of its own.
    """
    limits = guess.policy.limits
    if isinstance(closed := _look_at_source(guess, now), Wait):
        # Return before any row is written: a flood must not fill the database, and the closing of the address is
        # recorded.
        return Throttled(closed.until, by_address=True)
    with transaction.atomic():
        row = FailureCount.locked(guess.key, now)
        row.subject_id = guess.user.pk if guess.user is not None else None
        count = _count_of(row)
        lock = wait_or_open(count, limits, now)
        if isinstance(lock, Wait):
            return _throttle(row, lock.until, now)
        remembered = _read(row.repeated)
        latest = repeat(remembered, guess.digest, now)
        if latest.is_new:
            if isinstance(closed := _reserve_source(guess, now), Wait):
                return Throttled(closed.until, by_address=True)
            row.failures = _written(after_waiting_failure(count, limits, now))
        row.repeated = _json_of(remember(remembered, latest))
        if latest.is_too_often:
            return _throttle(row, latest.hour_began_at + HOUR, now)
        _save(row, now)
        return Reserved(guess, now, latest)


def refund(reserved: Reserved, *, now: datetime) -> None:
    """Take back what was counted, because the password was right. Call inside a transaction."""
    row = FailureCount.locked(reserved.guess.key, now)
    if reserved.at.isoformat() in row.failures:
        row.failures.remove(reserved.at.isoformat())
    row.repeated = _json_of(without(_read(row.repeated), reserved.repeated.digest))
    _save(row, now)
    source = FailureCount.objects.select_for_update().filter(pk=_source_key(reserved.guess.origin.address)).first()
    if reserved.repeated.is_new and source is not None and reserved.at.isoformat() in source.failures:
        source.failures.remove(reserved.at.isoformat())
        _save(source, now)


def note_wrong(reserved: Reserved, *, now: datetime) -> None:
    """Count a wrong password against the person over all sources; many raise an alert, but throttle no sign-in.

    The same password from many addresses (a travelling device) counts once. Call inside a transaction.
    """
    guess = reserved.guess
    if not reserved.repeated.is_new:
        return
    row = FailureCount.locked(_guesses_key(guess), now)
    row.subject_id = guess.user.pk if guess.user is not None else None
    remembered = _read(row.repeated)
    latest = repeat(remembered, reserved.repeated.digest, now)
    row.repeated = _json_of(remember(remembered, latest))
    if latest.is_new:
        lately = [text for text in row.failures if now - datetime.fromisoformat(text) < DAY]
        row.failures = [*lately, now.isoformat()]
        if len(row.failures) >= guess.policy.limits.name_failures:
            if guess.user is not None:
                details = {"number": len(row.failures)}
                record(EventKind.PASSWORD_GUESSED, now=now, subject=guess.user, origin=guess.origin, details=details)
            row.failures = []
    _save(row, now)


def repeat_details(reserved: Reserved | None) -> dict[str, object]:
    """Return the event details about a repeated password: how often it came, once a device is clearly sending it."""
    if reserved is None or not reserved.is_a_device:
        return {}
    return {"same_password": reserved.repeated.altogether}


def forget(user: User) -> bool:
    """Forget all wrong passwords of a person, at every source; return whether there were any."""
    return FailureCount.objects.filter(subject_id=user.pk).delete()[0] > 0


def waits_until(user: User, *, now: datetime) -> datetime | None:
    """Return when the person's passwords may be tried at the most throttled source; None where none is throttled."""
    rows = FailureCount.objects.filter(subject_id=user.pk, key__startswith="password:")
    limits = user.organisation.policy.limits
    locks = [wait_or_open(_count_of(row), limits, now) for row in rows]
    return max((lock.until for lock in locks if isinstance(lock, Wait)), default=None)


def _look_at_source(guess: Guess, now: datetime) -> Open | Wait:
    limits = _limits_of_source(guess)
    if limits is None:
        return Open(1)
    row = FailureCount.objects.filter(pk=_source_key(guess.origin.address)).first()
    return wait_or_open(_count_of(row), limits, now) if row is not None else Open(1)


def _reserve_source(guess: Guess, now: datetime) -> Open | Wait:
    """Count a wrong password against its network address, whichever name was typed."""
    limits = _limits_of_source(guess)
    if limits is None:
        return Open(1)
    row = FailureCount.locked(_source_key(guess.origin.address), now)
    count = _count_of(row)
    lock = wait_or_open(count, limits, now)
    if isinstance(lock, Open):
        after = after_waiting_failure(count, limits, now)
        row.failures = _written(after)
        _save(row, now)
        if isinstance(wait_or_open(after, limits, now), Wait):
            record(EventKind.SOURCE_CLOSED, now=now, origin=guess.origin, details={"failures": len(after.failures)})
    return lock


def _limits_of_source(guess: Guess) -> Limits | None:
    """Return the limits of the address; None for trusted networks and this machine itself (a webmail in front).

    Sign-ins without an address (``doveadm auth test``) are one source of their own, which is trusted by nobody.
    """
    address, limits = guess.origin.address, guess.policy.limits
    try:
        parsed = ip_address(address)
    except ValueError:
        return limits.of_sources
    if parsed.is_loopback or guess.policy.trusts(address):
        return None
    return limits.of_shared_sources if guess.policy.shares(address) else limits.of_sources


def _throttle(row: FailureCount, until: datetime, now: datetime) -> Throttled:
    is_first = row.noted_until != until
    row.noted_until = until
    _save(row, now)
    return Throttled(until, is_worth_an_event=is_first)


def _count_of(row: FailureCount) -> Count:
    # Earlier releases also locked passwords; their locks are ignored.
    return Count(read_count(row).failures)


def _written(count: Count) -> list[str]:
    return [failure.isoformat() for failure in count.failures]


def _save(row: FailureCount, now: datetime) -> None:
    row.locked_at = None
    row.changed_at = now
    row.save()


def _read(rows: list[list[Any]] | None) -> tuple[Repeated, ...]:
    moment = datetime.fromisoformat
    return tuple(
        Repeated(digest, moment(last), moment(began), in_this_hour, altogether)
        for digest, last, began, in_this_hour, altogether in rows or ()
    )


def _json_of(remembered: Sequence[Repeated]) -> list[list[Any]]:
    return [
        [one.digest, one.last_at.isoformat(), one.hour_began_at.isoformat(), one.in_this_hour, one.altogether]
        for one in remembered
    ]


def _guesses_key(guess: Guess) -> str:
    return f"guesses:{guess.user.pk if guess.user is not None else token_hash(guess.name).hex()}"


def _source_key(address: str) -> str:
    return f"source:{token_hash(source_of(address)).hex()}"
