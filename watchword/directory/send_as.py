"""Who may write as whom: the addresses that a person may put into the envelope of a mail (RFC 5321 MAIL FROM).

Everybody writes as themselves, by each of their names and with a subaddress (RFC 5233: alice+news@). More than that is
given by an administrator: one address of one person to another person, until a moment or for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from watchword.audit.events import EventKind
from watchword.audit.record import NOWHERE, Origin, record
from watchword.core.usernames import DELIMITER, NotASignInName, name_key
from watchword.directory.actions import BadPerson
from watchword.directory.models import SendAs, SignInName, User
from watchword.directory.permissions import demand
from watchword.directory.roles import Act

MOST_SENDERS = 50
"""People to whom one address may be given: a mail server is told all of them in one answer."""


def give_send_as(
    user: User, address: str, *, until: datetime | None, by: User | None, now: datetime, origin: Origin = NOWHERE
) -> SendAs:
    """Let a person write as an address of somebody else; given again, it gets the new end.

    Raises NotAllowed, also where the administrator may not touch the address's owner, or BadPerson with the field
    ``address`` or ``until``.
    """
    demand(by, Act.GIVE_SEND_AS, user)
    if until is not None and until <= now:
        raise BadPerson({"until": "past"})
    with transaction.atomic():
        name = _address_in(user, address)
        demand(by, Act.GIVE_SEND_AS, name.user)
        # One at a time for each owner, so that the limit holds.
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
        # One of its own for the owner, who is told.
        shared = {"address": name.name, "writer": user.sign_in_name}
        record(EventKind.ADDRESS_SHARED, now=now, subject=name.user, by=by, origin=origin, details=shared)
    return given


def take_send_as(user: User, given_id: int, *, by: User | None, now: datetime, origin: Origin = NOWHERE) -> bool:
    """Take the right to write as an address from a person; False if they don't have it. Raises NotAllowed."""
    demand(by, Act.GIVE_SEND_AS, user)
    with transaction.atomic():
        given = SendAs.objects.select_related("address__user").filter(pk=given_id, user=user).first()
        if given is None or not SendAs.objects.filter(pk=given_id, user=user).delete()[0]:
            return False
        details = {"address": given.address.name, "owner": given.address.user.sign_in_name}
        record(EventKind.SEND_AS_TAKEN, now=now, subject=user, by=by, origin=origin, details=details)
    return True


def given_to(user: User) -> Sequence[SendAs]:
    """Return which addresses of others a person was given, those whose time is over included."""
    return list(SendAs.objects.filter(user=user).select_related("address__user").order_by("address__key"))


def valid_around(user: User, *, now: datetime) -> tuple[list[SendAs], list[SendAs]]:
    """Return which addresses of others a person may write as now, and who may write as theirs; with one query."""
    rows = SendAs.objects.filter(Q(user=user) | Q(address__user=user), _valid(now))
    both = list(rows.select_related("address", "user").order_by("address__key", "user__display_name"))
    return [row for row in both if row.user_id == user.pk], [row for row in both if row.user_id != user.pk]


def senders_of(address: str, *, now: datetime) -> list[User]:
    """Return the people who may write as an address, its owner first; nobody for one that is no person's.

    An address with a subaddress is its owner's unless somebody has it as a name of their own.
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
    except NotASignInName as error:
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
    """Return the names that an address may belong to, the longest first."""
    try:
        local, _, domain = name_key(address).rpartition("@")
    except NotASignInName:
        return []
    parts = local.split(DELIMITER)
    locals_ = (DELIMITER.join(parts[:number]) for number in range(len(parts), 0, -1))
    return [f"{local}@{domain}" for local in locals_ if local]
