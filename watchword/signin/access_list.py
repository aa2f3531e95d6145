"""The access list: who may come in, and with which credentials, at one moment.

It is written often and stored elsewhere. After a restore, everything that is valid in the older database and not in the
list was revoked since the backup, whatever act revoked it. The list holds names and ids and no secret; its MAC keeps
others from writing one.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from watchword.core.codes import same
from watchword.core.keyring import KeyRing
from watchword.core.policy import AccountStatus, FactorKind
from watchword.directory.models import Organisation, RoleAssignment, SendAs, User
from watchword.factors import vault

FORMAT = 1
_PURPOSE = "signin.access_list"
_LISTED = (FactorKind.PASSWORD, FactorKind.PHONE, FactorKind.APP_PASSWORD)
"""Access passes are left out: a restore revokes all of them."""


class AccessListError(Exception):
    """A file is no access list of this installation; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonAccess:
    """What one person may do, and with which credentials."""

    name: str
    status: str
    state: str
    had_second_factor: bool
    """Whether a password alone registers no phone any more."""
    roles: list[str] = field(default_factory=list)
    send_as: list[str] = field(default_factory=list)
    valid: dict[str, list[str]] = field(default_factory=dict)
    """The ids of valid credentials, each with its kind and label."""
    paused: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessList:
    """The people and their access by the id of the person, and a digest of each organisation's settings."""

    at: datetime
    people: dict[UUID, PersonAccess]
    settings: dict[str, str]

    def serialise(self, ring: KeyRing) -> bytes:
        """Return the text of the file: one line of JSON, and its MAC."""
        content = {
            "format": FORMAT,
            "at": self.at.isoformat(),
            "people": {str(pk): asdict(person) for pk, person in self.people.items()},
            "settings": self.settings,
        }
        line = json.dumps(content, separators=(",", ":"), sort_keys=True).encode()
        return line + b"\n" + ring.mac(_PURPOSE, line).hex().encode() + b"\n"


def parse(octets: bytes, ring: KeyRing) -> AccessList:
    """Return the list in a file; raises AccessListError if it is cut off, changed, or of another installation."""
    line, _, rest = octets.partition(b"\n")
    if not any(same(rest.strip(), mac.hex().encode()) for mac in ring.macs(_PURPOSE, line)):
        raise AccessListError("is cut off, was changed, or was not written with this key ring")
    content: dict[str, Any] = json.loads(line)
    if content["format"] != FORMAT:
        raise AccessListError(f"has the format {content['format']}, which this release does not know")
    return AccessList(
        at=datetime.fromisoformat(content["at"]),
        people={UUID(pk): PersonAccess(**person) for pk, person in content["people"].items()},
        settings=content["settings"],
    )


def current(*, now: datetime) -> AccessList:
    """Return the list of this moment. ``now`` is read before, so nothing older than it is missing."""
    is_nested = connection.in_atomic_block
    with transaction.atomic():
        if connection.vendor == "postgresql" and not is_nested:
            # One snapshot for all queries; within a transaction of the caller it would be too late to ask for it.
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        return _current(now)


def _current(now: datetime) -> AccessList:
    roles: dict[UUID, list[str]] = defaultdict(list)
    for user_id, role in RoleAssignment.objects.order_by("user_id", "role").values_list("user_id", "role"):
        roles[user_id].append(role)
    rights: dict[UUID, list[str]] = defaultdict(list)
    for user_id, key in SendAs.objects.order_by("user_id", "pk").values_list("user_id", "address__key"):
        rights[user_id].append(key or "")
    valid: dict[UUID, dict[str, list[str]]] = defaultdict(dict)
    paused: dict[UUID, list[str]] = defaultdict(list)
    for credential in vault.valid_credentials():
        if credential.kind in _LISTED:
            valid[credential.user_id][str(credential.id)] = [credential.kind.value, credential.label]
            if credential.is_paused:
                paused[credential.user_id].append(str(credential.id))
    people = {
        user.pk: PersonAccess(
            name=user.sign_in_name,
            status=user.standing.value,
            state=user.mfa_state,
            had_second_factor=user.had_second_factor_at is not None,
            roles=roles[user.pk],
            send_as=rights[user.pk],
            valid=valid[user.pk],
            paused=paused[user.pk],
        )
        for user in User.objects.order_by("sign_in_name")
    }
    settings = {organisation.name: _digest(organisation) for organisation in Organisation.objects.order_by("pk")}
    return AccessList(at=now, people=people, settings=settings)


def _digest(organisation: Organisation) -> str:
    """Return a digest of the settings, by which a change is seen and not what it was."""
    values = {each.attname: getattr(organisation, each.attname) for each in Organisation._meta.concrete_fields}
    return hashlib.sha256(json.dumps(values, default=str, sort_keys=True).encode()).hexdigest()


def is_active(person: PersonAccess) -> bool:
    """Return whether a person of the list may sign in."""
    return person.status == AccountStatus.ACTIVE
