"""The administrator's actions for a lost phone: in the panel, beside the phones, with a pass that is shown once."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from tests.admincenter.reading import as_role, hidden, rows, stale_root
from tests.pages import text
from tests.world import World, make_person
from watchword.core.policy import MfaState
from watchword.directory.models import User
from watchword.directory.roles import Role
from watchword.signin import access_passes

HOUR = {"seconds": "3600", "is_once": "on", "identified": "called back"}


def address(user: User) -> str:
    return f"/admin/users/{user.pk}/access-pass/"


def panel(client: Client, user: User) -> str:
    return text(client.get(f"/admin/users/?person={user.pk}").content)


def test_an_authentication_administrator_makes_a_pass_and_sees_it_once(client: Client, world: World) -> None:
    as_role(client, world, Role.AUTHENTICATION_ADMINISTRATOR)
    assert "Make a Temporary Access Pass" in panel(client, world.alice)
    assert "Make sure first" in text(client.get(address(world.alice)).content)
    made = client.post(address(world.alice), HOUR)
    secret = re.search(r"[a-z2-8]{4}(?:-| )[a-z2-8]{4}(?:-| )[a-z2-8]{4}", made.content.decode())
    assert secret is not None
    said = panel(client, world.alice)
    assert "a Temporary Access Pass, good until" in said
    assert secret[0] not in said
    assert client.post(f"/admin/users/{world.alice.pk}/delete-pass/").status_code == 302
    assert access_passes.open_pass_of(world.alice, now=world.now) is None


def test_it_is_not_made_without_saying_how_the_person_was_recognised(client: Client, world: World) -> None:
    as_role(client, world, Role.AUTHENTICATION_ADMINISTRATOR)
    answer = client.post(address(world.alice), {**HOUR, "identified": " "})
    assert "Say how you made sure who it is." in text(answer.content)
    assert access_passes.open_pass_of(world.alice, now=world.now) is None


@pytest.mark.parametrize("seconds", ["599", "2592001", "x", ""])
def test_no_other_lifetime_is_taken(root: Client, world: World, seconds: str) -> None:
    assert root.post(address(world.alice), {**HOUR, "seconds": seconds}).status_code == 200
    assert access_passes.open_pass_of(world.alice, now=world.now) is None


def test_nobody_makes_one_for_themselves(root: Client, world: World) -> None:
    for answer in (root.get(address(world.root)), root.post(address(world.root), HOUR)):
        assert answer.status_code == 403
        assert "Somebody else must do this for you" in text(answer.content)
    assert "Make a Temporary Access Pass" not in panel(root, world.root)


def test_it_is_of_no_use_to_a_person_disabled(root: Client, world: World) -> None:
    assert "Make a Temporary Access Pass" not in panel(root, world.carol)
    assert "of no use" in text(root.post(address(world.carol), HOUR).content)


def test_who_has_not_proven_lately_proves_again_first(client: Client, world: World) -> None:
    assert "/sign-in/confirm/" in stale_root(client, world).post(address(world.alice), HOUR)["Location"]


@pytest.mark.parametrize("role", [Role.HELPDESK_ADMINISTRATOR, Role.USER_ADMINISTRATOR, Role.GLOBAL_READER])
def test_other_roles_do_not_make_one(client: Client, world: World, role: Role) -> None:
    as_role(client, world, role)
    assert client.get(address(world.alice)).status_code == 403


def test_requiring_methods_again_shows_the_link_once(root: Client, world: World) -> None:
    made = root.post(f"/admin/users/{world.alice.pk}/reset-methods/", {"identified": "in person"})
    found = re.search(r"http://127\.0\.0\.1:8000/register/#([a-z2-8-]{29})<", made.content.decode())
    assert found is not None
    assert access_passes.owner_of_link(found[1], now=world.now) == world.alice
    assert "a personal link to register, good until" in panel(root, world.alice)


def test_for_many_each_gets_a_link_of_their_own(root: Client, world: World) -> None:
    ids = [str(user.pk) for user in (world.alice, world.bob, world.root)]
    asked = root.get("/admin/multi-factor/change/", {"do": "reset-methods", "person": ids})
    assert "another administrator must do this for you" in text(asked.content)
    done = root.post("/admin/multi-factor/change/", {"draft": hidden(asked, "draft"), "identified": "in person"})
    links = re.findall(r"/register/#([a-z2-8-]{29})<", done.content.decode())
    assert {access_passes.owner_of_link(link, now=world.now) for link in links} == {world.alice, world.bob}
    assert any("another administrator" in row for row in rows(done))


def test_an_administrator_is_not_disabled_and_the_page_says_so_before(root: Client, world: World) -> None:
    helper = make_person(world.organisation, "helper", roles=(Role.HELPDESK_ADMINISTRATOR,))
    asked = root.get("/admin/multi-factor/change/", {"do": "disable", "person": [str(helper.pk)]})
    assert "is an administrator, and they are at least Enabled" in text(asked.content)
    root.post("/admin/multi-factor/change/", {"draft": hidden(asked, "draft")})
    assert User.objects.get(pk=helper.pk).state is MfaState.ENFORCED


def test_a_role_enables_a_person_disabled(root: Client, world: World) -> None:
    form = {"sign_in_name": "carol@harbour.example", "display_name": "Carol", "roles": ["helpdesk_administrator"]}
    assert root.post(f"/admin/users/{world.carol.pk}/edit/", form).status_code == 302
    carol = User.objects.get(pk=world.carol.pk)
    assert (carol.state, carol.roles) == (MfaState.ENABLED, frozenset({Role.HELPDESK_ADMINISTRATOR}))
    assert "gave them a role" in panel(root, world.carol)
