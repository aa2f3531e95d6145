"""The steps of the multi-factor state that no administrator takes: registration, and *This wasn't me*."""

from __future__ import annotations

from datetime import datetime

from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.policy import MfaState
from watchword.directory.models import MfaCause, MfaStateChange, User


def enforce(user: User, *, origin: Origin, now: datetime) -> None:
    """Write that registration was finished. The caller holds the lock on the person's row."""
    _change(user, MfaState.ENFORCED, MfaCause.REGISTRATION_FINISHED, origin=origin, now=now)


def reopen(user: User, *, origin: Origin, now: datetime) -> None:
    """Write that no phone is left after *This wasn't me*: the person must register again."""
    _change(user, MfaState.ENABLED, MfaCause.DISAVOWED, origin=origin, now=now)


def _change(user: User, after: MfaState, cause: MfaCause, *, origin: Origin, now: datetime) -> None:
    before = user.state
    user.mfa_state, user.mfa_changed_at = after, now
    user.save(update_fields=["mfa_state", "mfa_changed_at"])
    MfaStateChange.objects.create(
        user=user, at=now, before=before, after=after, cause=cause, by=user, by_name=user.sign_in_name
    )
    record(
        EventKind.MFA_STATE_CHANGED,
        now=now,
        subject=user,
        by=user,
        origin=origin,
        reason=cause.value,
        details={"before": before.value, "after": after.value},
    )
