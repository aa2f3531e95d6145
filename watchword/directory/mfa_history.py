"""The multi-factor state of a person and the history of its changes, which are always written together."""

from __future__ import annotations

from datetime import datetime

from watchword.core.policy import MfaState
from watchword.directory.models import MfaCause, MfaStateChange, User


def write_state(user: User, after: MfaState, cause: MfaCause, *, by: User | None, now: datetime) -> MfaState:
    """Set the state, end a wait for an app password, add the change to the history, and return the previous state.

    The caller holds the lock on the person's row, and writes the event.
    """
    before = user.state
    user.mfa_state, user.mfa_changed_at, user.app_password_waits_until = after, now, None
    user.save(update_fields=["mfa_state", "mfa_changed_at", "app_password_waits_until"])
    by_name = by.sign_in_name if by is not None else ""
    MfaStateChange.objects.create(user=user, at=now, before=before, after=after, cause=cause, by=by, by_name=by_name)
    return before
