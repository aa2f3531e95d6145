"""Many requests of one app at one moment: a code, a refresh token, an assertion and a device code each work once."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client as Browser
from django.utils import timezone
from joserfc import jwt
from joserfc.jwk import ECKey

from tests.doors.oidc.relying_party import RelyingParty, answered, make_party
from tests.races.parallel import in_threads
from tests.world import World, make_world
from watchword.applications.models import AuthorizationCode, ClientKind, Token, TokenKind, UsedJti
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.signin.models import AppSignIn

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = 20
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture
def world(transactional_db: None) -> World:
    """Return the people of the tests, committed so that other connections see them."""
    return make_world()


def results(answers: list[Any]) -> list[str]:
    return sorted(str(answer.json().get("error", answer.status_code)) for answer in answers)


def test_oid_11_one_code_in_many_requests_gives_one_answer_and_then_nothing(wiki: RelyingParty, alice: Browser) -> None:
    """A code in twenty parallel requests is exchanged once, and the others end what it gave."""
    code = wiki.code(alice, scope="openid offline_access")
    answers = in_threads(AT_ONCE, lambda _which: wiki.exchange(code))
    assert results(answers) == ["200", *["invalid_grant"] * (AT_ONCE - 1)]
    tokens = next(answer.json() for answer in answers if answer.status_code == 200)
    assert wiki.introspect(tokens["access_token"]) == {"active": False}
    assert wiki.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert AppSignIn.objects.get().ended_because == "code_reused"
    assert Event.objects.filter(kind=EventKind.APP_TOKEN_REUSED).count() == 1


def test_oid_13_one_refresh_token_in_many_requests_has_one_successor(wiki: RelyingParty, alice: Browser) -> None:
    """A refresh token in twenty parallel requests of an honest client is exchanged once, and the sign-in goes on."""
    first = wiki.tokens(alice, scope="openid offline_access")
    answers = in_threads(AT_ONCE, lambda _which: wiki.refresh(first["refresh_token"]))
    assert results(answers) == ["200", *["invalid_grant"] * (AT_ONCE - 1)]
    assert Token.objects.filter(kind=TokenKind.REFRESH).count() == 2, "the first one and one successor"
    tokens = next(answer.json() for answer in answers if answer.status_code == 200)
    assert wiki.introspect(tokens["access_token"])["active"] is True
    assert wiki.refresh(tokens["refresh_token"]).status_code == 200


def test_oid_26_one_assertion_in_many_requests_is_taken_once(world: World) -> None:
    """A client assertion in twenty parallel requests authenticates one of them."""
    key = ECKey.generate_key("P-256", {"kid": "1"}, private=True)
    keys = {"keys": [key.as_dict(private=False)]}
    bank = make_party(world, "Bank", kind=ClientKind.STRICT, jwks=keys, signing_algorithm="ES256")
    now = int(timezone.now().timestamp())
    client_id = bank.client.client_id
    claims = {"iss": client_id, "sub": client_id, "aud": bank.issuer, "exp": now + 60, "jti": str(uuid4())}
    assertion = jwt.encode({"alg": "ES256", "kid": "1"}, claims, key)
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    request = bank.request() | {"client_assertion_type": kind, "client_assertion": assertion}
    answers = in_threads(AT_ONCE, lambda _which: bank.post("par", request))
    assert results(answers) == ["201", *["invalid_client"] * (AT_ONCE - 1)]
    assert UsedJti.objects.count() == 1


def test_one_pushed_request_gives_one_code(wiki: RelyingParty, alice: Browser) -> None:
    """A pushed request that many browsers bring at once is taken once (RFC 9126 section 4)."""
    pushed = wiki.post("par", wiki.request()).json()["request_uri"]
    asked = {"client_id": wiki.client.client_id, "request_uri": pushed}

    def bring(_which: int) -> Any:
        browser = Browser()
        browser.cookies = alice.cookies
        return browser.get(wiki.path("authorize"), asked)

    answers = in_threads(AT_ONCE, bring)
    assert sorted(answer.status_code for answer in answers) == [302, *[400] * (AT_ONCE - 1)]
    assert "code" in answered(next(answer for answer in answers if answer.status_code == 302))
    assert AuthorizationCode.objects.count() == 1


def test_one_device_code_gives_tokens_once(world: World, alice: Browser) -> None:
    party = make_party(world, "TV", allows_device_flow=True)
    begun = party.post("device_authorization", {"scope": "openid"}).json()
    alice.post("/device/", {"user_code": begun["user_code"], "allow": "1"})
    asked = {"grant_type": DEVICE_GRANT, "device_code": begun["device_code"]}
    answers = in_threads(AT_ONCE, lambda _which: party.post("token", asked))
    given = [answer for answer in answers if answer.status_code == 200]
    assert len(given) == 1, json.dumps(results(answers))
    assert Token.objects.filter(kind=TokenKind.ACCESS).count() == 1
