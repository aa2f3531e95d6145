"""The hot path: finds app passwords by their keyed hashes, with one indexed query and without ORM objects.

Plain SQL, because it runs thousands of times per second; the table names come from the models, so that a migration that
renames a table breaks the tests and not the mail.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from django.db import connection

from watchword.audit.record import adapted_moment
from watchword.directory.models import Organisation, SignInName, User
from watchword.factors.models import Credential
from watchword.factors.vault.store import APP_PASSWORD_PURPOSE, key_ring

_SELECT = f"""
    SELECT credential.lookup, credential.id, credential.label, credential.suspended_at IS NOT NULL,
        credential.revoked_at IS NOT NULL, credential.paused_at IS NOT NULL,
        credential.restrictions, credential.last_used_address,
        person.id, person.sign_in_name, COALESCE(person.mailbox, person.sign_in_name), person.organisation_id,
        person.mfa_state,
        person.blocked_at IS NOT NULL, person.deleted_at IS NOT NULL, organisation.app_passwords_allowed,
        person.emergency_since IS NOT NULL, named.key
    FROM {Credential._meta.db_table} credential
    JOIN {User._meta.db_table} person ON person.id = credential.user_id
    JOIN {Organisation._meta.db_table} organisation ON organisation.id = person.organisation_id
    JOIN {SignInName._meta.db_table} named ON named.user_id = person.id
    WHERE credential.lookup IN """  # noqa: S608  (the names of tables; every value is a parameter)
_UPDATE = (
    f"UPDATE {Credential._meta.db_table}"  # noqa: S608  (the name of a table; every value is a parameter)
    " SET last_used_at = %s, last_used_address = %s, last_used_service = %s WHERE id = %s"
)


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a credential, written together with the event of the sign-in."""

    credential_id: UUID
    at: datetime
    address: str = ""
    service: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """The result of one look-up of an app password: the facts for a decision and nothing more.

    ``id``, ``sign_in_name``, ``organisation_id`` and ``is_emergency_access`` are the person's.
    """

    credential_id: UUID
    label: str
    is_suspended: bool
    is_revoked: bool
    is_paused: bool
    restrictions: Mapping[str, object] | None
    last_used_address: str
    id: UUID
    sign_in_name: str
    mailbox: str
    organisation_id: int
    mfa_state: str
    is_blocked: bool
    is_deleted: bool
    are_allowed: bool
    is_emergency_access: bool
    names: frozenset[str]


def lookups(letters: str) -> tuple[bytes, ...]:
    """Return the keyed hashes under which an app password may be stored, the newest key first."""
    return key_ring().macs(APP_PASSWORD_PURPOSE, letters.encode("ascii"))


def find_by_lookups(asked: Collection[bytes]) -> dict[bytes, Found]:
    """Return the app passwords stored under these keyed hashes, revoked ones included, with one query."""
    if not asked:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_SELECT + "(" + ", ".join(["%s"] * len(asked)) + ")", list(asked))
        rows = cursor.fetchall()
    found: dict[bytes, Found] = {}
    for row in rows:
        lookup, pk, label, suspended, revoked, paused, limits, last_address = row[:8]
        user, name, mailbox, organisation, state, blocked, deleted, allowed, emergency, key = row[8:]
        digest = bytes(lookup)
        earlier = found.get(digest)
        found[digest] = Found(
            credential_id=_uuid(pk),
            label=label,
            is_suspended=bool(suspended),
            is_revoked=bool(revoked),
            is_paused=bool(paused),
            # SQLite returns JSON as text; so does a plain cursor on PostgreSQL, because Django configures it so.
            restrictions=json.loads(limits) if isinstance(limits, str) else limits,
            last_used_address=last_address,
            id=_uuid(user),
            sign_in_name=name,
            mailbox=mailbox,
            organisation_id=organisation,
            mfa_state=state,
            is_blocked=bool(blocked),
            is_deleted=bool(deleted),
            are_allowed=bool(allowed),
            is_emergency_access=bool(emergency),
            names=frozenset({key}) if earlier is None else earlier.names | {key},
        )
    return found


def note_use(uses: Iterable[Use]) -> None:
    """Store when and from where credentials were last used."""
    native = connection.features.has_native_uuid_field
    moment = adapted_moment(connection.ops.adapt_datetimefield_value)
    rows = [
        (
            moment(use.at),
            use.address[:45],
            use.service[:32],
            use.credential_id if native else use.credential_id.hex,
        )
        for use in uses
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(_UPDATE, rows)


@lru_cache(maxsize=65_536)
def _uuid(value: UUID | str) -> UUID:
    # SQLite stores UUIDs as 32 hexadecimal digits, PostgreSQL natively. Cached, because the same people sign in all
    # day.
    return value if isinstance(value, UUID) else UUID(hex=value)
