"""Browsers in which somebody has signed in before: they spare their owner warnings and prove nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from watchword.directory.models import User
from watchword.signin.models import KnownBrowser, Purpose, SignInAttempt
from watchword.signin.tokens import new_token, token_hash


@dataclass(frozen=True, slots=True)
class BrowserSighting:
    """What a sign-in says of its browser; ``token`` is for the cookie of one that had none."""

    is_new: bool
    """Whether the person has not come in by it before. The first one is new as well: who uses mail programs alone would
    never hear of a thief's, and *This wasn't me* makes every browser the first."""
    token: str = field(default="", repr=False)


def is_known(attempt: SignInAttempt) -> bool:
    """Whether this person has come in by this browser before; within a session they have."""
    if attempt.purpose == Purpose.CONFIRM:
        return True
    if attempt.user is None or attempt.browser_hash is None:
        return False
    return KnownBrowser.objects.filter(user=attempt.user, token_hash=attempt.browser_hash).exists()


def note(attempt: SignInAttempt, user: User, *, now: datetime) -> BrowserSighting:
    """Remember the browser of somebody who has just come in."""
    token = ""
    digest = bytes(attempt.browser_hash) if attempt.browser_hash is not None else b""
    if not digest:
        token = new_token()
        digest = token_hash(token)
    elif KnownBrowser.objects.filter(user=user, token_hash=digest).update(last_at=now):
        return BrowserSighting(is_new=False)
    KnownBrowser.objects.get_or_create(user=user, token_hash=digest, defaults={"first_at": now, "last_at": now})
    return BrowserSighting(is_new=True, token=token)


def forget_all(user: User) -> None:
    """Know no browser of this person any more."""
    KnownBrowser.objects.filter(user=user).delete()
