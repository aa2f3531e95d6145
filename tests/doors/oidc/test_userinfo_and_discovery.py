"""What an app learns about a person, by scopes and by the claims parameter, and what the issuer says about itself."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.test import Client as Browser

from tests.doors.oidc.relying_party import RelyingParty, answered, make_party
from tests.world import World, make_organisation
from watchword.applications.issuer import issuer_of
from watchword.applications.models import SigningKey
from watchword.directory import groups

FORM = "application/x-www-form-urlencoded"
SCOPES = ["openid", "profile", "email", "groups", "offline_access"]


@pytest.fixture
def wiki(world: World) -> RelyingParty:
    return make_party(world, scopes=SCOPES)


def test_userinfo_takes_a_token_in_the_header_or_the_form(wiki: RelyingParty, alice: Browser) -> None:
    """RFC 6750 section 2: by GET and POST; never in the address, where logs would keep it."""
    token = wiki.tokens(alice)["access_token"]
    path, header = wiki.path("userinfo"), f"Bearer {token}"
    answers = [
        Browser().get(path, HTTP_AUTHORIZATION=header),
        Browser().post(path, HTTP_AUTHORIZATION=header),
        Browser().post(path, f"access_token={token}", content_type=FORM),
    ]
    assert len({answer.content for answer in answers}) == 1
    assert answers[0].json()["email"] == "alice@harbour.example"
    wrong = [
        Browser().get(f"{path}?access_token={token}"),
        Browser().get(path),
        Browser().get(path, HTTP_AUTHORIZATION=f"Basic {token}"),
        Browser().get(path, HTTP_AUTHORIZATION=f"{header}x"),
    ]
    assert [answer.status_code for answer in wrong] == [401] * 4
    assert all(answer["WWW-Authenticate"].startswith("Bearer") for answer in wrong)
    assert 'error="invalid_token"' in wrong[3]["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("scope", "claims"),
    [
        ("openid", {"sub"}),
        ("openid profile", {"sub", "name", "preferred_username"}),
        ("openid email", {"sub", "email", "email_verified"}),
        ("openid groups", {"sub", "groups"}),
        ("groups email profile openid", {"sub", "name", "preferred_username", "email", "email_verified", "groups"}),
        ("openid address phone", {"sub"}),
    ],
)
def test_scopes_give_their_claims_and_no_others(
    world: World, wiki: RelyingParty, alice: Browser, scope: str, claims: set[str]
) -> None:
    """In any order; address and phone, which Watchword doesn't tell, are left out without an error."""
    group = groups.create_group(world.organisation, "Drivers", by=None, now=world.now)
    groups.add_members(group, [world.alice], by=None, now=world.now)
    tokens = wiki.tokens(alice, scope=scope)
    answer = Browser().get(wiki.path("userinfo"), HTTP_AUTHORIZATION=f"Bearer {tokens['access_token']}").json()
    assert set(answer) == claims
    if "groups" in claims:
        assert answer["groups"] == ["Drivers"]


def test_the_claims_parameter_gives_single_claims(wiki: RelyingParty, alice: Browser) -> None:
    """OpenID Connect Core section 5.5: each where it was asked for, essential or not, and unknown ones left out."""
    asked = {
        "userinfo": {"name": {"essential": True}, "email": None, "shoe_size": {"essential": True}},
        "id_token": {"groups": None, "auth_time": {"essential": True}, "x": {"value": "y"}},
    }
    tokens = wiki.tokens(alice, scope="openid", claims=json.dumps(asked))
    told = Browser().get(wiki.path("userinfo"), HTTP_AUTHORIZATION=f"Bearer {tokens['access_token']}").json()
    assert set(told) == {"sub", "name", "email"}
    claims = wiki.claims(tokens["id_token"])
    assert claims["groups"] == []
    assert not {"name", "email", "shoe_size", "x"} & set(claims)


def test_a_client_gets_no_claim_that_it_may_not_have(world: World, alice: Browser) -> None:
    narrow = make_party(world, "Narrow", scopes=["openid"])
    asked = {"userinfo": {"email": {"essential": True}, "groups": None}}
    tokens = narrow.tokens(alice, scope="openid email groups", claims=json.dumps(asked))
    told = Browser().get(narrow.path("userinfo"), HTTP_AUTHORIZATION=f"Bearer {tokens['access_token']}").json()
    assert set(told) == {"sub"}


def test_claims_may_demand_one_person(world: World, wiki: RelyingParty, alice: Browser) -> None:
    """A sub of somebody else is never answered for the person who is signed in (section 5.5.1)."""
    for who, error in ((world.alice, None), (world.carol, "login_required")):
        asked = json.dumps({"id_token": {"sub": {"value": str(who.pk)}}})
        assert answered(wiki.authorize(alice, claims=asked, prompt="none")).get("error") == error


def test_a_secret_may_be_in_the_form(wiki: RelyingParty, alice: Browser) -> None:
    code = wiki.code(alice)
    fields = {"client_id": wiki.client.client_id, "client_secret": wiki.secret, "grant_type": "authorization_code"}
    fields |= {"code": code, "redirect_uri": wiki.client.redirect_uris[0], "code_verifier": wiki.verifier}
    assert Browser().post(wiki.path("token"), fields).status_code == 400, "multipart forms are none of OAuth"
    body = "&".join(f"{name}={value}" for name, value in fields.items())
    assert Browser().post(wiki.path("token"), body, content_type=FORM).status_code == 200


def test_discovery_says_what_is_there(wiki: RelyingParty) -> None:
    """OpenID Connect Discovery section 3 and RFC 8414: required members, and addresses that answer."""
    told: dict[str, Any] = Browser().get(wiki.path(".well-known/openid-configuration")).json()
    tenant = wiki.issuer.split("/")[-2]
    for path in (
        f"/.well-known/oauth-authorization-server/{tenant}/v2.0",
        f"/.well-known/openid-configuration/{tenant}/v2.0",
    ):
        assert Browser().get(path).json() == told
    assert told["issuer"] == wiki.issuer
    required = ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint")
    assert all(told[name].startswith(f"{wiki.issuer}/") for name in required)
    assert told["response_types_supported"] == ["code"]
    assert "RS256" in told["id_token_signing_alg_values_supported"]
    assert "none" not in told["id_token_signing_alg_values_supported"]
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert told["backchannel_logout_supported"] is told["backchannel_logout_session_supported"] is True
    assert told["authorization_response_iss_parameter_supported"] is True
    for name, value in told.items():
        if name.endswith(("_endpoint", "_uri")):
            path = value.removeprefix(wiki.issuer.rpartition("/")[0].rpartition("/")[0])
            assert Browser().get(path).status_code != 404, name
    keys = Browser().get(wiki.path("jwks")).json()["keys"]
    assert {key["kty"] for key in keys} == {"RSA", "EC"}
    assert not [key for key in keys if {"d", "p", "q", "k"} & set(key)]
    assert all(key["use"] == "sig" and key["kid"] for key in keys)
    assert len({key["kid"] for key in keys}) == len(keys)


def test_a_tenant_is_found_by_its_own_id_alone_while_it_is_there(world: World) -> None:
    other = make_organisation("Other", "other.example")
    addresses = [f"{issuer_of(organisation)}/jwks" for organisation in (world.organisation, other)]
    path, gone = [urlsplit(address).path for address in addresses]
    assert Browser().get(path).status_code == Browser().get(gone).status_code == 200
    assert Browser().get(f"/{uuid4()}/v2.0/jwks").status_code == 404
    SigningKey.objects.filter(organisation=other).delete()
    other.delete()
    assert Browser().get(path).status_code == 200
    assert Browser().get(gone).status_code == 404
