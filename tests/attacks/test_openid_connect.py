"""Attacks on the OpenID Connect provider: codes, refresh tokens, logout, consent, keys."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.test import Client as Browser
from django.utils import timezone
from joserfc import jwt

from tests.doors.oidc.relying_party import CALLBACK, RelyingParty, answered, is_refused, make_party
from tests.world import World, sign_in
from watchword.applications import clients, signing_keys
from watchword.applications.models import (
    AuthorizationCode,
    Client,
    ClientKind,
    Token,
)
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.policy import MfaState
from watchword.directory import applications
from watchword.signin import actions
from watchword.signin.models import Session


def test_oid_07_a_request_without_a_challenge_gets_no_code(world: World, wiki: RelyingParty, alice: Browser) -> None:
    """Without a code challenge there is no code, for confidential and public clients, pushed or not."""
    without = {"code_challenge": None, "code_challenge_method": None}
    assert answered(wiki.authorize(alice, **without))["error"] == "invalid_request"
    is_refused(wiki.post("par", wiki.request(**without)), "invalid_request")
    public = make_party(world, "Phone", kind=ClientKind.PUBLIC)
    assert answered(public.authorize(alice, **without))["error"] == "invalid_request"
    assert not AuthorizationCode.objects.exists()


def test_oid_08_a_challenge_can_not_be_weakened(world: World, wiki: RelyingParty, alice: Browser) -> None:
    """Neither the method plain, nor a missing verifier, nor a verifier without a challenge is taken."""
    for method in ("plain", "s256", "S512", "none", None):
        back = answered(wiki.authorize(alice, code_challenge=wiki.verifier, code_challenge_method=method))
        assert back["error"] == "invalid_request", method
    for verifier in ("", wiki.challenge, "x" * 43, wiki.verifier[:-1], wiki.verifier + "x"):
        answer = wiki.exchange(wiki.code(alice), code_verifier=verifier)
        assert answer.status_code == 400, verifier
        assert "access_token" not in answer.json()
    exempt = make_party(world, "Old webmail", pkce_exempt=True)
    code = exempt.code(alice, code_challenge=None, code_challenge_method=None)
    assert exempt.exchange(code).status_code == 400, "a verifier without a challenge: the challenge was taken out"
    code = exempt.code(alice)
    assert exempt.exchange(code, code_verifier="").status_code == 400, "a challenge binds an exempt client, too"
    code = exempt.code(alice, code_challenge=None, code_challenge_method=None)
    assert exempt.exchange(code, code_verifier="").status_code == 200


def test_oid_09_a_stolen_code_is_worth_nothing_elsewhere(world: World, wiki: RelyingParty, alice: Browser) -> None:
    """A code is bound to its client, redirect address, verifier and nonce."""
    other = make_party(world, "Chat")
    other.verifier = wiki.verifier
    is_refused(other.exchange(wiki.code(alice)))
    is_refused(wiki.exchange(wiki.code(alice), redirect_uri="https://wiki.example/second"))
    assert wiki.exchange(wiki.code(alice), redirect_uri="").status_code == 400
    mallory = make_party(world, "Mallory's browser")
    assert wiki.exchange(wiki.code(alice), code_verifier=mallory.verifier).status_code == 400
    tokens = wiki.exchange(wiki.code(alice, nonce="of-alice")).json()
    assert wiki.claims(tokens["id_token"])["nonce"] == "of-alice", "by which the app notices a code of another session"


@pytest.mark.parametrize("seconds", [0, 30, 3_600])
def test_oid_10_a_code_that_comes_again_ends_its_tokens(wiki: RelyingParty, alice: Browser, seconds: int) -> None:
    """A code used twice, at once or later, is refused and ends the tokens of its first use."""
    code = wiki.code(alice, scope="openid offline_access")
    tokens = wiki.exchange(code).json()
    earlier = timezone.now() - timedelta(seconds=seconds)
    AuthorizationCode.objects.update(used_at=earlier, expires_at=earlier + timedelta(seconds=60))
    is_refused(wiki.exchange(code))
    assert wiki.introspect(tokens["access_token"]) == {"active": False}
    is_refused(wiki.refresh(tokens["refresh_token"]))
    assert Event.objects.get(kind=EventKind.APP_TOKEN_REUSED).reason == "code_reused"


def test_oid_10_a_code_lives_for_a_minute(wiki: RelyingParty, alice: Browser) -> None:
    code = wiki.code(alice)
    AuthorizationCode.objects.update(expires_at=timezone.now())
    is_refused(wiki.exchange(code))


def test_oid_12_a_refresh_token_that_comes_again_ends_the_family(wiki: RelyingParty, alice: Browser) -> None:
    """A refresh token that was exchanged and comes again ends every token of the sign-in, and raises an event."""
    first = wiki.tokens(alice, scope="openid offline_access")
    second = wiki.refresh(first["refresh_token"]).json()
    third = wiki.refresh(second["refresh_token"]).json()
    Token.objects.exclude(used_at=None).update(used_at=timezone.now() - timedelta(minutes=1))
    is_refused(wiki.refresh(first["refresh_token"]))
    is_refused(wiki.refresh(third["refresh_token"]))
    for tokens in (first, second, third):
        assert wiki.introspect(tokens["access_token"]) == {"active": False}
    event = Event.objects.get(kind=EventKind.APP_TOKEN_REUSED)
    assert (event.reason, event.details["app"]) == ("refresh_token_reused", "Wiki")


def test_oid_12_another_client_can_not_end_a_family(world: World, wiki: RelyingParty, alice: Browser) -> None:
    tokens = wiki.tokens(alice, scope="openid offline_access")
    other = make_party(world, "Chat")
    is_refused(other.refresh(tokens["refresh_token"]))
    assert other.post("revoke", {"token": tokens["refresh_token"]}).status_code == 200
    assert wiki.refresh(tokens["refresh_token"]).status_code == 200


def test_oid_14_a_revoked_token_stays_revoked(wiki: RelyingParty, alice: Browser) -> None:
    """What was revoked is refused ever after: the fact lies in the database, and no process remembers otherwise."""
    tokens = wiki.tokens(alice, scope="openid offline_access")
    assert wiki.post("revoke", {"token": tokens["refresh_token"]}).status_code == 200
    signing_keys._parsed.clear()
    for _ in range(2):
        is_refused(wiki.refresh(tokens["refresh_token"]))
        assert wiki.introspect(tokens["access_token"]) == {"active": False}
        assert wiki.introspect(tokens["refresh_token"]) == {"active": False}


@pytest.mark.parametrize(
    "how", ["block", "delete", "enforce", "disable the app", "end the secret", "take refresh away"]
)
def test_oid_15_a_refresh_after_a_change_is_refused(world: World, how: str) -> None:
    """No refresh for a person who was blocked or whose factors no longer suffice, or a client that was disabled."""
    carol = Browser()
    sign_in(carol, world.carol)
    wiki = make_party(world)
    tokens = wiki.tokens(carol, scope="openid offline_access")
    now, client = timezone.now(), wiki.client
    match how:
        case "block":
            actions.block(world.carol, by=None, now=now)
        case "delete":
            actions.delete(world.carol, by=None, now=now)
        case "enforce":
            actions.set_mfa_state(world.carol, MfaState.ENFORCED, by=None, now=now)
        case "disable the app":
            applications.set_app_enabled(client.app, is_enabled=False, by=None, now=now)
        case "end the secret":
            assert clients.end_secret(client, client.secrets.get().pk, by=None, now=now)
        case "take refresh away":
            Client.objects.filter(pk=client.pk).update(allows_refresh=False)
    answer = wiki.refresh(tokens["refresh_token"])
    assert answer.status_code in {400, 401}, answer.content
    assert "access_token" not in answer.json()


def test_oid_16_a_refresh_and_a_response_mode_widen_nothing(world: World, wiki: RelyingParty, alice: Browser) -> None:
    """Neither scope nor audience grow at a refresh, and an unknown response mode is refused."""
    tokens = wiki.tokens(alice, scope="openid offline_access")
    is_refused(wiki.refresh(tokens["refresh_token"], scope="openid email"), "invalid_scope")
    other = make_party(world, "Chat", introspects=False)
    narrowed = wiki.refresh(
        tokens["refresh_token"], scope="openid", audience=other.client.client_id, resource="https://chat.example/"
    ).json()
    assert narrowed["scope"] == "openid"
    assert wiki.claims(narrowed["id_token"])["aud"] == wiki.client.client_id
    assert other.introspect(narrowed["access_token"]) == {"active": False}
    again = wiki.refresh(narrowed["refresh_token"]).json()
    assert again["scope"] == "openid offline_access", "what a narrower token left out isn't lost"
    for mode in ("web_message", "jwt", "query.jwt", "form_post.jwt", "FORM_POST", "x"):
        back = answered(wiki.authorize(alice, response_mode=mode))
        assert (back["error"], "code" in back) == ("invalid_request", False), mode
    asked = wiki.tokens(alice, scope="openid mail groups admin *")
    assert asked["scope"] == "openid", "scopes that the client isn't registered for are left out"


@pytest.mark.parametrize("mode", ["query", "fragment", "form_post"])
def test_oid_17_each_answer_names_its_issuer(wiki: RelyingParty, alice: Browser, mode: str) -> None:
    """Codes and errors carry the issuer (RFC 9207), so that an app with two providers can't mix them up."""

    def told(response: Any) -> dict[str, str]:
        if mode == "form_post":
            return dict(re.findall(r'name="(\w+)" value="([^"]*)"', response.content.decode()))
        parts = urlsplit(response["Location"])
        return dict(parse_qsl(parts.fragment if mode == "fragment" else parts.query))

    good = told(wiki.authorize(alice, response_mode=mode))
    bad = told(wiki.authorize(alice, response_mode=mode, prompt="none login"))
    assert (good["iss"], good["state"], "code" in good) == (wiki.issuer, "xyz", True)
    assert (bad["iss"], bad["state"], bad["error"]) == (wiki.issuer, "xyz", "invalid_request")


def test_oid_18_no_page_signs_a_person_out_unasked(world: World, wiki: RelyingParty, alice: Browser) -> None:
    """Without an ID token of this session, or with a modified one, the person is asked before the session ends."""
    token = wiki.tokens(alice)["id_token"]
    carol = Browser()
    sign_in(carol, world.carol)
    others = [None, token[:-2] + ("AA" if token[-2:] != "AA" else "BB"), "x.y.z", wiki.tokens(carol)["id_token"]]
    for method in (alice.get, alice.post):
        for hint in others:
            fields = {"client_id": wiki.client.client_id} | ({"id_token_hint": hint} if hint else {})
            page = method(wiki.path("logout"), fields)
            assert page.status_code == 200
            assert "Sign out?" in page.content.decode()
    forged = Browser(enforce_csrf_checks=True)
    forged.cookies = alice.cookies
    assert "Sign out?" in forged.post(wiki.path("logout"), {"confirmed": "1"}).content.decode()
    assert Session.objects.get(user=world.alice).ended_at is None
    alice.get(wiki.path("logout"), {"id_token_hint": token})
    assert Session.objects.get(user=world.alice).ended_at is not None


def test_oid_19_consent_can_not_be_given_by_another_page(world: World, alice: Browser) -> None:
    """Consent needs our own form: it can't be framed, forged, or be moved from one client to another."""
    asked = {"asks_consent": True}
    wiki, chat = make_party(world, app=asked), make_party(world, "Chat", app=asked)
    page = wiki.authorize(alice)
    policy = page["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' https://wiki.example" in policy
    assert "https://chat.example" not in policy
    here = re.findall(r'action="(/[^"]+/authorize/[^"]+)"', page.content.decode())[0]
    forged = Browser(enforce_csrf_checks=True)
    forged.cookies = alice.cookies
    assert forged.post(here, {"allow": "1"}).status_code == 403
    chat_page = chat.authorize(alice)
    swapped = here.rsplit("/", 2)[0] + "/" + "x" * 43 + "/"
    assert alice.post(swapped, {"allow": "1"}).status_code == 400
    assert not AuthorizationCode.objects.exists()
    response = alice.post(here, {"allow": "1", "client_id": chat.client.client_id, "redirect_uri": "https://evil/"})
    assert response["Location"].startswith(CALLBACK)
    assert AuthorizationCode.objects.get().client == wiki.client
    assert "Chat" in chat_page.content.decode(), "each client asks for itself"
    assert alice.get(f"{wiki.path('authorize')}?{urlencode(chat.request(prompt='none'))}").status_code == 302
    assert answered(chat.authorize(alice, prompt="none"))["error"] == "consent_required"


def test_oid_27_discovery_names_one_issuer_whatever_the_host(wiki: RelyingParty) -> None:
    """Discovery and keys name the issuer of the public URL, or answer nothing, whatever Host a request has."""
    for name in (".well-known/openid-configuration", "jwks"):
        for headers in ({"HTTP_HOST": "evil.example"}, {"HTTP_X_FORWARDED_HOST": "evil.example"}):
            answer = Browser().get(wiki.path(name), **headers)  # type: ignore[arg-type]  # headers, not an option
            assert "evil.example" not in answer.content.decode()
            assert answer.status_code in {200, 400}
    plain = Browser().get(wiki.path(".well-known/openid-configuration")).json()
    forwarded = Browser().get(wiki.path(".well-known/openid-configuration"), HTTP_X_FORWARDED_HOST="evil.example")
    assert forwarded.json() == plain
    assert plain["issuer"] == wiki.issuer


def test_oid_28_a_new_key_is_published_a_day_before_it_signs(world: World, wiki: RelyingParty, alice: Browser) -> None:
    """A key is published before it signs, and stays published until the last token that it signed is over."""
    old = wiki.tokens(alice)["id_token"]
    assert len(Browser().get(wiki.path("jwks")).json()["keys"]) == 2, "one of each kind"
    now = timezone.now()
    signing_keys.rotate(world.organisation, now=now)
    published = {key["kid"] for key in Browser().get(wiki.path("jwks")).json()["keys"]}
    assert len(published) == 4, "two kinds, each with the old and the new one"

    def signed_by(later: timedelta) -> str:
        token = signing_keys.sign(world.organisation, "RS256", {"sub": "x"}, kind="JWT", now=now + later)
        return str(jwt.decode(token, signing_keys.published(world.organisation)).header["kid"])

    def kept(later: timedelta) -> set[str]:
        signing_keys.keep_current(now=now + later)
        return {str(key.kid) for key in signing_keys.published(world.organisation).keys}

    first = signed_by(timedelta(0))
    assert signed_by(timedelta(hours=23, minutes=59)) == first, "clients that fetched the keys long ago still verify"
    second = signed_by(timedelta(hours=24, minutes=1))
    assert second != first
    assert {first, second} <= published
    assert first in kept(timedelta(days=2, hours=23)), "its last tokens may be in use"
    assert wiki.claims(old)["sub"] == str(world.alice.pk)
    assert first not in kept(timedelta(days=3, minutes=1))
    assert second in kept(timedelta(days=3, minutes=1))
