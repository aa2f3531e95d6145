"""One person in the admin center: the lookup for an administrator, and the content of the side panel."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from watchword.admincenter.labels import CAUSES, last_day
from watchword.core.lockout import Locked, Wait
from watchword.core.policy import FactorKind, MfaState
from watchword.directory import send_as
from watchword.directory.groups import groups_of
from watchword.directory.models import MfaStateChange, User
from watchword.directory.roles import ROLE_NAMES, Act, Role
from watchword.signin import access_passes, password_throttling, queries, sessions

HISTORY = 10


def find_person(by: User, user_id: UUID | str, **only: object) -> User:
    """Return a person of the administrator's organisation, also a deleted one, with the organisation loaded.

    ``only`` adds conditions on fields. Raise Http404 if no person matches or ``user_id`` is no UUID.
    """
    people = User.objects.select_related("organisation")
    try:
        return get_object_or_404(people, pk=user_id, organisation=by.organisation, **only)
    except ValidationError:
        raise Http404 from None


def panel_address(user: User) -> str:
    """Return the URL of Active users with this person in the side panel."""
    return f"{reverse('admincenter:users')}?person={user.pk}" + ("&show=deleted" if user.deleted_at else "")


def panel_of(user: User, by: User) -> dict[str, Any]:
    """Return the content of a person's side panel for this administrator."""
    now = timezone.now()
    lock = queries.lock_of(user, now=now)
    everything, sharing = queries.everything_and_sharing(user)
    may_change_emergency_access = user.deleted_at is None and by.may(Act.GIVE_ROLES, user) and user.pk != by.pk
    writes_as, written_by = send_as.valid_around(user, now=now)
    return {
        "person": user,
        "roles": [ROLE_NAMES[role] for role in Role if role in user.roles],
        "writes_as": [(given.address.name, last_day(given.until)) for given in writes_as],
        "written_by": [(given.user, given.address.name) for given in written_by],
        "groups": groups_of(user),
        "aliases": [name.name for name in user.names.filter(is_alias=True)],
        "history": history_of(user),
        "password": everything.password,
        "methods": [(method, sharing.get(method.id, [])) for method in everything.methods],
        "access_pass": access_passes.if_open(everything.access_pass, now=now),
        "may_change_emergency_access": may_change_emergency_access,
        "can_be_emergency_access": may_change_emergency_access and Role.GLOBAL_ADMINISTRATOR in user.roles,
        "takes_pass": user.effective_state is not MfaState.DISABLED and user.pk != by.pk,
        "app_passwords": everything.app_passwords,
        "sessions": sessions.sessions_of(user, now=now),
        "is_locked": isinstance(lock, Locked),
        "waits_until": lock.until if isinstance(lock, Wait) else None,
        "app_password_waits_until": user.app_password_waits_until if user.waits_for_app_password(now) else None,
        "password_waits_until": password_throttling.waits_until(user, now=now),
        "may": {act.value: by.may(act, user) for act in Act},
    }


def history_of(user: User) -> list[dict[str, object]]:
    """Return the history of a person's state, each change with its cause in words."""
    changes = MfaStateChange.objects.filter(user=user)[:HISTORY]
    return [
        {
            "at": change.at,
            "after": change.after,
            "why": str(CAUSES[change.cause]) % {"by": change.by_name or _("the system")},
        }
        for change in changes
    ]


def counts_of(people: list[User]) -> dict[UUID, dict[FactorKind, int]]:
    """Return the number of active credentials of each kind for these people, with one query."""
    return queries.holdings_of([user.pk for user in people])
