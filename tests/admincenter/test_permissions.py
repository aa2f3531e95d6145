"""A refusal names the roles that may perform the action, and buttons are shown only to users who may use them."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.admincenter.reading import as_role
from tests.pages import text
from tests.world import World, sign_in
from watchword.admincenter.users.action_views import ACTS
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.directory.roles import MAY, Act, Role

PAGES = (
    "/admin/users/",
    "/admin/multi-factor/",
    "/admin/service-settings/",
    "/admin/sign-ins/",
    "/admin/users/import/",
    "/admin/phone-delivery/",
    "/admin/phone-delivery/messages/",
    "/admin/phone-delivery/blocked/",
    "/admin/phone-delivery/test/",
    "/admin/phone-delivery/rules/",
)


@pytest.mark.parametrize("role", list(Role))
def test_files_are_open_to_those_who_may_import_people_or_change_states(
    client: Client, world: World, role: Role
) -> None:
    as_role(client, world, role)
    may = bool(MAY[role] & {Act.IMPORT_PEOPLE, Act.CHANGE_MFA_STATE})
    assert client.get("/admin/users/import/").status_code == (200 if may else 403)


def test_a_refusal_names_the_roles_that_may(client: Client, world: World) -> None:
    as_role(client, world, Role.HELPDESK_ADMINISTRATOR)
    answer = client.get("/admin/users/new/")
    assert answer.status_code == 403
    said = text(answer.content)
    assert "“Add a user” is open to these roles: Global Administrator User Administrator And each role" in said


@pytest.mark.parametrize("page", PAGES)
def test_people_without_a_role_are_told_whom_to_ask(client: Client, world: World, page: str) -> None:
    sign_in(client, world.alice)
    answer = client.get(page)
    assert answer.status_code == 403
    assert "This page is for administrators" in text(answer.content)
    assert "ask an administrator of your organisation" in text(answer.content)


@pytest.mark.parametrize("name", list(ACTS))
def test_nobody_acts_on_a_higher_administrator(client: Client, world: World, name: str) -> None:
    as_role(client, world, Role.USER_ADMINISTRATOR)
    before = Event.objects.count()
    assert client.post(f"/admin/users/{world.root.pk}/{name}/").status_code == 403
    assert client.get(f"/admin/users/{world.root.pk}/edit/").status_code == 403
    done = Event.objects.exclude(kind=EventKind.ACT_REFUSED)
    assert done.count() == before


def test_buttons_that_a_role_can_t_use_are_not_shown(client: Client, world: World) -> None:
    as_role(client, world, Role.GLOBAL_READER)
    panel = text(client.get(f"/admin/users/?person={world.alice.pk}").content)
    for button in ("Edit", "Reset password", "Block sign-in", "Sign out everywhere", "Add a user", "Import users"):
        assert button not in panel
    page = client.get("/admin/multi-factor/").content.decode()
    assert 'name="do"' not in page
    assert "/admin/service-settings/" not in page
    as_role(client, world, Role.AUTHENTICATION_ADMINISTRATOR)
    page = client.get("/admin/multi-factor/").content.decode()
    assert 'value="reset-methods"' in page
    assert 'value="enable"' not in page
