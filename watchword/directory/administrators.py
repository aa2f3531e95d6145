"""Ensures that an organisation always has a working Global Administrator, neither blocked nor deleted."""

from __future__ import annotations

from watchword.directory.models import User
from watchword.directory.roles import Role


class LastGlobalAdministrator(Exception):
    """An act that would leave the organisation without a working Global Administrator."""


def is_last_global_administrator(user: User) -> bool:
    """Return whether this person is the only working Global Administrator of the organisation."""
    if Role.GLOBAL_ADMINISTRATOR not in user.roles:
        return False
    others = User.objects.filter(
        organisation_id=user.organisation_id,
        blocked_at=None,
        deleted_at=None,
        role_assignments__role=Role.GLOBAL_ADMINISTRATOR,
    ).exclude(pk=user.pk)
    return not others.exists()


def lock_administrators() -> None:
    """Lock the rows of all Global Administrators, so that two who remove each other can't both succeed.

    Lock order: take this lock before the lock on any one person; the opposite order could deadlock.
    """
    list(User.objects.select_for_update().filter(role_assignments__role=Role.GLOBAL_ADMINISTRATOR).order_by("pk"))


def keep_an_administrator(user: User) -> None:
    """Raise LastGlobalAdministrator if this person is the only working Global Administrator.

    Call it inside the transaction of the act; it takes the lock of ``lock_administrators`` first.
    """
    lock_administrators()
    if is_last_global_administrator(user):
        raise LastGlobalAdministrator
