"""Changes of the multi-factor state that no administrator makes: registration, and *This wasn't me*."""

from __future__ import annotations

from datetime import datetime

from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.policy import MfaState
from watchword.directory.mfa_history import write_state
from watchword.directory.models import MfaCause, User


def enforce(user: User, *, origin: Origin, now: datetime) -> None:
    """Make a person Enforced whose registration is finished. The caller holds the lock on the person's row."""
    _change(user, MfaState.ENFORCED, MfaCause.REGISTRATION_FINISHED, by=user, origin=origin, now=now)


def finish_wait(user: User, *, origin: Origin, now: datetime) -> None:
    """Make a person Enforced because the wait after the registration is over; the person gets a notice.

    The caller holds the lock on the person's row.
    """
    _change(user, MfaState.ENFORCED, MfaCause.REGISTRATION_FINISHED, by=None, waited=True, origin=origin, now=now)


def reopen(user: User, *, origin: Origin, now: datetime) -> None:
    """Make a person Enabled because no phone is left after *This wasn't me*: the person must register again."""
    _change(user, MfaState.ENABLED, MfaCause.NOT_ME, by=user, origin=origin, now=now)


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
    before = write_state(user, after, cause, by=by, now=now)
    record(
        EventKind.MFA_STATE_CHANGED,
        now=now,
        subject=user,
        by=by,
        origin=origin,
        reason=cause.value,
        details={"before": before.value, "after": after.value, **({"waited": True} if waited else {})},
    )
