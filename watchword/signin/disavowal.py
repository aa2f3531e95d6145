"""*This wasn't me*: everything that somebody else could hold is closed at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import transaction

from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.policy import FactorKind, MfaState
from watchword.directory.models import User
from watchword.factors import vault
from watchword.signin import challenges, invitations, known_browsers, sessions
from watchword.signin.facts import usable_phones
from watchword.signin.service import lock_person


@dataclass(frozen=True, slots=True)
class Disavowed:
    """What was closed. ``invitation`` leads to choosing a new password, where that alone opens nothing."""

    sessions: int
    app_password: str
    had_password: bool
    invitation: str = field(default="", repr=False)


def disavow(user: User, *, credential_id: UUID | None, rule: str, origin: Origin, now: datetime) -> Disavowed:
    """End sessions and mail connections, make the account password useless, freeze the app password in question.

    Who pressed the button has shown a link from a mail and nothing else. A new password may be chosen right away only
    where a registered telephone still stands between it and the account; everybody else asks an administrator.
    """
    with transaction.atomic():
        user = lock_person(user)
        number = sessions.end_all(user, because="disavowed", now=now)
        challenges.void_all(user, now=now)
        known_browsers.forget_all(user)
        had_password = bool(vault.revoke_all(user, [FactorKind.PASSWORD], because="disavowed", now=now))
        label = ""
        if credential_id is not None:
            kept = vault.find(user, credential_id)
            if kept is not None and kept.held.kind is FactorKind.APP_PASSWORD:
                vault.freeze(user, kept.id, now=now)
                label = kept.held.label
        phones = usable_phones(user, vault.holdings(user, kinds=[FactorKind.PHONE]))
        token = ""
        if user.state is MfaState.ENFORCED and phones:
            token = invitations.make(user, now=now).token
        record(
            EventKind.DISAVOWED,
            now=now,
            subject=user,
            by=user,
            origin=origin,
            reason=rule,
            details={"sessions": number, "app_password": label, "can_choose": bool(token)},
        )
        return Disavowed(number, label, had_password, token)
