"""Links and settings stand where administrators look for them, and pages describe what really happens."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from tests.admincenter.reading import as_role, hidden
from tests.alerts.playing import work
from tests.pages import text
from tests.world import World, give_app_password, sign_in
from watchword.directory.models import User
from watchword.directory.roles import MAY, Act, Role
from watchword.portal.search import SETTINGS, find

CHANGE = "/admin/multi-factor/change/"


@pytest.mark.parametrize("role", list(Role))
def test_bulk_update_stands_on_the_multi_factor_page_for_whoever_changes_states(
    client: Client, world: World, role: Role
) -> None:
    as_role(client, world, role)
    page = client.get("/admin/multi-factor/").content.decode()
    assert ("/admin/users/import/?bulk=1" in page) is (Act.CHANGE_MFA_STATE in MAY[role])


def test_bulk_update_leads_back_to_where_it_came_from(client: Client, world: World) -> None:
    as_role(client, world, Role.AUTHENTICATION_POLICY_ADMINISTRATOR)
    for address in ("/admin/users/import/?bulk=1", "/admin/users/import/"):
        page = client.get(address).content.decode()
        assert "<h1>Bulk update</h1>" in page
        assert '<a class="back-link" href="/admin/multi-factor/">' in page
    sign_in(client, world.root)
    assert "<h1>Import users</h1>" in client.get("/admin/users/import/").content.decode()


@pytest.mark.parametrize("role", list(Role))
def test_the_acts_for_a_lost_phone_stand_in_the_panel(client: Client, world: World, role: Role) -> None:
    as_role(client, world, role)
    panel = client.get(f"/admin/users/?person={world.alice.pk}").content.decode()
    for name, act in (("reset-methods", Act.RESET_METHODS), ("delete-app-passwords", Act.DELETE_APP_PASSWORDS)):
        address = f"/admin/users/{world.alice.pk}/{name}/"
        assert (address in panel) is (act in MAY[role])
        if act in MAY[role]:
            assert client.get(address).status_code == 200
    nothing_registered = client.get(f"/admin/users/?person={world.carol.pk}").content.decode()
    assert "/reset-methods/" not in nothing_registered
    assert "/delete-app-passwords/" not in nothing_registered


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sign-in logs", "admincenter:sign_ins"),
        ("audit logs", "admincenter:sign_ins"),
        ("alerts", "admincenter:alerts"),
        ("risky sign-ins", "admincenter:alerts"),
        ("roles", "admincenter:roles"),
        ("revoke mfa sessions", "admincenter:multi_factor"),
        ("require contact methods again", "admincenter:multi_factor"),
        ("bulk update", "admincenter:multi_factor"),
        ("fraud alert notification", "admincenter:service_settings"),
        ("trusted ips", "admincenter:service_settings"),
        ("import users", "admincenter:import"),
    ],
)
def test_the_old_words_lead_administrators_to_the_right_page(query: str, expected: str) -> None:
    assert expected in [setting.url for setting in find(query, is_administrator=True)]


def test_every_page_of_the_navigation_can_be_searched_for(client: Client, world: World) -> None:
    sign_in(client, world.root)
    page = client.get("/admin/users/").content.decode()
    navigation = re.search(r'<nav class="navigation".*?</nav>', page, flags=re.DOTALL)
    assert navigation is not None
    from django.urls import reverse

    known = {reverse(setting.url) for setting in SETTINGS}
    assert set(re.findall(r'href="(/admin/[^"]*)"', navigation[0])) <= known


def confirm(client: Client, person: User, do: str, **more: str) -> None:
    page = client.get(CHANGE, {"do": do, "person": str(person.pk)})
    client.post(CHANGE, {"draft": hidden(page, "draft"), **more})


def test_enable_mails_the_set_up_link_where_the_administrator_left_the_tick(root: Client, world: World) -> None:
    page = root.get(CHANGE, {"do": "enable", "person": str(world.carol.pk)}).content.decode()
    assert re.search(r'<input type="checkbox" name="tells"[^>]* checked>', page)
    confirm(root, world.carol, "enable", tells="1")
    (message,) = work(world.now)
    assert message.to == ["carol@elsewhere.example"]
    assert "http://127.0.0.1:8000/setup" in str(message.body)


@pytest.mark.parametrize("do", ["enable", "enforce"])
def test_nobody_is_mailed_where_the_administrator_took_the_tick_away(root: Client, world: World, do: str) -> None:
    confirm(root, world.carol, do)
    world.carol.refresh_from_db()
    assert world.carol.mfa_state != "disabled"
    assert work(world.now) == []


def test_that_it_was_switched_off_is_always_told(root: Client, world: World) -> None:
    page = root.get(CHANGE, {"do": "disable", "person": str(world.alice.pk)}).content.decode()
    assert 'name="tells"' not in page
    confirm(root, world.alice, "disable")
    (message,) = work(world.now)
    assert "switched off" in str(message.body)


def test_a_person_registered_is_mailed_no_link_to_register(root: Client, world: World) -> None:
    confirm(root, world.alice, "disable")
    work(world.now)
    confirm(root, world.alice, "enable", tells="1")
    (message,) = work(world.now)
    assert "/setup" not in str(message.body)


def test_the_most_app_passwords_are_the_organisation_s_own_number(client: Client, world: World) -> None:
    world.organisation.limits = {"app_passwords": 3}
    world.organisation.save()
    give_app_password(world.alice, "Phone")
    give_app_password(world.alice, "Tablet")
    sign_in(client, world.alice)
    said = text(client.get("/methods/add/app_password/").content)
    assert "You have 3 app passwords, the most that are allowed." in said
    assert "40" not in said
