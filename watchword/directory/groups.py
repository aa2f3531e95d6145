"""Groups of people: make, change and delete them, and say who is in them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Count

from watchword.audit.events import EventKind
from watchword.audit.record import NOWHERE, Origin, record
from watchword.core.usernames import is_printable
from watchword.directory.actions import BadPerson
from watchword.directory.models import Group, GroupMember, Organisation, User
from watchword.directory.permissions import demand
from watchword.directory.roles import Act

MOST_GROUPS = 1_000
"""The most groups of an organisation: each page and claim that lists a person's groups stays small."""


def create_group(
    organisation: Organisation,
    name: str,
    description: str = "",
    *,
    by: User | None,
    now: datetime,
    origin: Origin = NOWHERE,
) -> Group:
    """Create a group; raise PermissionDenied, or BadPerson with the field ``name`` or ``description``."""
    demand(by, Act.MANAGE_GROUPS)
    cleaned = _checked(name, description)
    with transaction.atomic():
        if Group.objects.filter(organisation=organisation).count() >= MOST_GROUPS:
            raise BadPerson({"name": "too_many_groups"})
        try:
            with transaction.atomic():
                group = Group.objects.create(
                    organisation=organisation, name=cleaned[0], description=cleaned[1], created_at=now
                )
        except IntegrityError:
            raise BadPerson({"name": "taken"}) from None
        record(
            EventKind.GROUP_CREATED,
            now=now,
            by=by,
            origin=origin,
            organisation_id=organisation.pk,
            details={"group": group.name, "group_id": str(group.pk)},
        )
    return group


def change_group(
    group: Group, name: str, description: str, *, by: User | None, now: datetime, origin: Origin = NOWHERE
) -> bool:
    """Rename or describe a group; return False if that changes nothing. Raises as ``create_group``."""
    demand(by, Act.MANAGE_GROUPS)
    cleaned = _checked(name, description)
    before = group.name
    if (group.name, group.description) == cleaned:
        return False
    with transaction.atomic():
        try:
            with transaction.atomic():
                Group.objects.filter(pk=group.pk).update(name=cleaned[0], description=cleaned[1])
        except IntegrityError:
            raise BadPerson({"name": "taken"}) from None
        group.name, group.description = cleaned
        record(
            EventKind.GROUP_CHANGED,
            now=now,
            by=by,
            origin=origin,
            organisation_id=group.organisation_id,
            details={"group": group.name, "group_id": str(group.pk), "before": before},
        )
    return True


def delete_group(group: Group, *, by: User | None, now: datetime, origin: Origin = NOWHERE) -> bool:
    """Delete a group; its members lose the apps that they had by it. Return False if it was deleted already."""
    demand(by, Act.MANAGE_GROUPS)
    with transaction.atomic():
        details = {"group": group.name, "group_id": str(group.pk), "members": group.members.count()}
        if not Group.objects.filter(pk=group.pk).delete()[0]:
            return False
        record(
            EventKind.GROUP_DELETED,
            now=now,
            by=by,
            origin=origin,
            organisation_id=group.organisation_id,
            details=details,
        )
    return True


def add_members(
    group: Group, users: Collection[User], *, by: User | None, now: datetime, origin: Origin = NOWHERE
) -> int:
    """Put people into a group, and return how many were not in it before. People of other organisations are skipped."""
    demand(by, Act.MANAGE_GROUPS)
    with transaction.atomic():
        # Locks the group, so that two administrators who add the same person count it once.
        Group.objects.select_for_update().get(pk=group.pk)
        there = set(group.members.values_list("user_id", flat=True))
        new = [
            user
            for user in {user.pk: user for user in users}.values()
            if user.pk not in there and user.organisation_id == group.organisation_id and user.deleted_at is None
        ]
        GroupMember.objects.bulk_create([GroupMember(group=group, user=user, added_at=now) for user in new])
        if new:
            _note(group, {"added": [user.sign_in_name for user in new]}, by, now, origin)
    return len(new)


def remove_members(
    group: Group, users: Collection[User], *, by: User | None, now: datetime, origin: Origin = NOWHERE
) -> int:
    """Take people out of a group, and return how many were in it."""
    demand(by, Act.MANAGE_GROUPS)
    with transaction.atomic():
        rows = group.members.filter(user__in=[user.pk for user in users])
        names = list(rows.values_list("user__sign_in_name", flat=True))
        rows.delete()
        if names:
            _note(group, {"removed": names}, by, now, origin)
    return len(names)


def groups_of(user: User) -> Sequence[Group]:
    """Return the groups of a person, by name."""
    return list(Group.objects.filter(members__user=user).order_by("name"))


def groups_in(organisation: Organisation) -> Sequence[Group]:
    """Return the groups of an organisation by name, each with ``member_count``."""
    rows = Group.objects.filter(organisation=organisation)
    return list(rows.annotate(member_count=Count("members")).order_by("name"))


MOST_NAMES = 50
"""How many names an event lists; more are given as a number."""


def _note(group: Group, changed: dict[str, list[str]], by: User | None, now: datetime, origin: Origin) -> None:
    details: dict[str, object] = {"group": group.name, "group_id": str(group.pk)}
    for word, names in changed.items():
        details[word] = names[:MOST_NAMES]
        details[f"{word}_count"] = len(names)
    record(
        EventKind.GROUP_MEMBERS_CHANGED,
        now=now,
        by=by,
        origin=origin,
        organisation_id=group.organisation_id,
        details=details,
    )


def _checked(name: str, description: str) -> tuple[str, str]:
    name, description = " ".join(name.split()), description.strip()
    if not name:
        raise BadPerson({"name": "missing"})
    for field, text, most in (("name", name, 100), ("description", description, 300)):
        if len(text) > most:
            raise BadPerson({field: "too_long"})
        if not is_printable(text):
            raise BadPerson({field: "not_printable"})
    return name, description
