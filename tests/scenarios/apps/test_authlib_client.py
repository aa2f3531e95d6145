"""Authlib's client for `requests`, as a Python app uses it, against a really served Watchword."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session, OAuthError
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.doors.oidc.relying_party import make_party
from tests.scenarios.apps.conftest import Provider
from tests.world import World

pytestmark = [pytest.mark.scenario, pytest.mark.django_db(transaction=True)]

REDIRECT = "http://127.0.0.1:9/callback"


def fetched(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return json.load(answer)


def test_authlibs_client_signs_in_refreshes_and_revokes(provider: Provider, world: World, alices_cookie: str) -> None:
    """Code with PKCE, ID token by the published keys, userinfo, refresh, introspection, revocation; a wrong secret."""
    party = make_party(world, redirect_uris=[REDIRECT])
    told = fetched(f"{party.issuer}/.well-known/openid-configuration")
    client_id = party.client.client_id
    shared = {"redirect_uri": REDIRECT, "scope": "openid email offline_access", "code_challenge_method": "S256"}

    def back(client: Any) -> str:
        address, _state = client.create_authorization_url(
            told["authorization_endpoint"], code_verifier=party.verifier, nonce="of-this-browser"
        )
        headers = {"Cookie": alices_cookie}
        answer = requests.get(address, headers=headers, allow_redirects=False, timeout=10)
        assert answer.headers["Location"].startswith(REDIRECT)
        return str(answer.headers["Location"])

    with OAuth2Session(client_id, party.secret, **shared) as client:
        tokens = client.fetch_token(
            told["token_endpoint"], authorization_response=back(client), code_verifier=party.verifier
        )
        keys = KeySet.import_key_set(fetched(told["jwks_uri"]))
        claims = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"]).claims
        assert (claims["nonce"], claims["sub"]) == ("of-this-browser", str(world.alice.pk))
        assert client.get(told["userinfo_endpoint"], timeout=10).json()["email"] == "alice@harbour.example"
        fresh = client.refresh_token(told["token_endpoint"])
        assert fresh["refresh_token"] != tokens["refresh_token"]
        with pytest.raises(OAuthError, match="invalid_grant"):
            client.refresh_token(told["token_endpoint"], refresh_token=tokens["refresh_token"])
        asked = client.introspect_token(told["introspection_endpoint"], token=fresh["access_token"])
        assert asked.json()["active"] is True
        client.revoke_token(told["revocation_endpoint"], token=fresh["refresh_token"])
        asked = client.introspect_token(told["introspection_endpoint"], token=fresh["access_token"])
        assert asked.json() == {"active": False}
    with OAuth2Session(client_id, "wws_wrong", **shared) as client, pytest.raises(OAuthError, match="invalid_client"):
        client.fetch_token(told["token_endpoint"], authorization_response=back(client), code_verifier=party.verifier)
