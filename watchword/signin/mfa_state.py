"""The steps of the multi-factor state that no administrator takes: registration, and *This wasn't me*."""

from __future__ import annotations

from datetime import datetime

from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.policy import MfaState
from watchword.directory.models import MfaCause, MfaStateChange, User


def enforce(user: User, *, origin: Origin, now: datetime) -> None:
    """Write that registration was finished. The caller holds the lock on the person's row."""
    _change(user, MfaState.ENFORCED, MfaCause.REGISTRATION_FINISHED, by=user, origin=origin, now=now)


def finish_wait(user: User, *, origin: Origin, now: datetime) -> None:
    """Write that the wait after a registration is over: time did it, and the person is told.

    The caller holds the lock on the person's row.
    """
    _change(user, MfaState.ENFORCED, MfaCause.REGISTRATION_FINISHED, by=None, waited=True, origin=origin, now=now)


def reopen(user: User, *, origin: Origin, now: datetime) -> None:
    """Write that no phone is left after *This wasn't me*: the person must register again."""
    _change(user, MfaState.ENABLED, MfaCause.DISAVOWED, by=user, origin=origin, now=now)


def _change(
    user: User,
    after: MfaState,
    cause: MfaCause,
    *,
    by: User | None,
    waited: bool = False,
    origin: Origin,
    now: datetime,
) -> None:
    before = user.state
    user.mfa_state, user.mfa_changed_at, user.app_password_waits_until = after, now, None
    user.save(update_fields=["mfa_state", "mfa_changed_at", "app_password_waits_until"])
    MfaStateChange.objects.create(
        user=user,
        at=now,
        before=before,
        after=after,
        cause=cause,
        by=by,
        by_name=by.sign_in_name if by is not None else "",
    )
    record(
        EventKind.MFA_STATE_CHANGED,
        now=now,
        subject=user,
        by=by,
        origin=origin,
        reason=cause.value,
        details={"before": before.value, "after": after.value, **({"waited": True} if waited else {})},
    )
