"""What must be true of people at any time."""

from __future__ import annotations

from django.db.models import Count, Q

from watchword.directory.models import Organisation, User
from watchword.directory.roles import Role


def problems() -> list[str]:
    """Return what is not as it must be."""
    return [*_administrators(), *_names()]


def _administrators() -> list[str]:
    # An organisation that never had one is being set up; one that has a blocked one alone is locked out.
    holds = Q(users__role_assignments__role=Role.GLOBAL_ADMINISTRATOR)
    working = holds & Q(users__blocked_at=None, users__deleted_at=None)
    rows = Organisation.objects.annotate(
        any=Count("users", filter=holds, distinct=True), working=Count("users", filter=working, distinct=True)
    )
    return [f"I7 organisation {row.pk} has no working administrator" for row in rows if row.any and not row.working]


def _names() -> list[str]:
    nameless = User.objects.filter(names=None).values_list("pk", flat=True)
    return [f"I3 person {pk} has no name to sign in with" for pk in nameless]
