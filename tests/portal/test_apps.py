"""A person's apps: the tiles of those that they may use, their sign-ins, and what they allowed."""

from __future__ import annotations

from django.test import Client as Browser

from tests.doors.oidc.relying_party import make_party
from tests.pages import text
from tests.world import World, sign_in
from watchword.applications import consents
from watchword.applications.models import Consent
from watchword.audit.record import Origin
from watchword.directory import applications
from watchword.directory.applications import AppSettings
from watchword.directory.groups import add_members, create_group
from watchword.signin.models import AppSignIn

ORIGIN = Origin(address="198.51.100.7", agent="Mozilla/5.0", door="web")


def test_a_tile_leads_to_each_app_that_a_person_may_use_and_to_no_other(world: World) -> None:
    sales = create_group(world.organisation, "Sales", by=None, now=world.now)
    add_members(sales, [world.alice], by=None, now=world.now)
    for name, groups in (("Wiki", ()), ("Shop", (sales,))):
        settings = AppSettings(name, home_url=f"https://{name.lower()}.example/", for_everyone=not groups)
        applications.add_app(world.organisation, settings, groups=groups, by=None, now=world.now)
    applications.add_app(world.organisation, AppSettings("Without an address"), by=None, now=world.now)
    pages = {}
    for name in ("alice", "carol"):
        browser = Browser()
        sign_in(browser, world.people[name])
        pages[name] = browser.get("/").content.decode()
    assert 'href="https://wiki.example/"' in pages["alice"]
    assert 'href="https://shop.example/"' in pages["alice"]
    assert 'href="https://wiki.example/"' in pages["carol"]
    assert "Shop" not in pages["carol"]
    assert "Without an address" not in pages["alice"]


def test_a_person_signs_out_of_one_app_and_its_token_is_dead(client: Browser, world: World) -> None:
    sign_in(client, world.alice)
    wiki, shop = make_party(world), make_party(world, "Shop")
    dead, alive = wiki.tokens(client)["access_token"], shop.tokens(client)["access_token"]
    assert "Wiki" in text(client.get("/apps/").content)
    row = AppSignIn.objects.get(app=wiki.client.app)
    assert "You are signed out of that app." in text(client.post(f"/apps/sign-ins/{row.pk}/end/", follow=True).content)
    assert wiki.introspect(dead)["active"] is False
    assert shop.introspect(alive)["active"] is True


def test_nobody_ends_the_sign_in_of_another_person(client: Browser, world: World) -> None:
    wiki = make_party(world)
    sign_in(client, world.alice)
    token = wiki.tokens(client)["access_token"]
    bob = Browser()
    sign_in(bob, world.carol)
    bob.post(f"/apps/sign-ins/{AppSignIn.objects.get().pk}/end/")
    assert wiki.introspect(token)["active"] is True
    assert "You are signed in to no app." in text(bob.get("/apps/").content)


def test_a_consent_is_taken_back_and_the_app_loses_its_token(client: Browser, world: World) -> None:
    wiki = make_party(world)
    sign_in(client, world.alice)
    token = wiki.tokens(client)["access_token"]
    consents.give(world.alice, wiki.client, ["openid", "profile"], origin=ORIGIN, now=world.now)
    assert "openid, profile" in text(client.get("/apps/").content)
    client.post(f"/apps/{wiki.client.pk}/withdraw/")
    assert not Consent.objects.exists()
    assert wiki.introspect(token)["active"] is False
