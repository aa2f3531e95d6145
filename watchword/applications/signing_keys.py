"""The keys that sign ID tokens: published before they are used, and until the last token that they signed is over.

Each organisation has one key of each kind in use: RSA for RS256, which every client can verify, and PS256; EC P-256 for
ES256. A new key is published for a day before it signs, because clients fetch the set of keys at most that seldom.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from watchword.applications.models import SigningKey
from watchword.audit.events import EventKind
from watchword.audit.record import record
from watchword.directory.models import Organisation

KINDS: Mapping[str, str] = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC"}
"""The type of key (RFC 7518 section 6.1) for each algorithm that a client may choose."""
ALGORITHMS = tuple(KINDS)
PUBLISHED_BEFORE_USE = timedelta(days=1)
"""How long a new key is in the published set before it signs."""
SIGNS_FOR = timedelta(days=90)
KEPT_AFTER_USE = timedelta(days=2)
"""How long a key stays published after its successor signs: longer than any ID token, or session, lasts."""
RSA_BITS = 2048


@dataclass(frozen=True, slots=True)
class InvalidToken(Exception):
    """A JWT that one of our keys did not sign, or that is damaged."""

    why: str


def sign(organisation: Organisation, algorithm: str, claims: dict[str, Any], *, kind: str, now: datetime) -> str:
    """Return a signed JWT of this ``typ`` (``JWT``, ``logout+jwt``)."""
    row = _signing(organisation, KINDS[algorithm], now)
    header = {"alg": algorithm, "kid": row.kid, "typ": kind}
    return jwt.encode(header, claims, _private(row), algorithms=[algorithm])


def verify(organisation: Organisation, token: str) -> dict[str, Any]:
    """Return the claims of a JWT that a key of this organisation signed; its time may be over.

    Raises InvalidToken. The key is found by ``kid`` among our own alone: ``jku``, ``x5u``, ``jwk`` and ``crit`` in the
    header are of no effect or refused, and so is any algorithm that isn't the key's.
    """
    try:
        found = jwt.decode(token, published(organisation), algorithms=list(ALGORITHMS))
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise InvalidToken(type(error).__name__) from None
    if found.header.get("typ", "JWT") != "JWT" or "kid" not in found.header:
        raise InvalidToken("not an ID token")
    return found.claims


def published(organisation: Organisation) -> KeySet:
    """Return the public keys of an organisation."""
    rows = SigningKey.objects.filter(organisation=organisation, retired_at=None).order_by("published_at", "kid")
    return KeySet([_public(row) for row in rows])


def jwks(organisation: Organisation, *, now: datetime) -> dict[str, Any]:
    """Return the JSON Web Key Set (RFC 7517) that clients fetch; makes the first keys where there are none."""
    for kind in sorted(set(KINDS.values())):
        _signing(organisation, kind, now)
    return {"keys": [key.as_dict(private=False) for key in published(organisation).keys]}


def rotate(organisation: Organisation, *, now: datetime, at_once: bool = False) -> list[str]:
    """Publish a new key of each kind, which signs after a day, and return their ids.

    ``at_once`` is for a key that somebody may have copied: the new ones sign now, and the old ones are no longer
    published, so that clients refuse everything that they signed.
    """
    with transaction.atomic():
        Organisation.objects.select_for_update().get(pk=organisation.pk)
        if at_once:
            SigningKey.objects.filter(organisation=organisation, retired_at=None).update(retired_at=now)
            record(
                EventKind.SIGNING_KEY_RETIRED,
                now=now,
                organisation_id=organisation.pk,
                details={"reason": "replaced at once"},
            )
        signs_from = now if at_once else now + PUBLISHED_BEFORE_USE
        return [_make(organisation, kind, now=now, signs_from=signs_from).kid for kind in sorted(set(KINDS.values()))]


def keep_current(*, now: datetime) -> int:
    """Rotate the keys that have signed for long enough, and retire those whose tokens are over; return the changes.

    Several workers may do this at once: the organisation's row is locked.
    """
    changes = 0
    for organisation in Organisation.objects.filter(signing_keys__retired_at=None).distinct():
        with transaction.atomic():
            Organisation.objects.select_for_update().get(pk=organisation.pk)
            for kind in sorted(set(KINDS.values())):
                changes += _keep_kind_current(organisation, kind, now)
    return changes


def _keep_kind_current(organisation: Organisation, kind: str, now: datetime) -> int:
    rows = list(_rows(organisation, kind).order_by("-signs_from", "-published_at"))
    if not rows:
        return 0
    changes = 0
    if now - rows[0].signs_from >= SIGNS_FOR - PUBLISHED_BEFORE_USE:
        rows.insert(0, _make(organisation, kind, now=now, signs_from=now + PUBLISHED_BEFORE_USE))
        changes += 1
    for newer, older in itertools.pairwise(rows):
        if now - newer.signs_from >= KEPT_AFTER_USE:
            older.retired_at = now
            older.save(update_fields=["retired_at"])
            details = {"kid": older.kid, "kind": kind}
            record(EventKind.SIGNING_KEY_RETIRED, now=now, organisation_id=organisation.pk, details=details)
            changes += 1
    return changes


def _signing(organisation: Organisation, kind: str, now: datetime) -> SigningKey:
    """Return the key of a kind that signs now: the newest whose day has come; the first one is made on demand."""
    row = _rows(organisation, kind).filter(signs_from__lte=now).order_by("-signs_from").first()
    if row is not None:
        return row
    with transaction.atomic():
        Organisation.objects.select_for_update().get(pk=organisation.pk)
        row = _rows(organisation, kind).order_by("signs_from").first()
        return row if row is not None else _make(organisation, kind, now=now, signs_from=now)


def _rows(organisation: Organisation, kind: str) -> QuerySet[SigningKey]:
    return SigningKey.objects.filter(organisation=organisation, kind=kind, retired_at=None)


def _make(organisation: Organisation, kind: str, *, now: datetime, signs_from: datetime) -> SigningKey:
    key = RSAKey.generate_key(RSA_BITS, private=True) if kind == "RSA" else ECKey.generate_key("P-256", private=True)
    row = SigningKey.objects.create(
        kid=key.thumbprint(),
        organisation=organisation,
        kind=kind,
        private_key=json.dumps(key.as_dict(private=True)),
        published_at=now,
        signs_from=signs_from,
    )
    details = {"kid": row.kid, "kind": kind}
    record(EventKind.SIGNING_KEY_ADDED, now=now, organisation_id=organisation.pk, details=details)
    return row


_parsed: dict[str, RSAKey | ECKey] = {}
"""Private keys by id, parsed: importing an RSA key takes longer than signing with it. A key of an id never changes."""


def _private(row: SigningKey) -> RSAKey | ECKey:
    key = _parsed.get(row.kid)
    if key is None:
        stored = json.loads(row.private_key)
        key = RSAKey.import_key(stored) if row.kind == "RSA" else ECKey.import_key(stored)
        _parsed[row.kid] = key
    return key


def _public(row: SigningKey) -> RSAKey | ECKey:
    public = {**_private(row).as_dict(private=False), "kid": row.kid, "use": "sig"}
    return RSAKey.import_key(public) if row.kind == "RSA" else ECKey.import_key(public)
