"""Ends what grants access besides credentials: codes, one-time links, sessions, mail connections."""

from __future__ import annotations

from datetime import datetime

from watchword.directory.models import User
from watchword.signin import sessions
from watchword.signin.models import Invitation, Session
from watchword.signin.otp import challenges


def end_access(user: User, *, because: str, now: datetime, except_session: Session | None = None) -> int:
    """Void codes and links of a person, end sessions and open attempts; return how many sessions ended.

    Every action that sets, removes or resets an account password, resets methods, blocks or deletes calls this. The
    caller holds the lock on the person's row.
    """
    challenges.void_all(user, now=now)
    void_links(user, now=now)
    return sessions.end_all(user, because=because, now=now, except_session=except_session)


def void_links(user: User, *, now: datetime) -> None:
    """Void open invitations, and every *This wasn't me* link about an event before now.

    Those links belong to ``alerts``, which reads the time from the person's row: one UPDATE also voids a link whose
    mail is not delivered yet.
    """
    Invitation.objects.filter(user=user, used_at=None, void_at=None).update(void_at=now)
    User.objects.filter(pk=user.pk).update(links_void_at=now)
    user.links_void_at = now
