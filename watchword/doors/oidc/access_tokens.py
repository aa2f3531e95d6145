"""What a token is worth: found by its hash with everything that decides about it, in one query."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from watchword.applications.issuer import issuer_of
from watchword.applications.models import Client, Token, TokenKind
from watchword.applications.subjects import subject_of
from watchword.core.assurance import acr, amr
from watchword.directory.models import Organisation
from watchword.signin import app_access, sessions
from watchword.signin.facts import read_evidence
from watchword.signin.models import AppSignIn
from watchword.signin.tokens import token_hash

_WITH = ("client", "sign_in__user__organisation", "sign_in__app", "sign_in__session")


def find(organisation: Organisation, value: str) -> Token | None:
    """Return a token of an organisation, valid or not; None for an unknown one."""
    return (
        Token.objects.select_related(*_WITH)
        .filter(token_hash=token_hash(value), sign_in__user__organisation=organisation)
        .first()
    )


def is_valid(token: Token, *, now: datetime) -> bool:
    """Return whether a token is still worth something."""
    if token.revoked_at is not None or token.used_at is not None or now >= token.expires_at:
        return False
    return app_access.is_alive(token.sign_in, now=now)


def revoke(token: Token, *, now: datetime) -> None:
    """Revoke a token; with a refresh token the whole sign-in of the app ends (RFC 7009 section 2.1)."""
    if token.kind == TokenKind.REFRESH:
        rows = AppSignIn.objects.filter(pk=token.sign_in_id)
        sessions.end_in_apps(rows, because="revoked_by_app", now=now)
    else:
        Token.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now)


def introspection(asking: Client, token: Token | None, *, now: datetime) -> dict[str, Any]:
    """Return what a client learns about a token (RFC 7662 section 2.2): its own, or any if it is a resource server.

    Whatever is wrong, and for a token that is none of its business, the answer is the same.
    """
    if token is None or not is_valid(token, now=now) or not _may_see(asking, token):
        return {"active": False}
    sign_in, user = token.sign_in, token.sign_in.user
    evidence = read_evidence(sign_in.evidence)
    answer: dict[str, Any] = {
        "active": True,
        "iss": issuer_of(user.organisation),
        "client_id": token.client.client_id,
        "sub": subject_of(token.client, user),
        "username": user.sign_in_name,
        "mailbox": user.mailbox_name,
        "scope": token.scope,
        "token_type": "DPoP" if token.dpop_thumbprint else "Bearer",
        "iat": int(token.created_at.timestamp()),
        "exp": int(token.expires_at.timestamp()),
        "auth_time": int(app_access.auth_time(evidence).timestamp()),
        "acr": acr(evidence),
        "amr": amr(evidence),
    }
    if token.dpop_thumbprint:
        answer["cnf"] = {"jkt": token.dpop_thumbprint}
    return answer


def _may_see(asking: Client, token: Token) -> bool:
    if token.client_id == asking.pk:
        return True
    if not asking.introspects or token.kind != TokenKind.ACCESS:
        return False
    return not asking.introspection_scope or asking.introspection_scope in token.scope.split()
