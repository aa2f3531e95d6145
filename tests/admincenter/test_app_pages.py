"""The pages of apps: added from a preset, connected by the lines that are shown once, changed, disabled, removed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from tests.admincenter.reading import stale_root
from tests.doors.oidc.relying_party import RelyingParty, make_party
from tests.pages import text
from tests.world import World, make_organisation, sign_in
from watchword.applications.app_presets import PRESETS
from watchword.applications.models import Client, ClientKind
from watchword.directory import applications, groups
from watchword.directory.applications import AppSettings
from watchword.directory.models import App

WIKI = "https://wiki.harbour.example"


def filled(**changes: Any) -> dict[str, Any]:
    return {"name": "Wiki", "home_url": WIKI, "audience": "everyone", "freshness": "session"} | changes


def changed(client: Client, **changes: Any) -> dict[str, Any]:
    """Return what the form of an app sends when these fields are changed."""
    values = {
        "redirect_uris": "\n".join(client.redirect_uris),
        "scopes": ["profile", "email"],
        "access_token_seconds": "600",
    }
    return filled(**(values | changes))


def secret_on(page: str) -> str:
    found = re.search(r"wws_[\w-]+", page)
    assert found is not None
    return found[0]


@pytest.mark.parametrize("key", list(PRESETS))
def test_every_preset_gives_an_app_and_lines_that_name_it(root: Browser, world: World, key: str) -> None:
    page = root.post(f"/admin/apps/new/{key}/", filled()).content.decode()
    client = Client.objects.get()
    assert client.app.preset == key
    assert client.client_id in page
    assert "{issuer}" not in page
    assert f"/{client.app.organisation_id}/" not in page
    assert client.redirect_uris == PRESETS[key].redirect_uris(WIKI)
    if client.kind == ClientKind.CONFIDENTIAL:
        assert client.check_client_secret(secret_on(page))
        assert secret_on(page) not in root.get(f"/admin/apps/{client.pk}/").content.decode()


def test_an_app_that_is_added_here_signs_people_in(root: Browser, world: World) -> None:
    page = root.post("/admin/apps/new/web/", filled()).content.decode()
    party = RelyingParty(Client.objects.get(), secret_on(page))
    alice = Browser()
    sign_in(alice, world.alice)
    assert "access_token" in party.exchange(party.code(alice)).json()
    said = text(root.get(f"/admin/apps/{party.client.pk}/").content)
    assert "alice@harbour.example came in" in said


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": ""}, "Enter a name."),
        ({"home_url": ""}, "Enter the address of the app"),
        ({"home_url": "wiki"}, "This is not a web address."),
        ({"home_url": "http://wiki.harbour.example"}, "Plain http:// is for this machine only."),
        ({"redirect_uris": "https://wiki.example/*"}, "An address has a character that it can't have"),
        ({"redirect_uris": "https://wiki.example/#x"}, "A redirect address has no “#”."),
        ({"audience": "groups"}, "Tick a group, or let everybody use the app."),
        ({"freshness": "hours"}, "Enter a number."),
        ({"freshness": "minutes", "freshness_number": "0"}, "greater than or equal to 1"),
    ],
)
def test_a_wrong_app_is_explained_and_nothing_is_added(
    root: Browser, world: World, wrong: dict[str, str], said: str
) -> None:
    page = root.post("/admin/apps/new/web/", filled(description="typed before", **wrong))
    assert said in text(page.content)
    assert "typed before" in page.content.decode()
    assert not App.objects.exists()


def test_a_name_that_is_taken_leaves_no_half_of_an_app(root: Browser, world: World) -> None:
    make_party(world)
    assert "There is an app of this name already." in text(root.post("/admin/apps/new/web/", filled()).content)
    assert Client.objects.count() == App.objects.count() == 1


def test_rules_of_an_app_are_changed(root: Browser, world: World) -> None:
    client = make_party(world).client
    sales = groups.create_group(world.organisation, "Sales", by=None, now=world.now)
    page = f"/admin/apps/{client.pk}/change/"
    rules = {
        "audience": "groups",
        "groups": [str(sales.pk)],
        "second_factor_always": "on",
        "freshness": "minutes",
        "freshness_number": "30",
        "pkce_exempt": "on",
    }
    root.post(page, changed(client, **rules))
    app = App.objects.get()
    assert (app.for_everyone, app.second_factor_always, app.max_age_seconds) == (False, True, 1_800)
    assert list(app.groups.all()) == [sales]
    client.refresh_from_db()
    assert (client.pkce_exempt, client.scopes) == (True, ["openid", "profile", "email"])
    said = text(root.get(f"/admin/apps/{client.pk}/").content)
    assert "Requests without PKCE are accepted, which is a weakness." in said
    form = root.get(page).content.decode()
    assert re.search(r'name="freshness_number" value="30"', form)


def test_a_wrong_change_of_the_protocol_leaves_the_rules_as_well(root: Browser, world: World) -> None:
    client = make_party(world).client
    page = f"/admin/apps/{client.pk}/change/"
    said = text(root.post(page, changed(client, name="Other", redirect_uris="nonsense")).content)
    assert "A redirect address begins with https://" in said
    assert App.objects.get().name == "Wiki"


def test_a_secret_is_changed_without_an_interruption(root: Browser, world: World) -> None:
    party = make_party(world)
    page = f"/admin/apps/{party.client.pk}/"
    second = secret_on(root.post(f"{page}secrets/add/").content.decode())
    assert party.client.check_client_secret(party.secret)
    assert party.client.check_client_secret(second)
    refused = text(root.post(f"{page}secrets/add/", follow=True).content)
    assert "Two secrets are valid already." in refused
    first = party.client.secrets.order_by("created_at")[0]
    root.post(f"{page}secrets/{first.pk}/end/")
    assert not party.client.check_client_secret(party.secret)
    assert party.client.check_client_secret(second)


def test_an_app_is_disabled_enabled_and_removed(root: Browser, world: World) -> None:
    party = make_party(world)
    page = f"/admin/apps/{party.client.pk}/"
    alice = Browser()
    sign_in(alice, world.alice)
    root.post(f"{page}disable/")
    assert party.authorize(alice).status_code == 400
    root.post(f"{page}enable/")
    assert party.code(alice)
    assert "gone for good" in text(root.get(f"{page}remove/").content)
    assert "Wiki is removed." in text(root.post(f"{page}remove/", follow=True).content)
    assert not App.objects.exists()


def test_an_app_of_another_organisation_is_not_there(root: Browser, world: World) -> None:
    other = make_organisation("Other", "other.example")
    app = applications.add_app(other, AppSettings("Theirs"), by=None, now=timezone.now())
    for page in ("", "change/", "disable/", "remove/"):
        assert root.get(f"/admin/apps/{app.pk}/{page}").status_code == 404
    assert "Theirs" not in text(root.get("/admin/apps/").content)


def test_an_app_without_openid_connect_has_a_page(root: Browser, world: World) -> None:
    app = applications.add_app(world.organisation, AppSettings("Old site"), by=None, now=timezone.now())
    assert "Old site" in text(root.get(f"/admin/apps/{app.pk}/").content)


def test_changes_of_apps_need_a_recent_proof(client: Browser, world: World) -> None:
    party = make_party(world)
    stale_root(client, world)
    page = f"/admin/apps/{party.client.pk}/"
    for answer in (
        client.get("/admin/apps/new/web/"),
        client.post(f"{page}change/", changed(party.client, name="Other")),
        client.post(f"{page}secrets/add/"),
        client.post(f"{page}remove/"),
    ):
        assert answer["Location"].startswith("/sign-in/confirm/")
    assert App.objects.get().name == "Wiki"
    assert party.client.secrets.count() == 1
