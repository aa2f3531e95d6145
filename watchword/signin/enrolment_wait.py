"""A registration that rests on the password alone waits for its app password, where the organisation requires it.

During the wait the person stays Enabled: codes go to the phone at every sign-in in a browser, the account password
still works in mail programs, and no app password can be made. Afterwards the person becomes Enforced (ADR 0083).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from watchword.audit.record import NOWHERE
from watchword.core.assurance import Evidence
from watchword.core.policy import REGISTRABLE, FactorKind, MfaState
from watchword.directory.models import User
from watchword.factors import vault
from watchword.signin import mfa_state, sessions
from watchword.signin.enrolment_evidence import BY_NOTHING
from watchword.signin.facts import proven_phones

BATCH_SIZE = 100


def new_end(user: User, vouched_by: str, *, now: datetime) -> datetime | None:
    """Return until when a person who registers a phone now waits for an app password; None without a wait.

    Another phone registered with the password alone neither shortens a running wait nor restarts it.
    """
    if vouched_by != BY_NOTHING or user.state is not MfaState.ENABLED:
        return None
    if user.app_password_waits_until is not None:
        return user.app_password_waits_until if user.waits_for_app_password(now) else None
    hours = user.organisation.policy.app_password_wait_hours
    return now + timedelta(hours=hours) if hours else None


def begin(user: User, until: datetime) -> None:
    """Store until when this person waits. The caller holds the lock on the person's row."""
    user.app_password_waits_until = until
    user.save(update_fields=["app_password_waits_until"])


def end(user: User) -> None:
    """End a wait without making the person Enforced: an action made the registration doubtful or settled it.

    The caller holds the lock on the person's row.
    """
    if user.app_password_waits_until is not None:
        user.app_password_waits_until = None
        user.save(update_fields=["app_password_waits_until"])


def settle(user: User, evidence: Iterable[Evidence], *, now: datetime) -> None:
    """Make an Enabled person Enforced who signs in with the code of a registered phone, unless a wait is still running.

    The caller holds the lock on the person's row.
    """
    if user.state is MfaState.ENABLED and any(proof.kind in REGISTRABLE for proof in evidence):
        _finish(user, now=now)


def finish_due(*, now: datetime) -> int:
    """Make people Enforced whose wait is over; return how many waits ended, one batch at most."""
    over = User.objects.filter(app_password_waits_until__lte=now).order_by("app_password_waits_until")
    due = list(over.values_list("pk", flat=True)[:BATCH_SIZE])
    for pk in due:
        with transaction.atomic():
            user = User.objects.select_for_update(of=("self",)).select_related("organisation").get(pk=pk)
            _finish(user, now=now)
    return len(due)


def _finish(user: User, *, now: datetime) -> None:
    if user.waits_for_app_password(now):
        return
    has_phone = bool(proven_phones(vault.holdings(user, kinds=[FactorKind.PHONE])))
    if user.state is not MfaState.ENABLED or user.deleted_at is not None or not has_phone:
        end(user)
        return
    mfa_state.finish_wait(user, origin=NOWHERE, now=now)
    # Connections opened with the account password must sign in again, now with an app password.
    sessions.close_mail(user, because="mfa_state_changed", now=now)
