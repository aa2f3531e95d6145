"""The FAPI 2.0 security profile from end to end: pushed requests, signed assertions, tokens bound to a key by DPoP."""

from __future__ import annotations

import base64
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client as Browser
from django.utils import timezone
from joserfc.jwk import ECKey

from tests.doors.oidc.relying_party import CALLBACK, RelyingParty, answered, make_party
from tests.doors.oidc.signed_tokens import ASSERTION, assertion_claims, signed
from tests.world import World
from watchword.applications.models import AuthorizationCode, AuthorizationRequest, ClientKind, Token, TokenKind


def new_key(kid: str = "1") -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid}, private=True)


class Bank:
    """A strict client with its own key, and the key that its tokens are bound to."""

    def __init__(self, world: World, name: str = "Bank") -> None:
        self.key, self.dpop = new_key(), new_key()
        keys = {"keys": [self.key.as_dict(private=False)]}
        self.party: RelyingParty = make_party(world, name, kind=ClientKind.STRICT, jwks=keys, signing_algorithm="ES256")

    def proof(self, method: str, name: str, *, key: ECKey | None = None, token: str = "", **changes: Any) -> str:
        key = key or self.dpop
        claims = {
            "htm": method,
            "htu": f"{self.party.issuer}/{name}",
            "iat": int(timezone.now().timestamp()),
            "jti": str(uuid4()),
        }
        if token:
            claims["ath"] = base64.urlsafe_b64encode(sha256(token.encode()).digest()).rstrip(b"=").decode()
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.as_dict(private=False)}
        header["jwk"].pop("kid", None)  # type: ignore[attr-defined]  # it is a dictionary
        return signed(header, claims | changes, key)

    def post(self, name: str, fields: dict[str, str], *, proof: str | None = None, **claims: Any) -> Any:
        assertion = signed({"alg": "ES256", "kid": "1"}, assertion_claims(self.party, **claims), self.key)
        headers = {"HTTP_DPOP": proof} if proof else {}
        whole = {**fields, "client_assertion_type": ASSERTION, "client_assertion": assertion}
        return self.party.post(name, whole, **headers)

    def bring(self, browser: Browser, uri: str) -> Any:
        return browser.get(self.party.path("authorize"), {"client_id": self.party.client.client_id, "request_uri": uri})

    def code(self, browser: Browser, *, proof: str | None = None, **changes: str | None) -> str:
        pushed = self.post("par", self.party.request(**changes), proof=proof)
        assert pushed.status_code == 201, pushed.content
        return answered(self.bring(browser, pushed.json()["request_uri"]))["code"]

    def exchange(self, code: str, *, key: ECKey | None = None, proof: str = "", **changes: str) -> Any:
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        fields |= {"code_verifier": self.party.verifier} | changes
        return self.post("token", fields, proof=proof or self.proof("POST", "token", key=key))

    def refresh(self, token: str, key: ECKey | None = None) -> Any:
        fields = {"grant_type": "refresh_token", "refresh_token": token}
        return self.post("token", fields, proof=self.proof("POST", "token", key=key))

    def userinfo(self, token: str, proof: str, scheme: str = "DPoP") -> Any:
        return Browser().get(self.party.path("userinfo"), HTTP_AUTHORIZATION=f"{scheme} {token}", HTTP_DPOP=proof)


@pytest.fixture
def bank(world: World) -> Bank:
    return Bank(world)


def test_a_strict_client_signs_a_person_in_and_stays(world: World, bank: Bank, alice: Browser) -> None:
    tokens = bank.exchange(bank.code(alice, scope="openid email offline_access")).json()
    assert tokens["token_type"] == "DPoP"
    assert bank.party.claims(tokens["id_token"])["sub"] == str(world.alice.pk)
    access = tokens["access_token"]
    for scheme in ("DPoP", "dpop", "DPOP"):
        answer = bank.userinfo(access, bank.proof("GET", "userinfo", token=access), scheme)
        assert answer.json()["email"] == "alice@harbour.example"
    again = [bank.refresh(tokens["refresh_token"]).json() for _ in range(2)]
    assert "refresh_token" not in again[0], "bound to the key instead of rotated"
    assert len({each["access_token"] for each in again} | {access}) == 3
    assert Token.objects.filter(kind=TokenKind.REFRESH).count() == 1
    asked = bank.post("introspect", {"token": access}).json()
    assert asked["cnf"] == {"jkt": bank.dpop.thumbprint()}
    assert asked["token_type"] == "DPoP"


def test_a_bound_token_is_worth_nothing_without_its_key(world: World, bank: Bank, alice: Browser) -> None:
    tokens = bank.exchange(bank.code(alice, scope="openid offline_access")).json()
    access, mallory = tokens["access_token"], new_key()
    wrong = [
        Browser().get(bank.party.path("userinfo"), HTTP_AUTHORIZATION=f"Bearer {access}"),
        Browser().get(bank.party.path("userinfo"), HTTP_AUTHORIZATION=f"DPoP {access}"),
        bank.userinfo(access, bank.proof("GET", "userinfo", token=access), "Bearer"),
        bank.userinfo(access, bank.proof("GET", "userinfo", token=access, key=mallory)),
        bank.userinfo(access, bank.proof("GET", "userinfo", token="another")),
        bank.userinfo(access, bank.proof("GET", "userinfo")),
        bank.userinfo(access, bank.proof("POST", "userinfo", token=access)),
        bank.userinfo(access, bank.proof("GET", "token", token=access)),
    ]
    assert [answer.status_code for answer in wrong] == [401] * len(wrong)
    once = bank.proof("GET", "userinfo", token=access)
    assert [bank.userinfo(access, once).status_code for _ in range(2)] == [200, 401]
    assert bank.refresh(tokens["refresh_token"], mallory).json()["error"] == "invalid_grant"
    assert bank.refresh(tokens["refresh_token"]).status_code == 200
    without = bank.post("token", {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]})
    assert without.json()["error"] == "invalid_dpop_proof"


def test_a_code_may_be_bound_to_a_key_before_it_is_given(bank: Bank, alice: Browser) -> None:
    """RFC 9449 section 10: by a proof at the pushed request, or its thumbprint as dpop_jkt."""
    for bind in ({"proof": bank.proof("POST", "par")}, {"dpop_jkt": bank.dpop.thumbprint()}):
        assert bank.exchange(bank.code(alice, **bind), key=new_key()).json()["error"] == "invalid_grant"
    for bind in ({"proof": bank.proof("POST", "par")}, {"dpop_jkt": bank.dpop.thumbprint()}):
        assert bank.exchange(bank.code(alice, **bind)).status_code == 200
    request = bank.party.request(dpop_jkt=new_key().thumbprint())
    answer = bank.post("par", request, proof=bank.proof("POST", "par"))
    assert answer.json()["error"] == "invalid_dpop_proof"


@pytest.mark.parametrize("seconds", [-10, 0, 10])
def test_clocks_may_differ_a_little(bank: Bank, alice: Browser, seconds: int) -> None:
    """A proof or an assertion from ten seconds ago or ahead is taken; nbf and exp of a proof don't harm it."""
    now = int(timezone.now().timestamp())
    proof = bank.proof("POST", "token", iat=now + seconds, nbf=now, exp=now + 300)
    assert bank.exchange(bank.code(alice), proof=proof).status_code == 200
    assert bank.post("par", bank.party.request(), nbf=now + 8, iat=now + 8).status_code == 201
    assert bank.post("par", bank.party.request(), nbf=now + 90).json()["error"] == "invalid_client"
    assert bank.post("par", bank.party.request(), exp=now - 300).json()["error"] == "invalid_client"


def test_a_strict_client_must_push_its_requests(bank: Bank, alice: Browser) -> None:
    back = answered(bank.party.authorize(alice))
    assert back["error"] == "invalid_request"
    assert back["iss"] == bank.party.issuer


def test_a_pushed_request_holds_against_the_browser(world: World, bank: Bank, alice: Browser) -> None:
    """What the browser adds is ignored; a request_uri that was used, is old, or another client's is refused."""
    uri = bank.post("par", bank.party.request(state="pushed")).json()["request_uri"]
    other = Bank(world, "Other bank")
    assert other.bring(alice, uri).status_code == 400
    asked = {"client_id": bank.party.client.client_id, "request_uri": uri, "state": "beside", "nonce": "beside"}
    back = answered(alice.get(bank.party.path("authorize"), asked))
    assert back["state"] == "pushed"
    tokens = bank.exchange(back["code"]).json()
    assert bank.party.claims(tokens["id_token"])["nonce"] == "n-0S6_WzA2Mj"
    assert bank.bring(alice, uri).status_code == 400
    uri = bank.post("par", bank.party.request()).json()["request_uri"]
    AuthorizationRequest.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert bank.bring(alice, uri).status_code == 400


@pytest.mark.parametrize("changes", [{"state": None}, {"nonce": None}, {"nonce": "n" * 64}, {"nonce": "n" * 384}])
def test_state_and_nonce_may_be_long_or_missing(bank: Bank, alice: Browser, changes: dict[str, Any]) -> None:
    tokens = bank.exchange(bank.code(alice, **changes)).json()
    expected = changes.get("nonce", "n-0S6_WzA2Mj")
    assert bank.party.claims(tokens["id_token"]).get("nonce") == expected
    assert bank.exchange(bank.code(alice, scope="email openid")).status_code == 200
    assert "code" in answered(bank.bring(alice, _pushed(bank, state="s" * 384)))


def _pushed(bank: Bank, **changes: str) -> str:
    return str(bank.post("par", bank.party.request(**changes)).json()["request_uri"])


def test_a_code_of_a_strict_client_is_its_own_once_and_for_a_minute(world: World, bank: Bank, alice: Browser) -> None:
    other = Bank(world, "Other bank")
    other.party.verifier = bank.party.verifier
    assert other.exchange(bank.code(alice)).json()["error"] == "invalid_grant"
    code = bank.code(alice)
    tokens = bank.exchange(code).json()
    assert bank.exchange(code).json()["error"] == "invalid_grant"
    access = tokens["access_token"]
    assert bank.userinfo(access, bank.proof("GET", "userinfo", token=access)).status_code == 401
    code = bank.code(alice)
    AuthorizationCode.objects.update(expires_at=timezone.now())
    assert bank.exchange(code).json()["error"] == "invalid_grant"
    for verifier in ("", "x" * 43):
        answer = bank.exchange(bank.code(alice), code_verifier=verifier)
        assert answer.status_code == 400
        assert "access_token" not in answer.json()


def test_who_sends_the_id_of_another_client_is_refused(world: World, bank: Bank, alice: Browser) -> None:
    other = Bank(world, "Other bank")
    code = bank.code(alice)
    client_id = other.party.client.client_id
    answer = bank.exchange(code, client_id=client_id)
    assert answer.json().get("error") in {"invalid_client", "invalid_grant", "invalid_request"}
    forged = bank.post("token", {"grant_type": "authorization_code", "code": code}, iss=client_id, sub=client_id)
    assert forged.json()["error"] in {"invalid_client", "invalid_grant"}


def test_a_person_who_goes_back_is_told_as_access_denied(bank: Bank) -> None:
    page = bank.bring(Browser(), _pushed(bank))
    assert page["Location"].startswith("/sign-in/?next=")
    here = page["Location"].partition("next=")[2].replace("%2F", "/").partition("&")[0]
    assert answered(Browser().get(f"{here}?leave=1"))["error"] == "access_denied"
