"""The ``sub`` of a person in an app, and the claims about the person."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Any

from watchword.applications.models import Client, SubjectType
from watchword.core.mail_addresses import is_mail_address
from watchword.directory.groups import groups_of
from watchword.directory.models import User

SCOPES: Mapping[str, tuple[str, ...]] = {
    "openid": ("sub",),
    "profile": ("name", "preferred_username"),
    "email": ("email", "email_verified"),
    "groups": ("groups",),
    "offline_access": (),
    "mail": (),
}
"""The scopes, and the claims that each gives (OpenID Connect Core section 5.4; ``groups`` and ``mail`` are our own)."""
CLAIMS = tuple(claim for claims in SCOPES.values() for claim in claims)


def subject_of(client: Client, user: User) -> str:
    """Return the ``sub`` of a person for a client. It is never given to another person, because the id isn't.

    A pairwise one differs from app to app, so that two apps can't find out that they serve the same person.
    """
    if client.subject_type == SubjectType.PUBLIC:
        return str(user.pk)
    mac = hmac.digest(bytes(client.pairwise_salt), user.pk.bytes, sha256)
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def is_subject(client: Client, user: User, subject: object) -> bool:
    """Return whether this is the ``sub`` of a person for a client."""
    return isinstance(subject, str) and hmac.compare_digest(subject.encode(), subject_of(client, user).encode())


def claims_of(client: Client, user: User, scope: str, more: Collection[str] = ()) -> dict[str, Any]:
    """Return the claims about a person that these scopes give, with those of ``more`` that the client may have."""
    granted = {claim for word in scope.split() for claim in SCOPES.get(word, ())}
    allowed = {claim for word in client.scopes for claim in SCOPES.get(word, ())}
    return _values(client, user, granted | (set(more) & allowed) | {"sub"})


def _values(client: Client, user: User, wanted: Collection[str]) -> dict[str, Any]:
    values: dict[str, Any] = {
        "sub": subject_of(client, user),
        "name": user.display_name,
        "preferred_username": user.sign_in_name,
    }
    if is_mail_address(user.sign_in_name):
        # The organisation's own address, whose mailbox is the person's.
        values |= {"email": user.sign_in_name, "email_verified": True}
    if "groups" in wanted:
        values["groups"] = [group.name for group in groups_of(user)]
    return {claim: value for claim, value in values.items() if claim in wanted}
