"""A registration that nothing vouched for waits for its app password, where the organisation wants that.

While it runs the person stays Enabled: codes go to the phone at every sign-in in a browser, the account password goes
on in mail programs, and no app password can be made. When it is over they become Enforced (ADR 0083).
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

PORTION = 100


def new_end(user: User, vouched_by: str, *, now: datetime) -> datetime | None:
    """Return until when somebody who registers a phone now waits for an app password; None where they don't.

    Another phone that nothing vouches for neither shortens a wait that runs nor begins it anew.
    """
    if vouched_by != BY_NOTHING or user.state is not MfaState.ENABLED:
        return None
    if user.app_password_waits_until is not None:
        return user.app_password_waits_until if user.waits_for_app_password(now) else None
    hours = user.organisation.policy.app_password_wait_hours
    return now + timedelta(hours=hours) if hours else None


def begin(user: User, until: datetime) -> None:
    """Write until when this person waits. The caller holds the lock on the person's row."""
    user.app_password_waits_until = until
    user.save(update_fields=["app_password_waits_until"])


def end(user: User) -> None:
    """End a wait without its outcome: an act has put the registration in doubt, or has settled it otherwise.

    The caller holds the lock on the person's row.
    """
    if user.app_password_waits_until is not None:
        user.app_password_waits_until = None
        user.save(update_fields=["app_password_waits_until"])


def settle(user: User, evidence: Iterable[Evidence], *, now: datetime) -> None:
    """Make somebody Enforced who comes in by the code of a registered phone, once no wait keeps them Enabled.

    The caller holds the lock on the person's row.
    """
    if user.state is MfaState.ENABLED and any(proof.kind in REGISTRABLE for proof in evidence):
        _finish(user, now=now)


def finish_due(*, now: datetime) -> int:
    """Make people Enforced whose wait is over; return how many waits ended, a portion at most."""
    over = User.objects.filter(app_password_waits_until__lte=now).order_by("app_password_waits_until")
    due = list(over.values_list("pk", flat=True)[:PORTION])
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
    # What came in with the account password signs in anew, and needs an app password.
    sessions.close_mail(user, because="mfa_state_changed", now=now)
