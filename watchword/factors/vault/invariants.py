"""The invariants of credentials."""

from __future__ import annotations

from django.db.models import Count, F

from watchword.core.assurance import TOLERATED_SKEW
from watchword.core.policy import FactorKind, MfaState
from watchword.directory.models import User
from watchword.factors.models import Credential


def problems() -> list[str]:
    """Return a description of each violated invariant."""
    return [*_too_many(), *_revived(), *_impossible_times()]


def _too_many() -> list[str]:
    alive = Credential.objects.filter(kind=FactorKind.APP_PASSWORD, revoked_at=None, suspended_at=None)
    found = []
    for row in alive.values("user").annotate(number=Count("id")).filter(number__gt=1):
        user = User.objects.select_related("organisation").get(pk=row["user"])
        # The limit may have been tightened after they were made; it was never above the default.
        if row["number"] > max(user.organisation.policy.limits.app_passwords, 40):
            found.append(f"I6 person {user.pk} has {row['number']} app passwords")
    return found


def _revived() -> list[str]:
    alive = Credential.objects.filter(
        kind=FactorKind.APP_PASSWORD, revoked_at=None, suspended_at=None, user__mfa_state=MfaState.DISABLED
    )
    return [f"I4 app password {pk} is alive though its owner is Disabled" for pk in alive.values_list("pk", flat=True)]


def _impossible_times() -> list[str]:
    # Two nodes may have written the two times, each by its own clock.
    late = Credential.objects.filter(last_used_at__gt=F("revoked_at") + TOLERATED_SKEW)
    rows = late.filter(kind=FactorKind.APP_PASSWORD)
    return [f"I4 app password {pk} was used after it was revoked" for pk in rows.values_list("pk", flat=True)]
