"""Attacks on who is signed in to an app: fewer factors, other people, other tenants, devices."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client as Browser
from django.utils import timezone

from tests.doors.oidc.relying_party import CALLBACK, RelyingParty, answered, is_refused, make_party
from tests.world import ORIGIN, World, evidence_for, give_password, make_organisation, sign_in
from watchword.applications.models import (
    AuthorizationCode,
    SubjectType,
)
from watchword.core.policy import FactorKind
from watchword.directory import actions as directory_actions
from watchword.directory.models import User
from watchword.doors.oidc import device_codes
from watchword.signin import actions, sessions
from watchword.signin.models import AppSignIn

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
TWO = "urn:watchword:acr:two"


@pytest.mark.breaks_invariants  # Root's session lacks the code that he has to type
def test_oid_29_a_device_is_decided_on_as_a_browser_is(world: World, alice: Browser) -> None:
    """A device gets no token for a person who is blocked, lacks a factor, or isn't assigned; codes can't be guessed."""
    party = make_party(world, "TV", allows_device_flow=True)
    begun = party.post("device_authorization", {"scope": "openid"}).json()
    assert alice.post("/device/", {"user_code": begun["user_code"], "allow": "1"}).status_code == 200
    actions.block(world.alice, by=None, now=timezone.now())
    is_refused(party.post("token", {"grant_type": DEVICE_GRANT, "device_code": begun["device_code"]}), "access_denied")
    begun = party.post("device_authorization", {"scope": "openid"}).json()
    half = Browser()
    sign_in(half, world.root, FactorKind.PASSWORD)
    assert half.post("/device/", {"user_code": begun["user_code"], "allow": "1"}).status_code in {302, 403}
    carol = Browser()
    sign_in(carol, world.carol)
    strict = make_party(
        world, "Vault", allows_device_flow=True, app={"second_factor_always": True, "for_everyone": True}
    )
    begun = strict.post("device_authorization", {"scope": "openid"}).json()
    assert carol.post("/device/", {"user_code": begun["user_code"], "allow": "1"}).status_code == 403
    assert AppSignIn.objects.count() == 1, "that of Alice, before she was blocked"
    for _ in range(device_codes.MOST_WRONG):
        carol.post("/device/", {"user_code": "BBBB-BBBB"})
    page = carol.post("/device/", {"user_code": begun["user_code"]}).content.decode()
    assert "Too many codes were wrong" in page


def test_oid_30_a_new_person_with_an_old_name_is_another_subject(world: World) -> None:
    """A name that is given to another person gives another subject, public or pairwise."""
    parties = [make_party(world), make_party(world, "Chat", subject_type=SubjectType.PAIRWISE)]

    def subjects(user: User) -> list[str]:
        browser = Browser()
        sign_in(browser, user)
        return [party.claims(party.tokens(browser)["id_token"])["sub"] for party in parties]

    before = subjects(world.carol)
    actions.delete(world.carol, by=world.root, now=timezone.now())
    gone = {"sign_in_name": "carol.gone@harbour.example"}
    directory_actions.edit_person(world.carol, gone, by=world.root, now=timezone.now())
    directory_actions.remove_alias(world.carol, "carol@harbour.example", by=world.root, now=timezone.now())
    name, now = "carol@harbour.example", timezone.now()
    namesake = directory_actions.create_person(
        world.organisation, sign_in_name=name, display_name="Carol", by=world.root, origin=ORIGIN, now=now
    )
    give_password(namesake, "another long passphrase")
    after = subjects(namesake)
    assert len({*before, *after}) == 4
    assert subjects(namesake) == after


def test_stp_04_a_half_done_sign_in_is_none_for_apps(world: World, wiki: RelyingParty) -> None:
    """The cookie of a sign-in that lacks its code opens no app, as session or otherwise."""
    browser = Browser()
    browser.post("/sign-in/", {"name": "alice@harbour.example"})
    browser.post("/sign-in/password/", {"answer": world.passwords["alice"]})
    assert answered(wiki.authorize(browser, prompt="none"))["error"] == "login_required"
    assert wiki.authorize(browser)["Location"].startswith("/sign-in/")
    for cookie in list(browser.cookies.values()):
        browser.cookies["__Host-watchword-session"] = cookie.value
        browser.cookies["watchword-session"] = cookie.value
    assert answered(wiki.authorize(browser, prompt="none"))["error"] == "login_required"
    assert not AuthorizationCode.objects.exists()


@pytest.mark.breaks_invariants  # her session lacks the code that she has to type
def test_stp_08_no_parameter_gives_a_token_with_fewer_factors(world: World, wiki: RelyingParty) -> None:
    """What an app asks for never lowers what the policy demands, and acr and amr say what was proven."""
    full = Browser()
    sign_in(full, world.alice)
    hint = wiki.tokens(full)["id_token"]
    AuthorizationCode.objects.all().delete()
    half = Browser()
    sign_in(half, world.alice, FactorKind.PASSWORD)
    for changes in (
        {},
        {"acr_values": "urn:watchword:acr:one"},
        {"max_age": "999999"},
        {"max_age": "0"},
        {"id_token_hint": hint},
        {"login_hint": "carol@harbour.example"},
        {"claims": '{"id_token": {"acr": {"essential": true, "value": "urn:watchword:acr:one"}}}'},
        {"claims": '{"id_token": {"amr": {"values": ["mfa"]}}}'},
        {"prompt": "consent"},
    ):
        assert "/sign-in/" in wiki.authorize(half, **changes)["Location"], changes
        if "prompt" not in changes:
            assert answered(wiki.authorize(half, prompt="none", **changes))["error"] == "login_required", changes
    assert not AuthorizationCode.objects.exists()
    carol = Browser()
    sign_in(carol, world.carol)
    for values in ("urn:watchword:acr:one", "urn:unknown", f"urn:watchword:acr:one {TWO}"):
        claims = wiki.claims(wiki.tokens(carol, acr_values=values)["id_token"])
        assert (claims["acr"], claims["amr"]) == ("urn:watchword:acr:one", ["pwd"])


def test_stp_08_auth_time_is_that_of_the_older_proof(world: World, wiki: RelyingParty) -> None:
    browser, now = Browser(), timezone.now()
    old = evidence_for(FactorKind.PASSWORD, at=now - timedelta(hours=3))
    opened = sessions.open_session(world.alice, (*old, *evidence_for(FactorKind.PHONE)), origin=ORIGIN, now=now)
    sign_in(browser, world.alice)
    browser.cookies[next(name for name in browser.cookies if "session" in name)] = opened.token
    claims = wiki.claims(wiki.tokens(browser)["id_token"])
    assert claims["auth_time"] == int((now - timedelta(hours=3)).timestamp())
    assert "/sign-in/confirm/" in wiki.authorize(browser, max_age="3600")["Location"]


def test_enu_08_an_app_learns_nothing_about_names(world: World, wiki: RelyingParty) -> None:
    """login_hint and prompt=none answer alike for names that exist and names that don't."""
    stranger = Browser()
    seen = set()
    for name in ("alice@harbour.example", "carol@harbour.example", "nobody@harbour.example", "x@elsewhere.example"):
        silent = answered(wiki.authorize(stranger, prompt="none", login_hint=name))
        asked = wiki.authorize(stranger, login_hint=name)["Location"]
        address = re.sub(r"authorize%2F[\w-]+", "", asked).replace(name.replace("@", "%40"), "")
        page = Browser().get(asked).content.decode().replace(name, "")
        page = re.sub(r'(value|nonce|content)="[^"]*"', "", page)
        seen.add((tuple(sorted(silent.items())), address, re.sub(r"authorize(%2F|/)[\w-]+", "", page)))
    assert len(seen) == 1


def test_enu_08_a_subject_tells_nothing_about_who_is_there(world: World, wiki: RelyingParty) -> None:
    asked = {"claims": f'{{"id_token": {{"sub": {{"value": "{world.carol.pk}"}}}}}}'}
    unknown = {"claims": '{"id_token": {"sub": {"value": "00000000-0000-0000-0000-000000000000"}}}'}
    alice = Browser()
    sign_in(alice, world.alice)
    assert answered(wiki.authorize(alice, prompt="none", **asked)) == answered(
        wiki.authorize(alice, prompt="none", **unknown)
    )


def test_ten_01_a_client_of_another_tenant_is_unknown(world: World, wiki: RelyingParty, alice: Browser) -> None:
    """Clients, codes, tokens, keys and sessions of one organisation are worth nothing at the issuer of another."""
    island = make_organisation("Island", "island.example")
    tokens = wiki.tokens(alice, scope="openid offline_access")
    code = wiki.code(alice)
    theirs = World(island, {}, {}, "", world.alices_phone)
    party = make_party(theirs, "Island wiki")
    assert party.issuer != wiki.issuer
    there = party.path("")

    def post(name: str, parameters: dict[str, str], who: RelyingParty) -> Any:
        form, header = "application/x-www-form-urlencoded", who.basic()["HTTP_AUTHORIZATION"]
        return Browser().post(there + name, urlencode(parameters), content_type=form, HTTP_AUTHORIZATION=header)

    exchange = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": wiki.verifier,
    }
    is_refused(post("token", exchange, wiki), "invalid_client")
    is_refused(post("token", exchange, party))
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    is_refused(post("token", refresh, party))
    assert post("introspect", {"token": tokens["access_token"]}, party).json() == {"active": False}
    assert post("revoke", {"token": tokens["refresh_token"]}, party).status_code == 200
    header = {"HTTP_AUTHORIZATION": f"Bearer {tokens['access_token']}"}
    assert Browser().get(there + "userinfo", **header).status_code == 401  # type: ignore[arg-type]  # headers
    leads_nowhere_here = alice.get(f"{there}authorize?{urlencode(wiki.request())}")
    assert (leads_nowhere_here.status_code, "Location" in leads_nowhere_here) == (400, False)
    assert answered(party.authorize(alice, prompt="none"))["error"] == "login_required", "her session is not of there"
    assert answered(party.authorize(alice, id_token_hint=tokens["id_token"]))["error"] == "invalid_request"
    assert Browser().get("/00000000-0000-0000-0000-000000000000/v2.0/jwks").status_code == 404
    assert wiki.refresh(tokens["refresh_token"]).status_code == 200, "nothing of this changed anything"
