"""Browsers in which a person has signed in before: they spare the person notices and prove nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from watchword.directory.models import User
from watchword.signin.models import KnownBrowser, Purpose, SignInAttempt
from watchword.signin.tokens import new_token, token_hash


@dataclass(frozen=True, slots=True)
class BrowserSighting:
    """What a sign-in found out about its browser; ``token`` is the new cookie's, if the browser had none."""

    is_new: bool
    """Whether the person has not signed in with it before. This includes the person's first browser: otherwise a person
    who uses only mail programs would get no notice of a thief's browser. *This wasn't me* makes every browser the
    first."""
    token: str = field(default="", repr=False)


def is_known(attempt: SignInAttempt) -> bool:
    """Return whether this person has signed in with this browser before; always true within a session."""
    if attempt.purpose == Purpose.CONFIRM:
        return True
    if attempt.user is None or attempt.browser_hash is None:
        return False
    return KnownBrowser.objects.filter(user=attempt.user, token_hash=attempt.browser_hash).exists()


def note(attempt: SignInAttempt, user: User, *, now: datetime) -> BrowserSighting:
    """Remember the browser of a person who has just signed in."""
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
    """Forget all known browsers of this person."""
    KnownBrowser.objects.filter(user=user).delete()
