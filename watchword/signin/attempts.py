"""Open sign-in attempts: how each kind of them is stored."""

from __future__ import annotations

from datetime import datetime, timedelta

from watchword.audit.record import Origin
from watchword.core.policy import Door, Limits
from watchword.directory.models import User
from watchword.signin.models import Purpose, Session, SignInAttempt
from watchword.signin.tokens import new_token, token_hash

RECOVERY_SECONDS = 3_600
"""Longer than a sign-in: a person who runs out of time here has no password left and must ask an administrator."""


def begin_recovery(user: User, *, origin: Origin, now: datetime) -> str:
    """Begin the recovery after *This wasn't me*; the caller has spent the link, under the lock on the person's row.

    This opens no session: it lets the person close more and, after a code, choose a new password.
    """
    lifetime = timedelta(seconds=RECOVERY_SECONDS)
    return new_attempt(
        Purpose.RECOVER, origin, "/", now, typed_name=user.sign_in_name, user=user, expires_at=now + lifetime
    )


def new_attempt(
    purpose: Purpose,
    origin: Origin,
    next_url: str,
    now: datetime,
    *,
    typed_name: str,
    user: User | None,
    session: Session | None = None,
    browser: str = "",
    expires_at: datetime | None = None,
    replaces: Session | None = None,
) -> str:
    """Store an attempt and return the token for the browser's cookie; only the token's hash is stored."""
    token = new_token()
    limits = user.organisation.policy.limits if user is not None else Limits()
    SignInAttempt.objects.create(
        token_hash=token_hash(token),
        purpose=purpose,
        door=Door.WEB,
        typed_name=typed_name,
        user=user,
        session=session,
        replaces=replaces.pk if replaces is not None else None,
        browser_hash=token_hash(browser) if browser else None,
        next_url=next_url[:2000],
        address=origin.address[:45],
        agent=origin.agent[:300],
        created_at=now,
        expires_at=expires_at or now + timedelta(seconds=limits.attempt_seconds),
    )
    return token


def typed_name(token: str) -> str:
    """Return the name that was typed in this browser, to fill it in again, even if its attempt is over."""
    if not token:
        return ""
    names = SignInAttempt.objects.filter(token_hash=token_hash(token)).values_list("typed_name", flat=True)
    return names.first() or ""
