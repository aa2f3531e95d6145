"""An app that signs people in through the provider, as the tests play it: its requests, its secrets, its browser."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.test import Client as Browser
from django.utils import timezone
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.world import World, sign_in
from watchword.applications import clients
from watchword.applications.clients import ClientSettings
from watchword.applications.issuer import issuer_of, tenant_of
from watchword.applications.models import Client, ClientKind
from watchword.directory import applications
from watchword.directory.applications import AppSettings

CALLBACK = "https://wiki.example/callback"


def make_party(world: World, name: str = "Wiki", *, app: dict[str, Any] | None = None, **settings: Any) -> RelyingParty:
    """Return a registered app, confidential unless ``kind`` says otherwise."""
    added = applications.add_app(world.organisation, AppSettings(name, **(app or {})), by=None, now=timezone.now())
    given: dict[str, Any] = {"redirect_uris": [CALLBACK], "scopes": ["openid", "profile", "email", "offline_access"]}
    client = clients.add_client(added, ClientSettings(**(given | settings)), by=None)
    secret = ""
    if client.kind == ClientKind.CONFIDENTIAL:
        secret = clients.add_secret(client, by=None, now=timezone.now())
    return RelyingParty(client, secret)


@dataclass
class RelyingParty:
    """One app."""

    client: Client
    secret: str
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    @property
    def issuer(self) -> str:
        return issuer_of(self.client.app.organisation)

    def path(self, name: str) -> str:
        return f"/{tenant_of(self.client.app.organisation)}/v2.0/{name}"

    @property
    def challenge(self) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def request(self, **changes: str | None) -> dict[str, str]:
        """Return the parameters of a right authorization request; None leaves one out."""
        parameters = {
            "client_id": self.client.client_id,
            "response_type": "code",
            "redirect_uri": self.client.redirect_uris[0] if self.client.redirect_uris else CALLBACK,
            "scope": "openid profile email",
            "state": "xyz",
            "nonce": "n-0S6_WzA2Mj",
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
        } | changes
        return {name: value for name, value in parameters.items() if value is not None}

    def authorize(self, browser: Browser, **changes: str | None) -> Any:
        """Send the browser with an authorization request."""
        return browser.get(f"{self.path('authorize')}?{urlencode(self.request(**changes))}")

    def code(self, browser: Browser, **changes: str | None) -> str:
        """Return the code that a signed-in person's browser brings back."""
        answer = answered(self.authorize(browser, **changes))
        assert "code" in answer, answer
        return answer["code"]

    def basic(self) -> dict[str, str]:
        """Return the header with client id and secret."""
        if not self.secret:
            return {}
        pair = f"{self.client.client_id}:{self.secret}".encode()
        return {"HTTP_AUTHORIZATION": "Basic " + base64.b64encode(pair).decode()}

    def post(self, name: str, parameters: dict[str, str], **headers: Any) -> Any:
        """Post a form as the app's own server."""
        public = {} if self.secret else {"client_id": self.client.client_id}
        return Browser().post(
            self.path(name),
            urlencode(public | parameters),
            content_type="application/x-www-form-urlencoded",
            **({**self.basic(), **headers}),
        )

    def exchange(self, code: str, **changes: str) -> Any:
        """Exchange a code."""
        parameters = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.client.redirect_uris[0],
            "code_verifier": self.verifier,
        }
        return self.post("token", {name: value for name, value in (parameters | changes).items() if value})

    def refresh(self, token: str, **more: str) -> Any:
        """Exchange a refresh token."""
        return self.post("token", {"grant_type": "refresh_token", "refresh_token": token, **more})

    def introspect(self, token: str) -> dict[str, Any]:
        """Return what the provider says of a token."""
        answer = self.post("introspect", {"token": token})
        assert answer.status_code == 200, answer.content
        return dict(answer.json())

    def tokens(self, browser: Browser, **changes: str | None) -> dict[str, Any]:
        """Return the tokens of a whole sign-in."""
        answer = self.exchange(self.code(browser, **changes))
        assert answer.status_code == 200, answer.content
        return dict(answer.json())

    def claims(self, id_token: str) -> dict[str, Any]:
        """Return the claims of an ID token, verified with the published keys."""
        keys = KeySet.import_key_set(Browser().get(self.path("jwks")).json())
        return dict(jwt.decode(id_token, keys, algorithms=["RS256", "ES256", "PS256"]).claims)


def answered(response: Any) -> dict[str, str]:
    """Return the parameters with which the provider sends a browser back."""
    assert response.status_code == 302, (response.status_code, response.content[:2_000])
    parts = urlsplit(response["Location"])
    return dict(parse_qsl(parts.query or parts.fragment))


def is_refused(response: Any, error: str = "invalid_grant") -> None:
    """Check that the token endpoint gave an error and no token."""
    assert response.json()["error"] == error, response.content
    assert "access_token" not in response.json()


@pytest.fixture
def wiki(world: World) -> RelyingParty:
    """Return a registered app, the organisation's own."""
    return make_party(world)


@pytest.fixture
def alice(world: World) -> Browser:
    """Return Alice's browser, signed in with both factors."""
    browser = Browser()
    sign_in(browser, world.alice)
    return browser
