"""Ends what could still open an account beside its proofs: codes, one-time links, sessions, mail connections."""

from __future__ import annotations

from datetime import datetime

from watchword.directory.models import User
from watchword.signin import sessions
from watchword.signin.models import Invitation, Session
from watchword.signin.otp import challenges


def end_access(user: User, *, because: str, now: datetime, except_session: Session | None = None) -> int:
    """Void codes and links of a person, end sessions and sign-ins on their way; return how many sessions ended.

    Every act that gives, takes or resets an account password, resets methods, blocks or deletes goes through here.
    The caller holds the lock on the person's row.
    """
    challenges.void_all(user, now=now)
    void_links(user, now=now)
    return sessions.end_all(user, because=because, now=now, except_session=except_session)


def void_links(user: User, *, now: datetime) -> None:
    """Void open invitations, and every *This wasn't me* link about something that happened before now.

    Those links belong to the room of the warnings, which reads the moment from the person's row: one UPDATE, so that
    a link whose mail is still on its way is void as well.
    """
    Invitation.objects.filter(user=user, used_at=None, void_at=None).update(void_at=now)
    User.objects.filter(pk=user.pk).update(links_void_at=now)
    user.links_void_at = now
