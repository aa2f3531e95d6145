"""Active users: finding people, the panel, and forms that lose nothing while the administrator re-authenticates."""

from __future__ import annotations

import html
import re

import pytest
from django.test import Client
from django.urls import reverse

from tests.admincenter.reading import as_role, rows, stale_root
from tests.pages import text
from tests.world import World, sign_in
from watchword.admincenter.models import Draft
from watchword.audit.models import Event
from watchword.directory import actions
from watchword.directory.models import User
from watchword.directory.roles import Role
from watchword.signin.actions import block, delete

USERS = "/admin/users/"
NEW = "/admin/users/new/"
DORA = {
    "sign_in_name": "dora@harbour.example",
    "display_name": "Dora Whitfield",
    "contact_mail": "dora@elsewhere.example",
    "directory_phone": "0151 23456789",
    "aliases": "d.whitfield@harbour.example",
}


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("", ["Alice", "Bob", "Carol", "Root"]),
        ("q=ali", ["Alice"]),
        ("q=ALICE%40harbour", ["Alice"]),
        ("state=enabled", ["Bob"]),
        ("show=administrators", ["Root"]),
        ("show=blocked", ["Carol"]),
        ("sort=-name", ["Root", "Carol", "Bob", "Alice"]),
        ("sort=sign-in", ["Alice", "Bob", "Carol", "Root"]),
        ("sort=state", ["Carol", "Bob", "Alice", "Root"]),
        ("after=%00|nonsense&q=%00", ["Alice", "Bob", "Carol", "Root"]),
    ],
)
def test_the_list_is_filtered_and_sorted(root: Client, world: World, options: str, found: list[str]) -> None:
    block(world.carol, by=world.root, now=world.now)
    assert [row.split()[0] for row in rows(root.get(f"{USERS}?{options}"))] == found


def test_the_panel_opens_the_multi_factor_page_for_that_person_in_a_new_tab(root: Client, world: World) -> None:
    page = root.get(f"{USERS}?person={world.alice.pk}").content.decode()
    link = re.search(r'<a class="button" href="([^"]+)" target="_blank" rel="noopener">', page)
    assert link is not None
    target = root.get(html.unescape(link[1]))
    assert [row.split()[0] for row in rows(target)] == ["Alice"]
    assert f'value="{world.alice.pk}" id="p{world.alice.pk}" checked' in target.content.decode()


def test_a_deleted_person_is_listed_apart_and_restored(root: Client, world: World) -> None:
    delete(world.carol, by=world.root, now=world.now)
    assert "Carol" not in text(root.get(USERS).content)
    assert "Carol" not in text(root.get("/admin/multi-factor/?show=deleted").content)
    panel = text(root.get(f"{USERS}?show=deleted&person={world.carol.pk}").content)
    assert "Restore" in panel
    assert "Reset password" not in panel
    root.post(f"{USERS}{world.carol.pk}/restore/")
    assert "Carol" in text(root.get(USERS).content)


def test_the_role_of_the_last_global_administrator_can_t_be_unticked(root: Client, world: World) -> None:
    form = {"sign_in_name": "root@harbour.example", "display_name": "Rooted", "roles": ["global_reader"]}
    answer = root.post(f"{USERS}{world.root.pk}/edit/", form)
    assert "Without this person nobody could administer your organisation" in text(answer.content)
    assert 'value="Rooted"' in answer.content.decode()
    stored = User.objects.get(pk=world.root.pk)
    assert stored.roles == {Role.GLOBAL_ADMINISTRATOR}
    assert stored.display_name == "Root"


def test_the_sign_in_name_and_an_alias_can_change_places(root: Client, world: World) -> None:
    actions.add_alias(world.bob, "robert@harbour.example", by=world.root, now=world.now)
    form = {"sign_in_name": "robert@harbour.example", "display_name": "Bob", "aliases": "bob@harbour.example"}
    assert root.post(f"{USERS}{world.bob.pk}/edit/", form).status_code == 302
    assert User.objects.get(pk=world.bob.pk).sign_in_name == "robert@harbour.example"
    assert actions.find_by_name("bob@harbour.example") == world.bob


def test_who_added_a_person_is_remembered_with_every_step(root: Client, world: World) -> None:
    root.post(NEW, DORA)
    dora = User.objects.get(sign_in_name="dora@harbour.example")
    assert {event.actor_id for event in Event.objects.filter(subject_id=dora.pk)} == {world.root.pk}


def test_proving_again_loses_nothing_of_what_was_typed(client: Client, world: World) -> None:
    answer = stale_root(client, world).post(NEW, {**DORA, "roles": ["global_reader"]})
    assert answer["Location"].startswith(reverse("web:confirm"))
    assert "dora" not in answer["Location"]
    assert actions.find_by_name("dora@harbour.example") is None
    sign_in(client, world.root)
    page = client.get(f"{NEW}?draft={Draft.objects.get().pk}")
    assert "Nothing was changed yet: press the button again." in text(page.content)
    assert all(typed in page.content.decode() for typed in DORA.values())
    assert re.search(r'value="global_reader"[^>]* checked', page.content.decode())
    assert actions.find_by_name("dora@harbour.example") is None


def test_settings_that_were_filled_in_outlive_proving_again(client: Client, world: World) -> None:
    address = reverse("admincenter:service_settings")
    answer = stale_root(client, world).post(address, {"trusted_networks": "203.0.113.0/24", "text_allowed": "on"})
    assert answer["Location"].startswith(reverse("web:confirm"))
    sign_in(client, world.root)
    page = client.get(f"{address}?draft={Draft.objects.get().pk}").content.decode()
    assert "203.0.113.0/24" in page
    world.organisation.refresh_from_db()
    assert world.organisation.trusted_networks == []


def test_a_draft_is_shown_to_nobody_else_and_on_no_other_page(client: Client, world: World) -> None:
    stale_root(client, world).post(NEW, DORA)
    draft = Draft.objects.get()
    sign_in(client, world.root)
    assert "Dora Whitfield" not in client.get(f"/admin/service-settings/?draft={draft.pk}").content.decode()
    as_role(client, world, Role.USER_ADMINISTRATOR)
    assert "Dora Whitfield" not in client.get(f"{NEW}?draft={draft.pk}").content.decode()
    assert client.get(f"{NEW}?draft=nonsense").status_code == 200


@pytest.mark.parametrize("act", ["block", "delete", "reset-password", "reset-methods", "sign-out"])
def test_no_act_without_a_fresh_proof(client: Client, world: World, act: str) -> None:
    before = Event.objects.count()
    answer = stale_root(client, world).post(f"{USERS}{world.alice.pk}/{act}/")
    assert answer["Location"].startswith(reverse("web:confirm"))
    assert Event.objects.count() == before
