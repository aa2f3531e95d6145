"""Everything that the panel at the right shows of one person."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils import timezone

from watchword.admincenter.words import CAUSES
from watchword.core.lockout import Locked, Wait
from watchword.core.policy import FactorKind
from watchword.directory.models import MfaStateChange, User
from watchword.directory.roles import ROLE_NAMES, Act
from watchword.signin import overview, sessions

HISTORY = 10


def panel_of(user: User, by: User) -> dict[str, Any]:
    """Return what the panel shows of a person to this administrator."""
    now = timezone.now()
    lock = overview.lock_of(user, now=now)
    return {
        "person": user,
        "roles": [ROLE_NAMES[role] for role in sorted(user.roles)],
        "aliases": [name.name for name in user.names.filter(is_alias=True)],
        "history": history_of(user),
        "password": overview.password_of(user),
        "methods": overview.methods_of(user),
        "app_passwords": overview.app_passwords_of(user),
        "sessions": len(sessions.sessions_of(user, now=now)),
        "is_locked": isinstance(lock, Locked),
        "is_waiting": isinstance(lock, Wait),
        "may": {act.value: by.may(act, user) for act in Act},
    }


def history_of(user: User) -> list[dict[str, object]]:
    """Return the history of a person's state, each step with why it happened, in words."""
    changes = MfaStateChange.objects.filter(user=user)[:HISTORY]
    return [
        {
            "at": change.at,
            "after": change.after,
            "why": str(CAUSES[change.cause]) % {"by": change.by_name or "the system"},
        }
        for change in changes
    ]


def counts_of(people: list[User]) -> dict[UUID, dict[FactorKind, int]]:
    """Return how many live things of each kind these people hold, with one query."""
    return overview.holdings_of([user.pk for user in people])
