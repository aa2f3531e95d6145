"""The authorization code flow of OpenID Connect, from the app's request to its tokens and their end."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from tests.doors.oidc.relying_party import RelyingParty, answered, make_party
from tests.world import World, sign_in
from watchword.applications.models import AuthorizationCode, ClientKind, SubjectType, Token
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.directory import applications, groups
from watchword.signin import actions, sessions
from watchword.signin.models import AppSignIn, Session


def test_a_signed_in_person_comes_back_with_a_code_that_gives_tokens(
    world: World, wiki: RelyingParty, alice: Browser
) -> None:
    back = answered(wiki.authorize(alice))
    assert back["state"] == "xyz"
    assert back["iss"] == wiki.issuer
    tokens: dict[str, Any] = wiki.exchange(back["code"]).json()
    assert tokens["token_type"] == "Bearer"
    claims = wiki.claims(tokens["id_token"])
    assert claims["iss"] == wiki.issuer
    assert claims["aud"] == wiki.client.client_id
    assert claims["nonce"] == "n-0S6_WzA2Mj"
    assert claims["sub"] == str(world.alice.pk)
    assert claims["email"] == "alice@harbour.example"
    assert claims["acr"] == "urn:watchword:acr:two"
    assert claims["amr"] == ["mfa", "pwd", "sms"]
    answer = Browser().get(wiki.path("userinfo"), HTTP_AUTHORIZATION=f"Bearer {tokens['access_token']}")
    assert answer.json()["preferred_username"] == "alice@harbour.example"
    allowed = Event.objects.get(kind=EventKind.SIGN_IN_ALLOWED, door="oidc")
    assert allowed.details["app"] == "Wiki"


def test_nothing_that_opens_anything_is_stored_readable(wiki: RelyingParty, alice: Browser) -> None:
    code = wiki.code(alice, scope="openid offline_access")
    tokens = wiki.exchange(code).json()
    secrets = [code, tokens["access_token"], tokens["refresh_token"], wiki.secret]
    rows = [str(vars(row)) for model in (AuthorizationCode, Token) for row in model._default_manager.all()]
    assert not [secret for secret in secrets for row in rows if secret in row]


def test_a_stranger_signs_in_first_and_the_request_goes_on(wiki: RelyingParty) -> None:
    response = wiki.authorize(Browser(), login_hint="alice@harbour.example")
    assert response["Location"].startswith("/sign-in/?next=%2F")
    assert "name=alice%40harbour.example" in response["Location"]


def test_a_code_is_used_once_and_its_tokens_end_when_it_comes_again(wiki: RelyingParty, alice: Browser) -> None:
    code = wiki.code(alice)
    tokens = wiki.exchange(code).json()
    assert wiki.introspect(tokens["access_token"])["active"] is True
    again = wiki.exchange(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert wiki.introspect(tokens["access_token"]) == {"active": False}
    assert Event.objects.get(kind=EventKind.APP_TOKEN_REUSED).reason == "code_reused"


def test_a_code_is_for_its_client_its_address_and_its_verifier(
    world: World, wiki: RelyingParty, alice: Browser
) -> None:
    other = make_party(world, "Chat")
    other.verifier = wiki.verifier
    for attempt in (
        other.exchange,
        lambda code: wiki.exchange(code, redirect_uri="https://wiki.example/other"),
        lambda code: wiki.exchange(code, code_verifier="v" * 43),
        lambda code: wiki.exchange(code, code_verifier=""),
    ):
        answer = attempt(wiki.code(alice))
        assert answer.status_code == 400, answer.content
        assert "access_token" not in answer.json()


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
    ],
)
def test_a_request_without_an_s256_challenge_is_refused(
    wiki: RelyingParty, alice: Browser, changes: dict[str, Any]
) -> None:
    assert answered(wiki.authorize(alice, **changes))["error"] == "invalid_request"


@pytest.mark.parametrize(
    "address",
    [
        "https://wiki.example/callback/",
        "https://wiki.example/callback?x=1",
        "https://wiki.example/callback#x",
        "https://wiki.example/callbackmore",
        "https://wiki.example/Callback",
        "https://WIKI.example/callback",
        "https://wiki.example:443/callback",
        "https://wiki.example@evil.example/callback",
        "https://evil.example/callback",
        "http://wiki.example/callback",
        "https://wiki.example/callback\"'<>",
        "javascript:alert(1)",
        "",
    ],
)
def test_an_unregistered_address_gets_a_page_and_no_redirect(wiki: RelyingParty, alice: Browser, address: str) -> None:
    response = wiki.authorize(alice, redirect_uri=address)
    assert response.status_code == 400
    assert "Location" not in response
    assert "redirect_uri" in response.content.decode()


def test_prompt_none_answers_without_a_page(world: World, wiki: RelyingParty, alice: Browser) -> None:
    assert answered(wiki.authorize(Browser(), prompt="none"))["error"] == "login_required"
    assert "code" in answered(wiki.authorize(alice, prompt="none"))
    app = wiki.client.app
    app.for_everyone = False
    app.save()
    assert answered(wiki.authorize(alice, prompt="none"))["error"] == "access_denied"


def test_prompt_login_and_max_age_ask_for_a_new_proof(world: World, wiki: RelyingParty) -> None:
    browser = Browser()
    sign_in(browser, world.alice, ago=timedelta(minutes=3))
    for changes in ({"prompt": "login"}, {"max_age": "0"}, {"max_age": "60"}):
        response = wiki.authorize(browser, **changes)
        assert response["Location"].startswith("/sign-in/confirm/?next="), changes
        assert browser.get(response["Location"]).status_code == 200
        assert answered(wiki.authorize(browser, **changes, **({} if "prompt" in changes else {"prompt": "none"})))
    assert "code" in answered(wiki.authorize(browser, max_age="600"))


def test_an_app_that_asks_for_two_factors_gets_them_or_an_error(world: World, wiki: RelyingParty) -> None:
    carol = Browser()
    sign_in(carol, world.carol)
    asked = {"acr_values": "urn:watchword:acr:two"}
    assert answered(wiki.authorize(carol, **asked))["error"] == "unmet_authentication_requirements"
    assert wiki.claims(wiki.tokens(carol)["id_token"])["acr"] == "urn:watchword:acr:one"


def test_an_app_for_a_group_is_for_its_members(world: World, wiki: RelyingParty, alice: Browser) -> None:
    group = groups.create_group(world.organisation, "Drivers", by=None, now=world.now)
    app = wiki.client.app
    settings = applications.AppSettings("Wiki", for_everyone=False)
    applications.change_app(app, settings, groups=[group], by=None, now=world.now)
    response = wiki.authorize(alice)
    assert response.status_code == 403
    assert "isn't for you" in response.content.decode()
    assert Event.objects.get(kind=EventKind.SIGN_IN_DENIED).reason == "not_assigned"
    groups.add_members(group, [world.alice], by=None, now=world.now)
    assert "code" in answered(wiki.authorize(alice))


def test_a_refresh_token_is_exchanged_once_and_reuse_ends_the_sign_in(
    wiki: RelyingParty, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = wiki.tokens(alice, scope="openid offline_access")
    second = wiki.refresh(first["refresh_token"]).json()
    assert wiki.introspect(second["access_token"])["active"] is True
    retry = wiki.refresh(first["refresh_token"])
    assert retry.json()["error"] == "invalid_grant"
    assert wiki.introspect(second["access_token"])["active"] is True, "an honest client's second try ends nothing"
    Token.objects.exclude(used_at=None).update(used_at=timezone.now() - timedelta(seconds=11))
    assert wiki.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert wiki.introspect(second["access_token"]) == {"active": False}
    assert wiki.refresh(second["refresh_token"]).status_code == 400


def test_a_refresh_widens_nothing(wiki: RelyingParty, alice: Browser) -> None:
    tokens = wiki.tokens(alice, scope="openid offline_access")
    answer = wiki.refresh(tokens["refresh_token"], scope="openid email")
    assert answer.json()["error"] == "invalid_scope"
    assert wiki.refresh(tokens["refresh_token"], scope="openid").json()["scope"] == "openid"


@pytest.mark.parametrize(
    "how", ["sign out", "sign out everywhere", "block", "disable the app", "take out of the group"]
)
def test_what_ends_access_ends_every_token(world: World, wiki: RelyingParty, alice: Browser, how: str) -> None:
    app = wiki.client.app
    group = groups.create_group(world.organisation, "Drivers", by=None, now=world.now)
    groups.add_members(group, [world.alice], by=None, now=world.now)
    applications.change_app(
        app, applications.AppSettings("Wiki", for_everyone=False), groups=[group], by=None, now=world.now
    )
    tokens = wiki.tokens(alice)
    now = timezone.now()
    match how:
        case "sign out":
            session = Session.objects.get(user=world.alice)
            sessions.end(world.alice, session.pk, by=world.alice, because="signed_out", now=now)
        case "sign out everywhere":
            actions.sign_out_everywhere(world.alice, by=None, now=now)
        case "block":
            actions.block(world.alice, by=None, now=now)
        case "disable the app":
            applications.set_app_enabled(app, is_enabled=False, by=None, now=now)
        case "take out of the group":
            groups.remove_members(group, [world.alice], by=None, now=now)
    answer = wiki.refresh(tokens["refresh_token"])
    assert answer.status_code in {400, 401}
    if how not in {"take out of the group", "disable the app"}:
        assert wiki.introspect(tokens["access_token"]) == {"active": False}
        assert AppSignIn.objects.get().logout_due_at is not None


def test_an_offline_sign_in_outlives_its_session_and_not_a_sign_out_everywhere(
    world: World, wiki: RelyingParty, alice: Browser
) -> None:
    tokens = wiki.tokens(alice, scope="openid offline_access")
    session = Session.objects.get(user=world.alice)
    sessions.end(world.alice, session.pk, by=world.alice, because="signed_out", now=timezone.now())
    tokens = wiki.refresh(tokens["refresh_token"]).json()
    assert wiki.introspect(tokens["access_token"])["active"] is True
    actions.sign_out_everywhere(world.alice, by=None, now=timezone.now())
    assert wiki.refresh(tokens["refresh_token"]).status_code == 400


def test_two_apps_with_pairwise_subjects_see_two_people(world: World, alice: Browser) -> None:
    parties = [make_party(world, name, subject_type=SubjectType.PAIRWISE) for name in ("Wiki", "Chat")]
    subjects = {party.claims(party.tokens(alice)["id_token"])["sub"] for party in parties}
    assert len(subjects) == 2
    assert str(world.alice.pk) not in subjects


def test_a_client_proves_who_it_is_in_one_way(wiki: RelyingParty, alice: Browser) -> None:
    code = wiki.code(alice)
    wrong = wiki.post("token", {"grant_type": "authorization_code", "code": code}, HTTP_AUTHORIZATION="Basic eDp5")
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    both = wiki.exchange(code, client_id=wiki.client.client_id, client_secret=wiki.secret)
    assert (both.status_code, both.json()["error"]) == (400, "invalid_request")
    address = f"{wiki.path('token')}?client_secret={wiki.secret}"
    in_address = Browser().post(
        address, "grant_type=authorization_code", content_type="application/x-www-form-urlencoded"
    )
    assert in_address.json()["error"] == "invalid_request"
    assert wiki.exchange(code).status_code == 200


def test_a_public_client_needs_no_secret_and_the_person_agrees(world: World, alice: Browser) -> None:
    native = make_party(world, "Mail program", kind=ClientKind.PUBLIC, redirect_uris=["http://127.0.0.1/callback"])
    address = "http://127.0.0.1:43117/callback"
    page = native.authorize(alice, redirect_uri=address)
    assert page.status_code == 200
    assert "form-action 'self' http://127.0.0.1:43117" in page["Content-Security-Policy"]
    here = re.findall(r'action="(/[^"]+/authorize/[^"]+)"', page.content.decode())[0]
    assert answered(alice.post(here, {"deny": "1"}))["error"] == "access_denied"
    page = native.authorize(alice, redirect_uri=address)
    here = re.findall(r'action="(/[^"]+/authorize/[^"]+)"', page.content.decode())[0]
    code = answered(alice.post(here, {"allow": "1"}))["code"]
    tokens = native.exchange(code, redirect_uri=address).json()
    assert native.claims(tokens["id_token"])["email"] == "alice@harbour.example"
    assert alice.post(here, {"allow": "1"}).status_code == 400, "a request gives one code"
