"""What an owner does with an app password besides making and deleting it: pause, resume, limit."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.policy import FactorKind
from watchword.core.restrictions import Restrictions
from watchword.directory.models import User
from watchword.factors import vault
from watchword.factors.vault import StoredCredential
from watchword.signin import enrolment, sessions
from watchword.signin.flow import lock_person
from watchword.signin.models import Session


def find(user: User, credential_id: UUID | str) -> StoredCredential | None:
    """Return one app password of a person that is not deleted; None for anything else."""
    stored = vault.find(user, credential_id)
    return stored if stored is not None and stored.data.kind is FactorKind.APP_PASSWORD else None


def pause(session: Session, credential_id: UUID, *, origin: Origin, now: datetime) -> bool:
    """Pause an app password; mail programs that use it stop at once. Return False if there was nothing to pause.

    This only takes access away, so a session is enough and no new proof is needed.
    """
    with transaction.atomic():
        user = lock_person(session.user)
        stored = find(user, credential_id)
        if stored is None or not vault.pause(user, stored.id, now=now):
            return False
        sessions.close_mail(user, because="app_password_paused", now=now)
        record(
            EventKind.APP_PASSWORD_PAUSED,
            now=now,
            subject=user,
            by=user,
            origin=origin,
            details=enrolment.describe(stored, session),
        )
        return True


def resume(session: Session, credential_id: UUID, *, origin: Origin, now: datetime) -> bool:
    """Make a paused app password usable again and return True; False if it wasn't paused.

    Raises ReauthenticationRequired.
    """
    with transaction.atomic():
        user = enrolment.permitted(session, FactorKind.APP_PASSWORD, now)
        stored = find(user, credential_id)
        if stored is None or not vault.resume(user, stored.id):
            return False
        record(
            EventKind.APP_PASSWORD_RESUMED,
            now=now,
            subject=user,
            by=user,
            origin=origin,
            details=enrolment.describe(stored, session),
        )
        return True


def limit(session: Session, credential_id: UUID, restrictions: Restrictions, *, origin: Origin, now: datetime) -> bool:
    """Change where an app password may be used and return True; False if it isn't the person's.

    Raises ReauthenticationRequired.
    """
    with transaction.atomic():
        user = enrolment.permitted(session, FactorKind.APP_PASSWORD, now)
        stored = find(user, credential_id)
        if stored is None or not vault.restrict(user, stored.id, restrictions):
            return False
        # Connections from outside the new limits have to sign in again.
        sessions.close_mail(user, because="app_password_limited", now=now)
        details = {**enrolment.describe(stored, session), "limits": restrictions.as_json() or {}}
        record(EventKind.APP_PASSWORD_LIMITED, now=now, subject=user, by=user, origin=origin, details=details)
        return True
