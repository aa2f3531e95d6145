"""The addresses that a person may use as the envelope sender of a mail (RFC 5321 MAIL FROM).

Every person may use each of the person's own names, also with a subaddress (RFC 5233: alice+news@). An administrator
can give a person the right to one address of another person, until a time or without an end.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from watchword.audit.events import EventKind
from watchword.audit.record import NOWHERE, Origin, record
from watchword.core.usernames import DELIMITER, InvalidSignInName, name_key
from watchword.directory.actions import BadPerson
from watchword.directory.models import SendAs, SignInName, User
from watchword.directory.permissions import demand
from watchword.directory.roles import Act

MOST_SENDERS = 50
"""The most people to whom one address may be given, because a mail server gets all of them in one answer."""


def give_send_as(
    user: User, address: str, *, until: datetime | None, by: User | None, now: datetime, origin: Origin = NOWHERE
) -> SendAs:
    """Give a person the right to send as another person's address; giving it again replaces its end.

    Raises PermissionDenied, also if the administrator may not do this to the owner of the address, or BadPerson with
    the field ``address`` or ``until``.
    """
    demand(by, Act.GIVE_SEND_AS, user)
    if until is not None and until <= now:
        raise BadPerson({"until": "past"})
    with transaction.atomic():
        name = _address_in(user, address)
        demand(by, Act.GIVE_SEND_AS, name.user)
        # Locks the owner's row, so that concurrent acts can't exceed the limit.
        User.objects.select_for_update().get(pk=name.user_id)
        if name.senders.exclude(user=user).count() >= MOST_SENDERS:
            raise BadPerson({"address": "too_many_senders"})
        given, _is_new = SendAs.objects.update_or_create(
            user=user, address=name, defaults={"until": until, "given_at": now}
        )
        details = {
            "address": name.name,
            "owner": name.user.sign_in_name,
            "until": until.isoformat() if until is not None else "",
        }
        record(EventKind.SEND_AS_GIVEN, now=now, subject=user, by=by, origin=origin, details=details)
        # A second event for the owner of the address, who is notified.
        shared = {"address": name.name, "writer": user.sign_in_name}
        record(EventKind.ADDRESS_SHARED, now=now, subject=name.user, by=by, origin=origin, details=shared)
    return given


def take_send_as(user: User, given_id: int, *, by: User | None, now: datetime, origin: Origin = NOWHERE) -> bool:
    """Remove a right to send as an address; return False if the person does not have it. Raises PermissionDenied."""
    demand(by, Act.GIVE_SEND_AS, user)
    with transaction.atomic():
        given = SendAs.objects.select_related("address__user").filter(pk=given_id, user=user).first()
        if given is None or not SendAs.objects.filter(pk=given_id, user=user).delete()[0]:
            return False
        details = {"address": given.address.name, "owner": given.address.user.sign_in_name}
        record(EventKind.SEND_AS_TAKEN, now=now, subject=user, by=by, origin=origin, details=details)
    return True


def given_to(user: User) -> Sequence[SendAs]:
    """Return the rights that a person was given to other people's addresses, expired ones included."""
    return list(SendAs.objects.filter(user=user).select_related("address__user").order_by("address__key"))


def valid_around(user: User, *, now: datetime) -> tuple[list[SendAs], list[SendAs]]:
    """Return the valid rights of a person to other addresses, and of others to the person's addresses; in one query."""
    rows = SendAs.objects.filter(Q(user=user) | Q(address__user=user), _valid(now))
    both = list(rows.select_related("address", "user").order_by("address__key", "user__display_name"))
    return [row for row in both if row.user_id == user.pk], [row for row in both if row.user_id != user.pk]


def senders_of(address: str, *, now: datetime) -> list[User]:
    """Return the people who may send as an address, its owner first; empty if the address belongs to no person.

    An address with a subaddress belongs to the owner of the base address, unless it is itself a person's name.
    """
    keys = _keys_of(address)
    if not keys:
        return []
    found = {row.key: row for row in SignInName.objects.filter(key__in=keys).select_related("user")}
    name = next((found[key] for key in keys if key in found), None)
    if name is None or name.user.deleted_at is not None:
        return []
    others = name.senders.filter(_valid(now), user__deleted_at=None).select_related("user").order_by("pk")
    return [name.user, *(given.user for given in others[:MOST_SENDERS])]


def _address_in(user: User, address: str) -> SignInName:
    try:
        key = name_key(address)
    except InvalidSignInName as error:
        raise BadPerson({"address": error.reason}) from None
    name = (
        SignInName.objects.select_related("user__organisation")
        .filter(key=key, user__organisation=user.organisation_id, user__deleted_at=None)
        .first()
    )
    if name is None:
        raise BadPerson({"address": "nobodys"})
    if name.user_id == user.pk:
        raise BadPerson({"address": "own"})
    return name


def _valid(now: datetime) -> Q:
    return Q(until=None) | Q(until__gt=now)


def _keys_of(address: str) -> list[str]:
    """Return the names to which an address may belong, the longest first."""
    try:
        local, _, domain = name_key(address).rpartition("@")
    except InvalidSignInName:
        return []
    parts = local.split(DELIMITER)
    locals_ = (DELIMITER.join(parts[:number]) for number in range(len(parts), 0, -1))
    return [f"{local}@{domain}" for local in locals_ if local]
