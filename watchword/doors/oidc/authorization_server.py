"""The authorization server of one organisation, built for one request: Authlib's rules on our own tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from authlib.oauth2.rfc6749 import AuthorizationServer
from authlib.oauth2.rfc6749.errors import InvalidClientError
from authlib.oidc.core.util import create_half_hash
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from watchword.applications import signing_keys
from watchword.applications.issuer import issuer_of
from watchword.applications.models import Client, ClientKind, Token, TokenKind
from watchword.applications.subjects import claims_of
from watchword.core.assurance import acr, amr
from watchword.directory.models import Organisation, User
from watchword.doors.oidc.client_authentication import ClientAssertion, methods_for
from watchword.doors.oidc.dpop import InvalidDPoPProofError
from watchword.doors.oidc.grants import S256, CodeGrant, DeviceCodeGrant, RefreshGrant
from watchword.doors.oidc.requests import OAuthRequest, printable
from watchword.signin.app_access import OFFLINE_LIFETIME, auth_time
from watchword.signin.facts import read_evidence
from watchword.signin.models import AppSignIn
from watchword.signin.tokens import new_token, token_hash

ID_TOKEN_SECONDS = 3_600


class Server(AuthorizationServer):  # type: ignore[misc]  # Authlib has no types
    """Authlib's server with our clients, tokens and keys."""

    def __init__(self, organisation: Organisation, *, now: datetime) -> None:
        super().__init__()
        self.organisation = organisation
        self.now = now
        self.register_token_generator("default", self._new_token)
        self.register_client_auth_method("private_key_jwt", ClientAssertion(organisation, now))
        self.register_grant(CodeGrant, [S256(required=True), IdToken()])
        self.register_grant(RefreshGrant, [IdToken()])
        self.register_grant(DeviceCodeGrant, [IdToken()])

    def query_client(self, client_id: str) -> Client | None:
        """Return a client of this organisation whose app is enabled; None for any other."""
        try:
            key = UUID(client_id)
        except ValueError:
            return None
        if str(key) != client_id:
            # One client has one identifier, not several ways to write it.
            return None
        return (
            Client.objects.select_related("app__organisation")
            .filter(pk=key, app__organisation=self.organisation, app__disabled_at=None)
            .first()
        )

    def authenticate_client(self, request: OAuthRequest, methods: Sequence[str], endpoint: str = "token") -> Client:
        """Return the client that a request authenticates; raise InvalidClientError or InvalidRequestError."""
        client: Client = super().authenticate_client(request, methods_for(request, methods), endpoint)
        if request.form.get("client_id", client.client_id) != client.client_id:
            # RFC 7521 section 4.2: beside an assertion, or a header, it must name the same client.
            raise InvalidClientError(description="The client_id is another client's.")
        if endpoint == "token" and client.kind == ClientKind.STRICT and not request.dpop_thumbprint:
            raise InvalidDPoPProofError("This client has to send a DPoP proof.")
        return client

    def create_oauth2_request(self, request: OAuthRequest) -> OAuthRequest:
        """Return the request as it is: the view has made it."""
        return request

    def handle_response(self, status: int, body: Any, headers: Sequence[tuple[str, str]]) -> HttpResponse:
        """Return an answer of an endpoint that programs ask: JSON that no cache may keep (RFC 6749 section 5.1)."""
        if isinstance(body, dict) and "error_description" in body:
            # Authlib quotes parameters, with characters that a description may not have (RFC 6749 section 5.2).
            body = {**body, "error_description": printable(str(body["error_description"]))}
        content = json.dumps(body) if isinstance(body, (dict, list)) else body
        response = HttpResponse(content, status=status, content_type="application/json")
        for name, value in headers:
            response[name] = value
        response["Cache-Control"] = "no-store"
        response["Pragma"] = "no-cache"
        return response

    def validate_requested_scope(self, scope: str | None) -> None:
        """Accept any scope: those that aren't known are left out (OpenID Connect Core section 3.1.2.1)."""

    def send_signal(self, name: str, *arguments: Any, **named: Any) -> None:
        """Do nothing: nobody listens."""

    def _new_token(
        self,
        grant_type: str,  # noqa: ARG002  (Authlib's signature, here and below)
        client: Client,
        user: User | None = None,  # noqa: ARG002  (as above)
        scope: str = "",
        expires_in: int | None = None,  # noqa: ARG002  (as above)
        include_refresh_token: bool = True,
    ) -> dict[str, Any]:
        token = {
            "token_type": "Bearer",
            "access_token": new_token(),
            "expires_in": client.access_token_seconds,
            "scope": scope,
        }
        if include_refresh_token and client.allows_refresh:
            token["refresh_token"] = new_token()
        return token

    def save_token(self, token: dict[str, Any], request: OAuthRequest) -> None:
        """Store the hashes of new tokens under the sign-in of the code or token that was exchanged for them."""
        given = request.authorization_code or request.refresh_token or request.credential.row
        sign_in, client = given.sign_in, request.client
        bound = request.dpop_thumbprint
        if bound:
            token["token_type"] = "DPoP"  # noqa: S105  (RFC 9449 section 5)
        shared = {
            "sign_in": sign_in,
            "client": client,
            "scope": token["scope"],
            "claims": getattr(given, "claims", {}),
            "created_at": self.now,
        }
        rows = [
            Token(
                token_hash=token_hash(token["access_token"]),
                kind=TokenKind.ACCESS,
                dpop_thumbprint=bound,
                expires_at=self.now + timedelta(seconds=client.access_token_seconds),
                **shared,
            )
        ]
        if "refresh_token" in token:
            # A refresh token keeps the scopes of the grant, whatever narrower ones this access token has.
            scope = request.refresh_token.scope if request.refresh_token is not None else token["scope"]
            # Only of a client without a secret: a confidential one's is bound to it anyway (RFC 9449 section 5).
            binds = bound and request.auth_method in {"none", "private_key_jwt"}
            rows.append(
                Token(
                    token_hash=token_hash(token["refresh_token"]),
                    kind=TokenKind.REFRESH,
                    dpop_thumbprint=bound if binds else "",
                    expires_at=min(self.now + OFFLINE_LIFETIME, sign_in.expires_at),
                    **{**shared, "scope": scope},
                )
            )
        Token.objects.bulk_create(rows)


class IdToken:
    """The extension that adds an ID token where the scope has ``openid`` (OpenID Connect Core section 3.1.3.3)."""

    def __call__(self, grant: Any) -> None:
        """Have an ID token added to the grant's answer."""
        grant.register_hook("after_create_token_response", self.add)

    def add(self, grant: Any, response: tuple[int, dict[str, Any], Any]) -> None:
        """Add the ID token."""
        _status, token, _headers = response
        if "openid" not in token["scope"].split():
            return
        request, server = grant.request, grant.server
        code = request.authorization_code
        given = code or request.refresh_token or request.credential.row
        token["id_token"] = id_token(
            request.client,
            given.sign_in,
            token["scope"],
            access_token=token["access_token"],
            nonce=code.nonce if code is not None else "",
            requested=getattr(given, "claims", {}).get("id_token", []),
            now=server.now,
        )


def id_token(
    client: Client,
    sign_in: AppSignIn,
    scope: str,
    *,
    access_token: str,
    nonce: str,
    requested: Sequence[str],
    now: datetime,
) -> str:
    """Return an ID token that tells how and when the person signed in, whatever the client asked for."""
    evidence = read_evidence(sign_in.evidence)
    algorithm = client.signing_algorithm
    issued = int(now.timestamp())
    claims: dict[str, Any] = {
        "iss": issuer_of(sign_in.app.organisation),
        "aud": client.client_id,
        "iat": issued,
        "exp": issued + ID_TOKEN_SECONDS,
        "auth_time": int(auth_time(evidence).timestamp()),
        "acr": acr(evidence),
        "amr": amr(evidence),
        "sid": str(sign_in.pk),
        "at_hash": create_half_hash(access_token, algorithm).decode(),
        **claims_of(client, sign_in.user, scope, requested),
    }
    if nonce:
        claims["nonce"] = nonce
    return signing_keys.sign(sign_in.app.organisation, algorithm, claims, kind="JWT", now=now)


def token_response(server: Server, request: OAuthRequest) -> HttpResponse:
    """Return the answer of the token endpoint; what an error has ended stays ended."""
    with transaction.atomic():
        response: HttpResponse = server.create_token_response(request)
    return response


def bearer_of(http: HttpRequest) -> tuple[str, str]:
    """Return scheme and token of the Authorization header, in lower case the scheme; both empty if there is none."""
    scheme, _, token = http.headers.get("Authorization", "").partition(" ")
    return (scheme.lower(), token.strip()) if scheme.lower() in {"bearer", "dpop"} else ("", "")
