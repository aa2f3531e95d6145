"""Stores, lists and revokes credentials: everything except the hot path."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db.models import Count, QuerySet

from watchword.core.codes import normal_app_password
from watchword.core.factors import CredentialData, Keyed
from watchword.core.keyring import KeyRing
from watchword.core.policy import FactorKind
from watchword.core.restrictions import NO_RESTRICTIONS, Restrictions
from watchword.directory.models import User
from watchword.factors.models import Credential

APP_PASSWORD_PURPOSE = "factors.app_password"  # noqa: S105  (what a key is used for)
_SEALED = frozenset({FactorKind.PHONE})
"""Kinds whose secret can be decrypted (a phone number); the others store a hash."""


@dataclass(frozen=True, slots=True)
class StoredCredential:
    """One row of the table as a plain value."""

    id: UUID
    user_id: UUID
    data: CredentialData
    created_at: datetime
    last_used_at: datetime | None = None
    last_used_address: str = ""
    last_used_service: str = ""
    suspended_at: datetime | None = None
    revoked_at: datetime | None = None
    revoked_because: str = ""
    paused_at: datetime | None = None
    restrictions: Restrictions = NO_RESTRICTIONS
    sign_in_id: UUID | None = None
    """The sign-in that made it; None where no sign-in did, or where it wasn't recorded."""

    @property
    def is_alive(self) -> bool:
        """Return whether it counts towards the limit: neither suspended nor revoked; a paused one counts."""
        return self.suspended_at is None and self.revoked_at is None


def key_ring() -> KeyRing:
    """Return the key ring of this installation."""
    return settings.WATCHWORD_KEY_RING


def keyed(purpose: str, data: bytes) -> bytes:
    """Return the keyed hash of data under the newest key."""
    return key_ring().mac(purpose, data)


def keyed_under_each() -> list[Keyed]:
    """Return one keyed hash for each key of the ring, newest first: a stored value may be older than a rotation."""

    def under(number: int) -> Keyed:
        return lambda purpose, data: key_ring().macs(purpose, data)[number]

    return [under(number) for number in range(len(key_ring().keys))]


def first_accepted[T](attempt: Callable[[Keyed], T]) -> T:
    """Return the first truthy result under the keys of the ring, newest first; else the result under the newest.

    What a person types may have been hashed before a rotation, or by a node that seals with the next key already.
    """
    results = []
    for keyed_by in keyed_under_each():
        result = attempt(keyed_by)
        if result:
            return result
        results.append(result)
    return results[0]


def holdings(
    user: User, *, kinds: Collection[FactorKind] | None = None, with_revoked: bool = False
) -> list[StoredCredential]:
    """Return a person's credentials, oldest first; revoked ones only if requested."""
    rows = Credential.objects.filter(user=user)
    if kinds is not None:
        rows = rows.filter(kind__in=kinds)
    if not with_revoked:
        rows = rows.filter(revoked_at=None)
    return [_stored(row) for row in rows.order_by("created_at", "id")]


def find(user: User, credential_id: UUID | str) -> StoredCredential | None:
    """Return one unrevoked credential of this person; None if it is another person's."""
    try:
        pk = credential_id if isinstance(credential_id, UUID) else UUID(credential_id)
    except ValueError:
        return None
    row = Credential.objects.filter(user=user, pk=pk, revoked_at=None).first()
    return _stored(row) if row is not None else None


def find_by_digest(kind: FactorKind, digests: Collection[bytes]) -> StoredCredential | None:
    """Return the active credential of one kind stored under one of these keyed hashes, whichever person has it."""
    row = Credential.objects.filter(kind=kind, lookup__in=digests, revoked_at=None, suspended_at=None).first()
    return _stored(row) if row is not None else None


def store(user: User, data: CredentialData, *, now: datetime, sign_in_id: UUID | None = None) -> StoredCredential:
    """Store a new credential and the sign-in that made it; the earlier one in the same slot becomes a tombstone."""
    if data.slot:
        _live(user).filter(kind=data.kind, slot=data.slot).update(revoked_at=now, revoked_because="replaced")
    secret = data.secret
    if data.kind in _SEALED:
        secret = key_ring().seal(_purpose(data.kind), secret)
    row = Credential.objects.create(
        user=user,
        kind=data.kind,
        slot=data.slot,
        label=data.label,
        public=dict(data.public),
        secret=secret,
        lookup=data.lookup,
        lookup_key=key_ring().keys[0].id if data.lookup is not None else "",
        created_at=now,
        sign_in_id=sign_in_id,
    )
    return _stored(row)


def mark_short(credential_id: UUID) -> None:
    """Record that an account password is too short to be used without a second factor."""
    row = Credential.objects.get(pk=credential_id)
    Credential.objects.filter(pk=row.pk).update(public={**row.public, "short": "yes"})


def mark_known(user: User) -> bool:
    """Mark the account password as known to an attacker; return False if it is marked already or there is none."""
    row = _live(user).filter(kind=FactorKind.PASSWORD).first()
    if row is None or row.public.get("known"):
        return False
    Credential.objects.filter(pk=row.pk).update(public={**row.public, "known": "yes"})
    return True


def renew(credential_id: UUID, secret: bytes) -> None:
    """Replace a stored hash by a better hash of the same secret."""
    Credential.objects.filter(pk=credential_id).update(secret=secret)


def count_alive(user: User, kind: FactorKind) -> int:
    """Return how many active credentials of one kind a person has."""
    return Credential.objects.filter(user=user, kind=kind, revoked_at=None, suspended_at=None).count()


def is_app_password_of(user: User, typed: str) -> bool:
    """Return whether a typed text is an app password of this person, active or not."""
    letters = normal_app_password(typed)
    if letters is None:
        return False
    digests = key_ring().macs(APP_PASSWORD_PURPOSE, letters.encode("ascii"))
    return Credential.objects.filter(user=user, kind=FactorKind.APP_PASSWORD, lookup__in=digests).exists()


def revoke(user: User, credential_id: UUID, *, because: str, now: datetime) -> bool:
    """Turn one credential of a person into a tombstone; return False if there was nothing to revoke."""
    return bool(_live(user).filter(pk=credential_id).update(revoked_at=now, revoked_because=because))


def revoke_all(user: User, kinds: Collection[FactorKind], *, because: str, now: datetime) -> int:
    """Turn all credentials of these kinds into tombstones and return how many there were."""
    return _live(user).filter(kind__in=kinds).update(revoked_at=now, revoked_because=because)


def suspend_all(user: User, kind: FactorKind, *, now: datetime) -> int:
    """Suspend all credentials of one kind for good: they stay listed, prove nothing and can only be deleted."""
    return _live(user).filter(kind=kind, suspended_at=None).update(suspended_at=now)


def pause(user: User, credential_id: UUID, *, now: datetime) -> bool:
    """Pause one credential, so that it proves nothing until resumed; return False if it was paused or revoked."""
    return bool(_live(user).filter(pk=credential_id, paused_at=None).update(paused_at=now))


def resume(user: User, credential_id: UUID) -> bool:
    """Make a paused credential usable again; return False if it was not paused."""
    return bool(_live(user).filter(pk=credential_id).exclude(paused_at=None).update(paused_at=None))


def restrict(user: User, credential_id: UUID, restrictions: Restrictions) -> bool:
    """Set where, from where and until when one credential may be used; return False if it is revoked or missing."""
    return bool(_live(user).filter(pk=credential_id).update(restrictions=restrictions.as_json()))


def counts(users: Sequence[UUID]) -> dict[UUID, dict[FactorKind, int]]:
    """Return how many active credentials of each kind these people have, with one query."""
    alive = _proven(Credential.objects.filter(user__in=users, revoked_at=None, suspended_at=None))
    result: dict[UUID, dict[FactorKind, int]] = {user_id: {} for user_id in users}
    for row in alive.values("user", "kind").annotate(number=Count("id")):
        result[row["user"]][FactorKind(row["kind"])] = row["number"]
    return result


def holders(organisation_id: int, kind: FactorKind) -> QuerySet[Credential, UUID]:
    """Return the ids of the people of an organisation with an active credential of one kind, as a subquery."""
    alive = _proven(
        Credential.objects.filter(user__organisation=organisation_id, kind=kind, revoked_at=None, suspended_at=None)
    )
    return alive.values_list("user_id", flat=True)


def call_only(organisation_id: int) -> QuerySet[Credential, UUID]:
    """Return the ids of the people of an organisation none of whose registered phones takes texts, as a subquery."""
    phones = _proven(
        Credential.objects.filter(
            user__organisation=organisation_id, kind=FactorKind.PHONE, revoked_at=None, suspended_at=None
        )
    )
    with_texts = phones.filter(public__texts="yes").values("user_id")
    return phones.exclude(user_id__in=with_texts).values_list("user_id", flat=True)


def _proven(rows: QuerySet[Credential]) -> QuerySet[Credential]:
    """Exclude phones that were added with the password alone: they prove nothing."""
    return rows.exclude(kind=FactorKind.PHONE, public__has_key="unproven")


def _live(user: User) -> QuerySet[Credential]:
    return Credential.objects.filter(user=user, revoked_at=None)


def _purpose(kind: FactorKind) -> str:
    return f"factors.{kind}"


def _stored(row: Credential) -> StoredCredential:
    kind = FactorKind(row.kind)
    secret = bytes(row.secret)
    if kind in _SEALED and secret:
        secret = key_ring().open(_purpose(kind), secret)
    public: Mapping[str, str] = row.public if isinstance(row.public, dict) else json.loads(row.public)
    return StoredCredential(
        id=row.id,
        user_id=row.user_id,
        data=CredentialData(
            kind=kind,
            label=row.label,
            slot=row.slot,
            public=dict(public),
            secret=secret,
            lookup=bytes(row.lookup) if row.lookup is not None else None,
        ),
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        last_used_address=row.last_used_address,
        last_used_service=row.last_used_service,
        suspended_at=row.suspended_at,
        revoked_at=row.revoked_at,
        revoked_because=row.revoked_because,
        paused_at=row.paused_at,
        restrictions=Restrictions.from_json(row.restrictions),
        sign_in_id=row.sign_in_id,
    )
