"""Attacks on how apps prove who they are: secrets, assertions, and DPoP proofs."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client as Browser
from django.utils import timezone
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from tests.doors.oidc.relying_party import RelyingParty, make_party
from tests.doors.oidc.signed_tokens import (
    ASSERTION,
    assertion_claims,
    is_no_assertion,
    push,
    signed,
    signed_by,
)
from tests.world import World
from watchword.applications.models import ClientKind, UsedJti


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # FAPI 2.0 names it so
@pytest.mark.parametrize("kind", ["RSA", "EC", "OKP"])
def test_a_strict_client_may_have_each_kind_of_key_that_discovery_names(world: World, kind: str) -> None:
    """PS256, ES256 and Ed25519 are taken, and RS256, which FAPI 2.0 excludes, is not."""
    made_key: Any
    match kind:
        case "RSA":
            made_key, names = RSAKey.generate_key(2048, private=True), ["PS256", "RS256"]
        case "EC":
            made_key, names = ECKey.generate_key("P-256", private=True), ["ES256"]
        case _:
            made_key, names = OKPKey.generate_key("Ed25519", private=True), ["Ed25519", "EdDSA"]
    keys = {"keys": [{**made_key.as_dict(private=False), "kid": "1"}]}
    party = make_party(world, "Bank", kind=ClientKind.STRICT, jwks=keys, signing_algorithm="ES256")
    answers = [push(party, signed({"alg": name, "kid": "1"}, assertion_claims(party), made_key)) for name in names]
    taken = [name for name, answer in zip(names, answers, strict=True) if answer.status_code == 201]
    assert taken == [name for name in names if name != "RS256"]


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "another"},
        {"sub": "another"},
        {"aud": "https://evil.example"},
        {"aud": "ENDPOINT"},
        {"aud": ["ISSUER"]},
        {"aud": ["ISSUER", "https://other.example"]},
        {"aud": []},
        {"aud": None},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 0},
        {"exp": 99_999_999_999_999_999_999},
        {"exp": -1},
        {"jti": None},
        {"jti": 5},
        {"jti": ""},
        {"nbf": "x"},
        {"nbf": 9_999_999_999},
        {"iat": "x"},
        {"aud": {}},
        {"aud": [5]},
        {"iss": ["x"]},
        {"sub": {"x": 1}},
        {"iss": None},
        {"sub": None},
    ],
)
def test_oid_26_an_assertion_says_by_whom_for_whom_and_until_when(
    bank: RelyingParty, key: ECKey, changes: dict[str, Any]
) -> None:
    """An assertion for somebody else, without an end or an id, or by another client, is refused."""
    written = json.dumps(changes).replace("ENDPOINT", f"{bank.issuer}/par").replace("ISSUER", bank.issuer)
    claims = assertion_claims(bank, **json.loads(written))
    is_no_assertion(bank, signed({"alg": "ES256", "kid": key.kid}, claims, key))


def test_oid_26_an_assertion_is_taken_once_also_when_it_is_old(bank: RelyingParty, key: ECKey) -> None:
    """A replayed assertion is refused at once, and after its time, whatever was cleaned up by then."""
    now = int(timezone.now().timestamp())
    once = signed({"alg": "ES256", "kid": key.kid}, assertion_claims(bank), key)
    assert push(bank, once).status_code == 201
    is_no_assertion(bank, once)
    dying = signed({"alg": "ES256", "kid": key.kid}, assertion_claims(bank, exp=now - 58, iat=now - 118), key)
    first = push(bank, dying)
    if first.status_code == 201:
        row = UsedJti.objects.order_by("-expires_at").last()
        assert row is not None
        assert row.expires_at > timezone.now() + timedelta(seconds=30), "known for longer than it is taken"
        is_no_assertion(bank, dying)
    for old in (61, 62, 120, 3_600):
        late = signed({"alg": "ES256", "kid": key.kid}, assertion_claims(bank, exp=now - old, iat=now - old - 60), key)
        is_no_assertion(bank, late)


def test_oid_26_a_client_shows_one_credential_of_its_own(
    world: World, wiki: RelyingParty, bank: RelyingParty, key: ECKey, alice: Browser
) -> None:
    """No secret in the address, no two methods at once, no other client's assertion, no weaker method."""
    code = wiki.code(alice)
    header = {"alg": "ES256", "kid": key.kid}
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": wiki.client.redirect_uris[0]}
    form["code_verifier"] = wiki.verifier
    credentials = {"client_id": wiki.client.client_id, "client_secret": wiki.secret}
    content = "application/x-www-form-urlencoded"
    query = "&".join(f"{name}={value}" for name, value in credentials.items())
    body = "&".join(f"{name}={value}" for name, value in form.items())
    answer = Browser().post(f"{wiki.path('token')}?{query}", body, content_type=content)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert wiki.exchange(code, **credentials).json()["error"] == "invalid_request"
    assertion = signed(header, assertion_claims(bank), key)
    both = {"client_assertion_type": ASSERTION, "client_assertion": assertion}
    assert wiki.exchange(code, **both).json()["error"] == "invalid_request"
    for client_id in (wiki.client.client_id, make_party(world, "Chat").client.client_id):
        stolen = signed(header, assertion_claims(bank), key)
        answer = bank.post(
            "token", {**form, "client_id": client_id, "client_assertion_type": ASSERTION} | {"client_assertion": stolen}
        )
        assert answer.status_code in {400, 401}
        assert "access_token" not in answer.json()
    posed = signed(header, assertion_claims(wiki), key)
    answer = bank.post("token", {**form, "client_assertion_type": ASSERTION, "client_assertion": posed})
    assert answer.json()["error"] == "invalid_client"
    without = bank.post("par", bank.request())
    assert without.json()["error"] == "invalid_client", "its id alone is not enough"
    assert wiki.exchange(code).status_code == 200, "none of this used the code up"


def test_a_dpop_proof_is_signed_by_the_key_that_it_names(wiki: RelyingParty) -> None:
    """RFC 9449 section 4.3, point by point."""
    mine, other = (ECKey.generate_key("P-256", private=True) for _ in range(2))
    url = f"{wiki.issuer}/token"

    def asked(header: dict[str, Any] | None = None, key: ECKey = mine, **changes: Any) -> str:
        now = int(timezone.now().timestamp())
        claims = {"htm": "POST", "htu": url, "iat": now, "jti": str(uuid4())} | changes
        public = {"typ": "dpop+jwt", "alg": "ES256", "jwk": mine.as_dict(private=False)} | (header or {})
        claims = {name: value for name, value in claims.items() if value is not None}
        public = {name: value for name, value in public.items() if value is not None}
        proof = signed_by(key, public, claims)
        answer = wiki.post("token", {"grant_type": "refresh_token", "refresh_token": "x"}, HTTP_DPOP=proof)
        return str(answer.json()["error"])

    assert asked() == "invalid_grant", "the proof is right, and only the token unknown"
    assert asked(htu=f"{url}?x=1#y") == "invalid_grant", "query and fragment don't count"
    small = RSAKey.generate_key(2048, private=True)
    now = timezone.now().timestamp()
    wrong = [
        asked(key=other),
        asked({"typ": "JWT"}),
        asked({"typ": None}),
        asked({"alg": "none"}),
        asked({"alg": "HS256"}),
        asked({"jwk": None}),
        asked({"jwk": "x"}),
        asked({"jwk": mine.as_dict(private=True)}),
        asked({"jwk": OctKey.generate_key(256).as_dict(private=True)}),
        asked({"jwk": small.as_dict(private=False)}),
        asked({"crit": ["x"], "x": 1}),
        asked(htm="GET"),
        asked(htm=None),
        asked(htu=f"{wiki.issuer}/par"),
        asked(htu="https://evil.example/token"),
        asked(htu=None),
        asked(htu=5),
        asked(iat=None),
        asked(iat="now"),
        asked(iat=True),
        asked(iat=int(now) - 600),
        asked(iat=int(now) + 600),
        asked(iat=10**30),
        asked(jti=None),
        asked(jti=""),
        asked(jti=7),
    ]
    assert set(wrong) == {"invalid_dpop_proof"}, wrong
    assert [asked(jti="the same"), asked(jti="the same")] == ["invalid_grant", "invalid_dpop_proof"]
