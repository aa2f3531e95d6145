"""The one step of the multi-factor state that people take themselves: registering turns Enabled into Enforced."""

from __future__ import annotations

from datetime import datetime

from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.policy import MfaState
from watchword.directory.models import MfaCause, MfaStateChange, User


def enforce(user: User, *, origin: Origin, now: datetime) -> None:
    """Write that registration was finished. The caller holds the lock on the person's row."""
    before = user.state
    user.mfa_state, user.mfa_changed_at = MfaState.ENFORCED, now
    user.save(update_fields=["mfa_state", "mfa_changed_at"])
    cause = MfaCause.REGISTRATION_FINISHED
    MfaStateChange.objects.create(
        user=user, at=now, before=before, after=MfaState.ENFORCED, cause=cause, by=user, by_name=user.sign_in_name
    )
    record(
        EventKind.MFA_STATE_CHANGED,
        now=now,
        subject=user,
        by=user,
        origin=origin,
        reason=cause.value,
        details={"before": before.value, "after": MfaState.ENFORCED.value},
    )
