"""Attacks by hand-made JSON Web Tokens, where one is read: ID token hints, client assertions, DPoP proofs."""

from __future__ import annotations

import base64
import hmac
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone
from joserfc.jwk import ECKey

from tests.doors.oidc.relying_party import RelyingParty, answered
from tests.doors.oidc.signed_tokens import (
    assertion_claims,
    is_no_assertion,
    made,
    push,
    signed,
    signed_by,
    split,
)
from tests.world import World, make_organisation
from watchword.applications import signing_keys
from watchword.applications.models import SigningKey
from watchword.doors.oidc import backchannel_logout
from watchword.signin.models import AppSignIn, Session

UNSIGNED = ["none", "None", "NONE", "nOnE", "", None]


@pytest.fixture
def evil_site() -> Iterator[socket.socket]:
    """Yield a listening socket, to which nothing may ever connect."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening
        with pytest.raises(BlockingIOError):
            listening.accept()


def public_forms(key: Any) -> list[bytes]:
    """Return the public key in every form that a library may take for a shared secret."""
    pem = key.as_pem(private=False)
    as_json = key.as_dict(private=False)
    return [
        pem,
        pem.strip(),
        key.as_der(private=False),
        json.dumps(as_json).encode(),
        str(as_json.get("n", as_json.get("x"))).encode(),
        b"",
    ]


def is_no_hint(party: RelyingParty, browser: Browser, token: str) -> None:
    """A token is neither a hint for a sign-in nor one for a sign-out."""
    back = answered(party.authorize(browser, id_token_hint=token, prompt="none"))
    assert (back["error"], "code" in back) == ("invalid_request", False)
    page = browser.get(party.path("logout"), {"id_token_hint": token, "client_id": party.client.client_id})
    assert "Sign out?" in page.content.decode()
    assert not Session.objects.exclude(ended_at=None).exists()


def test_a_right_assertion_is_taken_and_so_is_a_right_hint(
    wiki: RelyingParty, bank: RelyingParty, key: ECKey, alice: Browser
) -> None:
    """Without this the refusals below would prove nothing."""
    right = signed({"alg": "ES256", "kid": key.kid}, assertion_claims(bank), key)
    assert push(bank, right).status_code == 201
    token = wiki.tokens(alice)["id_token"]
    assert "code" in answered(wiki.authorize(alice, id_token_hint=token, prompt="none"))
    header, claims = split(token)
    row = SigningKey.objects.get(kind="RSA")
    ours = signing_keys._private(row)
    assert "code" in answered(wiki.authorize(alice, id_token_hint=signed(header, claims, ours), prompt="none"))


@pytest.mark.parametrize("name", UNSIGNED)
def test_oid_20_an_unsigned_token_is_none(
    wiki: RelyingParty, bank: RelyingParty, alice: Browser, name: str | None
) -> None:
    """alg none, in any spelling or absent, with an empty signature or another one, is refused everywhere."""
    token = wiki.tokens(alice)["id_token"]
    header, claims = split(token)
    for signature in (b"", b"x", base64.urlsafe_b64decode(token.rsplit(".", 1)[1] + "==")):
        is_no_hint(wiki, alice, made({**header, "alg": name}, claims, signature))
        is_no_assertion(bank, made({"alg": name, "kid": "of-the-bank"}, assertion_claims(bank), signature))
    is_no_hint(wiki, alice, token.rsplit(".", 1)[0] + ".")
    is_no_hint(wiki, alice, token.rsplit(".", 1)[0])


def test_oid_21_a_public_key_is_no_shared_secret(
    wiki: RelyingParty, bank: RelyingParty, key: ECKey, alice: Browser
) -> None:
    """HS256 with our public key, or the client's own, in any of its forms, is refused."""
    header, claims = split(wiki.tokens(alice)["id_token"])
    ours = next(iter(signing_keys.published(wiki.client.app.organisation).keys))
    for secret in public_forms(ours):
        for name, digest in (("HS256", "sha256"), ("HS512", "sha512")):
            mac = _by_mac(secret, digest)
            is_no_hint(wiki, alice, made({**header, "alg": name}, claims, mac))
    for secret in public_forms(key):
        forged = made({"alg": "HS256", "kid": key.kid}, assertion_claims(bank), _by_mac(secret, "sha256"))
        is_no_assertion(bank, forged)


def _by_mac(secret: bytes, digest: str) -> Callable[[bytes], bytes]:
    return lambda message: hmac.digest(secret, message, digest)


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "/etc/passwd",
        "' OR 1=1 --",
        "x' UNION SELECT 'AA' --",
        "",
        "\x00",
        "|id",
        "http://evil.example/key",
        None,
        0,
        [],
        {"x": 1},
    ],
)
def test_oid_22_a_key_id_leads_to_no_other_key(
    wiki: RelyingParty, bank: RelyingParty, alice: Browser, kid: object
) -> None:
    """A key id with a path, a query, another type, or none at all finds no key, not even an empty one."""
    _header, claims = split(wiki.tokens(alice)["id_token"])
    empty = _by_mac(b"", "sha256")
    mallory = ECKey.generate_key("P-256", private=True)
    for forged in (
        made({"alg": "HS256", "kid": kid, "typ": "JWT"}, claims, empty),
        made({"alg": "RS256", "kid": kid, "typ": "JWT"}, claims, b"x" * 256),
        signed_by(mallory, {"alg": "ES256", "kid": kid, "typ": "JWT"}, claims),
    ):
        is_no_hint(wiki, alice, forged)
    is_no_assertion(bank, signed_by(mallory, {"alg": "ES256", "kid": kid}, assertion_claims(bank)))


def test_oid_22_keys_of_another_tenant_or_retired_ones_sign_nothing(
    world: World, wiki: RelyingParty, alice: Browser
) -> None:
    """The key of another organisation, a retired one, and our own without its id are refused."""
    header, claims = split(wiki.tokens(alice)["id_token"])
    island = make_organisation("Island", "island.example")
    is_no_hint(wiki, alice, signing_keys.sign(island, "RS256", claims, kind="JWT", now=timezone.now()))
    ours = signing_keys._private(SigningKey.objects.get(organisation=world.organisation, kind="RSA"))
    without = {name: value for name, value in header.items() if name != "kid"}
    is_no_hint(wiki, alice, signed(without, claims, ours))
    good = signed(header, claims, ours)
    signing_keys.rotate(world.organisation, now=timezone.now(), at_once=True)
    is_no_hint(wiki, alice, good)


def test_oid_23_a_header_brings_no_key_of_its_own(
    wiki: RelyingParty, bank: RelyingParty, key: ECKey, alice: Browser, evil_site: socket.socket
) -> None:
    """jku, x5u, jwk and x5c are never followed or believed, and an unknown crit is refused."""
    header, claims = split(wiki.tokens(alice)["id_token"])
    mallory = ECKey.generate_key("P-256", private=True)
    address = f"http://127.0.0.1:{evil_site.getsockname()[1]}/keys"
    for extra in (
        {"jku": address},
        {"x5u": address},
        {"jwk": mallory.as_dict(private=False)},
        {"jwk": mallory.as_dict(private=False), "jku": address, "kid": "mallory"},
        {"x5c": [base64.b64encode(mallory.as_der(private=False)).decode()]},
    ):
        is_no_hint(wiki, alice, signed_by(mallory, {**header, "alg": "ES256", **extra}, claims))
        is_no_assertion(bank, signed_by(mallory, {"alg": "ES256", "kid": key.kid, **extra}, assertion_claims(bank)))
    Browser().get(wiki.path("jwks"))
    ours = signing_keys._private(SigningKey.objects.get(kind="EC"))
    for crit in (["exp"], ["x"], [], "x"):
        strange = {"alg": "ES256", "kid": ours.kid, "typ": "JWT", "crit": crit, "x": 1}
        is_no_hint(wiki, alice, signed_by(ours, strange, claims))  # type: ignore[arg-type]  # it is one of elliptic curves
        is_no_assertion(
            bank, signed_by(key, {"alg": "ES256", "kid": key.kid, "crit": crit, "x": 1}, assertion_claims(bank))
        )


def test_oid_24_a_token_of_one_kind_is_none_of_another(world: World, wiki: RelyingParty, alice: Browser) -> None:
    """ID, access, refresh and logout tokens don't stand for each other, nor do tokens of another type."""
    tokens = wiki.tokens(alice, scope="openid offline_access")
    for name in ("id_token", "refresh_token"):
        answer = Browser().get(wiki.path("userinfo"), HTTP_AUTHORIZATION=f"Bearer {tokens[name]}")
        assert answer.status_code == 401, name
    assert wiki.introspect(tokens["id_token"]) == {"active": False}
    for name in ("access_token", "refresh_token"):
        is_no_hint(wiki, alice, tokens[name])
    for wrong in (tokens["access_token"], tokens["id_token"]):
        assert wiki.refresh(wrong).json()["error"] == "invalid_grant"
        assert wiki.exchange(wrong).json()["error"] == "invalid_grant"
    now = timezone.now()
    told = backchannel_logout.logout_token(wiki.client, AppSignIn.objects.get(), now=now)
    is_no_hint(wiki, alice, told)
    _header, claims = split(tokens["id_token"])
    for kind in ("at+jwt", "logout+jwt", "dpop+jwt", "token-introspection+jwt", ""):
        is_no_hint(wiki, alice, signing_keys.sign(world.organisation, "RS256", claims, kind=kind, now=now))
    other = signing_keys.sign(world.organisation, "RS256", {**claims, "aud": "another"}, kind="JWT", now=now)
    assert answered(wiki.authorize(alice, id_token_hint=other))["error"] == "invalid_request"


def test_oid_25_a_request_object_changes_nothing(wiki: RelyingParty, alice: Browser, evil_site: socket.socket) -> None:
    """A request object is refused, by value or by address, and nothing is fetched."""
    inside = made({"alg": "none"}, wiki.request(redirect_uri="https://evil.example/"))
    for changes in ({}, {"redirect_uri": None}, {"redirect_uri": "https://evil.example/"}):
        response = wiki.authorize(alice, request=inside, **changes)
        assert "evil.example" not in response.get("Location", "")
        assert response.status_code == (400 if changes else 302)
    assert answered(wiki.authorize(alice, request=inside))["error"] == "request_not_supported"
    port = evil_site.getsockname()[1]
    for address in (
        f"http://127.0.0.1:{port}/request.jwt",
        f"https://127.0.0.1:{port}/request.jwt#hash",
        f"//127.0.0.1:{port}/x",
        "file:///etc/passwd",
        "urn:ietf:params:oauth:request_uri:",
        "urn:ietf:params:oauth:request_uri:guessed",
    ):
        response = wiki.authorize(alice, request_uri=address)
        assert "code=" not in response.get("Location", "")
        assert response.get("Location", wiki.client.redirect_uris[0]).startswith(wiki.client.redirect_uris[0])
    is_pushed = wiki.post("par", {**wiki.request(), "request": inside})
    assert is_pushed.json()["error"] == "request_not_supported"
    is_pushed = wiki.post("par", {**wiki.request(), "request_uri": f"http://127.0.0.1:{port}/"})
    assert is_pushed.json()["error"] == "invalid_request"


@pytest.mark.parametrize(
    "given", ["", ".", "..", "...", "a.b.c", "a.b", "e30.e30.", "e30.W10.AA", "\u00e9.e30.e30", "{}", "x" * 7_000]
)
def test_garbage_for_a_token_is_an_error_of_the_protocol(
    wiki: RelyingParty, bank: RelyingParty, alice: Browser, given: str
) -> None:
    if given:
        is_no_hint(wiki, alice, given)
    assert push(bank, given).json()["error"] in {"invalid_client", "invalid_request"}
    answer = wiki.post("token", {"grant_type": "refresh_token", "refresh_token": "x"}, HTTP_DPOP=given or "x")
    assert answer.json()["error"] == "invalid_dpop_proof"
