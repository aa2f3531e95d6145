"""The OpenID Connect side of an app: what it may do, and the secrets by which it proves who it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.db import transaction
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, KeySetSerialization, OKPKey, RSAKey

from watchword.applications.models import Client, ClientKind, ClientSecret, SubjectType
from watchword.applications.redirect_uris import why_not_registrable
from watchword.applications.signing_keys import ALGORITHMS
from watchword.applications.subjects import SCOPES
from watchword.audit.events import EventKind
from watchword.audit.record import NOWHERE, Origin, record
from watchword.directory.models import App, User
from watchword.directory.permissions import demand
from watchword.directory.roles import Act
from watchword.signin.tokens import new_token, token_hash

MOST_SECRETS = 2
"""While an app changes its secret, the old one and the new one are valid."""
MOST_ADDRESSES = 50
SHORTEST_TOKEN_SECONDS, LONGEST_TOKEN_SECONDS = 60, 3_600
SECRET_PREFIX = "wws_"  # noqa: S105  (by which scanners recognise a secret that got into a repository)


class InvalidClient(Exception):
    """Settings that a client can't have; ``reasons`` says for each field why, in one word."""

    def __init__(self, reasons: dict[str, str]) -> None:
        super().__init__(", ".join(f"{field}: {reason}" for field, reason in reasons.items()))
        self.reasons = reasons


class TooManySecrets(Exception):
    """There are two valid secrets already; one has to be ended first."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """What an administrator decides about a client."""

    kind: ClientKind = ClientKind.CONFIDENTIAL
    redirect_uris: Sequence[str] = ()
    post_logout_redirect_uris: Sequence[str] = ()
    backchannel_logout_uri: str = ""
    scopes: Sequence[str] = ("openid", "profile", "email")
    pkce_exempt: bool = False
    allows_refresh: bool = True
    allows_device_flow: bool = False
    introspects: bool = False
    introspection_scope: str = ""
    jwks: dict[str, Any] | None = None
    signing_algorithm: str = "RS256"
    subject_type: SubjectType = SubjectType.PUBLIC
    access_token_seconds: int = 600


def settings_of(client: Client) -> ClientSettings:
    """Return the settings that a client has."""
    names = [field.name for field in dataclasses.fields(ClientSettings)]
    return ClientSettings(**{name: getattr(client, name) for name in names})


def add_client(app: App, settings: ClientSettings, *, by: User | None) -> Client:
    """Give an app its OpenID Connect side; raise PermissionDenied or InvalidClient. The app's event tells of it."""
    demand(by, Act.MANAGE_APPS)
    return Client.objects.create(app=app, **_checked(settings))


def change_client(
    client: Client, settings: ClientSettings, *, by: User | None, now: datetime, origin: Origin = NOWHERE
) -> list[str]:
    """Change a client, and return the names of the fields that changed; raise PermissionDenied or InvalidClient."""
    demand(by, Act.MANAGE_APPS)
    values = _checked(settings)
    fields = [name for name, value in values.items() if getattr(client, name) != value]
    if not fields:
        return []
    with transaction.atomic():
        for name, value in values.items():
            setattr(client, name, value)
        client.save(update_fields=fields)
        _note(EventKind.APP_CHANGED, client, {"fields": fields}, by, now, origin)
    return fields


def add_secret(client: Client, *, by: User | None, now: datetime, origin: Origin = NOWHERE) -> str:
    """Give a client another secret and return it: it is shown once. Raises PermissionDenied or TooManySecrets."""
    demand(by, Act.MANAGE_APPS)
    secret = SECRET_PREFIX + new_token()
    with transaction.atomic():
        Client.objects.select_for_update().get(pk=client.pk)
        if client.secrets.filter(ended_at=None).count() >= MOST_SECRETS:
            raise TooManySecrets
        row = ClientSecret.objects.create(
            client=client, secret_hash=token_hash(secret), ends=secret[-4:], created_at=now
        )
        _note(EventKind.APP_SECRET_ADDED, client, {"ends": row.ends}, by, now, origin)
    return secret


def end_secret(client: Client, secret_id: int, *, by: User | None, now: datetime, origin: Origin = NOWHERE) -> bool:
    """End a secret of a client; return False if the client has no such valid one. Raises PermissionDenied."""
    demand(by, Act.MANAGE_APPS)
    with transaction.atomic():
        row = client.secrets.filter(pk=secret_id, ended_at=None).first()
        if row is None or not client.secrets.filter(pk=secret_id, ended_at=None).update(ended_at=now):
            return False
        _note(EventKind.APP_SECRET_REMOVED, client, {"ends": row.ends}, by, now, origin)
    return True


def _checked(settings: ClientSettings) -> dict[str, Any]:
    """Return the values of the columns; raise InvalidClient with every field that is wrong."""
    cleaned = dataclasses.replace(
        settings,
        redirect_uris=_lines(settings.redirect_uris),
        post_logout_redirect_uris=_lines(settings.post_logout_redirect_uris),
        backchannel_logout_uri=settings.backchannel_logout_uri.strip(),
        scopes=[scope for scope in SCOPES if scope in settings.scopes],
    )
    is_public = cleaned.kind == ClientKind.PUBLIC
    reasons: dict[str, str] = {}
    for field in ("redirect_uris", "post_logout_redirect_uris"):
        given: Sequence[str] = getattr(cleaned, field)
        wrong = [why for uri in given if (why := why_not_registrable(uri, is_public=is_public))]
        if wrong or len(given) > MOST_ADDRESSES:
            reasons[field] = wrong[0] if wrong else "too_many"
    if cleaned.backchannel_logout_uri and not _is_web(cleaned.backchannel_logout_uri):
        reasons["backchannel_logout_uri"] = "not_a_web_address"
    if not cleaned.redirect_uris and not cleaned.allows_device_flow and not cleaned.introspects:
        reasons["redirect_uris"] = "missing"
    reasons |= _why_not_of_its_kind(cleaned)
    if not SHORTEST_TOKEN_SECONDS <= cleaned.access_token_seconds <= LONGEST_TOKEN_SECONDS:
        reasons |= {"access_token_seconds": "out_of_range"}
    if reasons:
        raise InvalidClient(reasons)
    return dataclasses.asdict(cleaned)


def _why_not_of_its_kind(settings: ClientSettings) -> dict[str, str]:
    reasons: dict[str, str] = {}
    if settings.pkce_exempt and settings.kind != ClientKind.CONFIDENTIAL:
        reasons["pkce_exempt"] = "needs_a_secret"
    if settings.introspects and settings.kind == ClientKind.PUBLIC:
        reasons["introspects"] = "needs_a_secret"
    if settings.introspection_scope and settings.introspection_scope not in SCOPES:
        reasons["introspection_scope"] = "unknown"
    allowed = [name for name in ALGORITHMS if name != "RS256" or settings.kind != ClientKind.STRICT]
    if settings.signing_algorithm not in allowed:
        reasons["signing_algorithm"] = "not_of_this_kind"
    if settings.kind == ClientKind.STRICT or settings.jwks is not None:
        why = _why_not_keys(settings.jwks)
        if why:
            reasons["jwks"] = why
    return reasons


def _why_not_keys(jwks: dict[str, Any] | None) -> str:
    """Return why this is no set of public keys that an assertion can be signed with; empty if it is one."""
    if not isinstance(jwks, dict) or not isinstance(jwks.get("keys"), list) or not jwks["keys"]:
        return "missing"
    if any(not isinstance(key, dict) or {"d", "k"} & set(key) for key in jwks["keys"]):
        return "private"
    try:
        keys = KeySet.import_key_set(cast("KeySetSerialization", jwks)).keys
    except (JoseError, ValueError, TypeError, KeyError):
        return "not_keys"
    return "" if all(isinstance(key, (RSAKey, ECKey, OKPKey)) for key in keys) else "not_keys"


def _lines(given: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(uri.strip() for uri in given if uri.strip()))


def _is_web(text: str) -> bool:
    return not why_not_registrable(text, is_public=False)


def _note(
    kind: EventKind, client: Client, details: dict[str, object], by: User | None, now: datetime, origin: Origin
) -> None:
    record(
        kind,
        now=now,
        by=by,
        origin=origin,
        organisation_id=client.app.organisation_id,
        details={"app": client.app.name, "app_id": client.client_id, **details},
    )
