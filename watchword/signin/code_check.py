"""Tries typed codes: every try is counted, a right code is spent."""

from __future__ import annotations

from datetime import datetime

from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.factors import Accepted, Held, Reason, Rejected
from watchword.core.policy import FactorKind, Way
from watchword.directory.models import User
from watchword.factors import vault
from watchword.factors.registry import factor_of
from watchword.signin import challenges, failures, known_browsers
from watchword.signin.models import CodeChallenge, Purpose, SignInAttempt
from watchword.signin.outcomes import Refused


def check_code(
    user: User, holder: challenges.Holder, purpose: Purpose, typed: str, *, origin: Origin, now: datetime
) -> Accepted | Refused:
    """Try one typed code against the newest one of an attempt; count what is wrong, spend what is right.

    The caller holds the lock on the person's row and has seen that the second proof may be tried.
    """
    row = challenges.newest(holder, purpose)
    if row is not None and row.match and row.approved_at is None and challenges.is_alive(row, now):
        return Refused(Reason.NOT_APPROVED_YET)
    credential_gone = row is not None and row.credential_id and vault.find(user, row.credential_id) is None
    if (
        row is None
        or credential_gone
        or not challenges.reserve_try(row, user.organisation.policy.limits.code_tries, now=now)
    ):
        reason = why_dead(row, now)
        lock = failures.count_wrong_code(user, origin=origin, now=now)
        _note_rejected(user, holder, purpose, reason, origin=origin, now=now)
        return Refused(reason, failures.closed_until(lock))
    if row.match:
        # Nothing was spoken that could be typed: the digits had to be keyed at the telephone.
        verdict: Accepted | Rejected = Accepted(way=Way(row.way))
    else:
        verdict = factor_of(FactorKind(row.kind)).verify(
            Held(FactorKind(row.kind)), challenges.kept_of(row), typed, keyed=vault.keyed, now=now
        )
    if isinstance(verdict, Rejected) or not challenges.spend(row, now=now):
        reason = verdict.reason if isinstance(verdict, Rejected) else Reason.USED
        lock = failures.count_wrong_code(user, origin=origin, now=now)
        _note_rejected(user, holder, purpose, reason, origin=origin, now=now)
        return Refused(reason, failures.closed_until(lock))
    if purpose != Purpose.REGISTER:
        # A telephone that was registered a moment ago says nothing about who typed the wrong codes.
        failures.note_right_code(user, now=now)
    if row.credential_id is not None:
        vault.note_use([vault.Use(row.credential_id, now, origin.address)])
    record(
        EventKind.CODE_ACCEPTED,
        now=now,
        subject=user,
        by=user,
        origin=origin,
        details={"purpose": str(purpose), "challenge": str(row.pk)},
    )
    return verdict


def why_dead(row: CodeChallenge | None, now: datetime) -> Reason:
    """Return why a code can't be tried any more."""
    if row is None or row.void_at is not None:
        return Reason.EXPIRED
    if row.spent_at is not None:
        return Reason.USED
    return Reason.EXPIRED if row.expires_at <= now else Reason.TOO_MANY_TRIES


def _note_rejected(
    user: User, holder: challenges.Holder, purpose: Purpose, reason: Reason, *, origin: Origin, now: datetime
) -> None:
    # The warnings need to know: a stranger's first wrong code is worth a mail, the owner's own slip is not.
    is_known = not isinstance(holder, SignInAttempt) or known_browsers.is_known(holder)
    details = {
        "purpose": str(purpose),
        "browser": "known" if is_known else "new",
        "wrong": challenges.tries_of(holder, purpose),
        "sign_in": str(holder.sign_in_id),
    }
    record(EventKind.CODE_REJECTED, now=now, subject=user, origin=origin, reason=reason, details=details)
