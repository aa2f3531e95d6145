"""An organisation always has somebody who can administer it."""

from __future__ import annotations

from watchword.directory.models import User
from watchword.directory.roles import Role


class LastGlobalAdministrator(Exception):
    """The act would leave the organisation without anybody who can administer it."""


def is_last_global_administrator(user: User) -> bool:
    """Whether nobody else could administer everything if this person could not."""
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
    """Lock all Global Administrators, so that two who shut each other out can't both succeed.

    Take it before the lock on any one person: two acts that took them the other way round would wait for each other.
    """
    list(User.objects.select_for_update().filter(role_assignments__role=Role.GLOBAL_ADMINISTRATOR).order_by("pk"))


def keep_an_administrator(user: User) -> None:
    """Raise LastGlobalAdministrator if nobody else could administer everything without this person.

    Call it inside the transaction of the act, under ``lock_administrators``.
    """
    lock_administrators()
    if is_last_global_administrator(user):
        raise LastGlobalAdministrator
