"""Help desk accountability: how the caller was identified, which actions were refused, and which were too many."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from tests.admincenter.reading import as_role, hidden
from tests.alerts.playing import work
from tests.pages import text
from tests.world import World, give_phone, make_person, sign_in
from watchword.alerts.models import Alert
from watchword.alerts.rules import AlertRule
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.directory.refusals import MOST, OFTEN
from watchword.directory.roles import Role
from watchword.signin import actions, invitations, queries

CHANGE = "/admin/multi-factor/change/"
SURE = "called back on the number in our directory"


def act(world: World, name: str = "reset-methods") -> str:
    return f"/admin/users/{world.alice.pk}/{name}/"


def alerts(rule: AlertRule) -> int:
    return Alert.objects.filter(rule=rule).count()


def test_nobody_s_methods_are_reset_before_it_is_said_how_it_was_made_sure_who_it_is(
    root: Client, world: World
) -> None:
    for typed in ({}, {"identified": "  "}, {"identified": "x" * 201}):
        page = root.post(act(world), typed)
        assert page.status_code == 200
        assert 'aria-invalid="true"' in page.content.decode()
        assert len(queries.methods_of(world.alice)) == 1
    root.post(act(world), {"identified": f" {SURE}\n"})
    assert queries.methods_of(world.alice) == []
    assert Event.objects.get(kind=EventKind.METHODS_RESET).details["identified"] == SURE


def test_many_people_s_methods_are_not_reset_without_it_either(root: Client, world: World) -> None:
    page = root.get(CHANGE, {"do": "reset-methods", "person": str(world.alice.pk)})
    again = root.post(CHANGE, {"draft": hidden(page, "draft")})
    assert "Say how you made sure who it is." in text(again.content)
    assert len(queries.methods_of(world.alice)) == 1
    root.post(CHANGE, {"draft": hidden(again, "draft"), "identified": SURE})
    assert queries.methods_of(world.alice) == []
    assert Event.objects.get(kind=EventKind.METHODS_RESET).details["identified"] == SURE


def test_administrators_are_told_of_a_reset_with_who_did_it_and_how_they_made_sure(root: Client, world: World) -> None:
    root.post(act(world), {"identified": SURE})
    work(world.now)
    assert alerts(AlertRule.METHODS_RESET) == 1
    page = text(root.get("/admin/alerts/").content)
    assert f"How it was made sure who it is {SURE}" in page
    assert "Done by root@harbour.example" in page


GIVE_PASSWORD = {"reset": actions.reset_password, "invite": invitations.invite}


@pytest.mark.parametrize("give", list(GIVE_PASSWORD))
@pytest.mark.parametrize("password_first", [True, False])
def test_password_and_methods_by_one_administrator_within_a_day_raise_an_alert(
    world: World, give: str, password_first: bool
) -> None:
    steps: list[Any] = [GIVE_PASSWORD[give], actions.reset_methods]
    if not password_first:
        steps.reverse()
    steps[0](world.alice, by=world.root, now=world.now)
    work(world.now)
    assert alerts(AlertRule.PASSWORD_AND_METHODS_RESET) == 0
    later = world.now + timedelta(hours=23)
    steps[1](world.alice, by=world.root, now=later)
    work(later)
    assert alerts(AlertRule.PASSWORD_AND_METHODS_RESET) == 1


def test_two_administrators_two_people_or_two_days_raise_none(world: World) -> None:
    other = make_person(world.organisation, "other", roles=(Role.GLOBAL_ADMINISTRATOR,))
    actions.reset_password(world.alice, by=world.root, now=world.now)
    actions.reset_methods(world.alice, by=other, now=world.now)
    actions.reset_methods(world.bob, by=world.root, now=world.now)
    actions.reset_methods(world.alice, by=world.root, now=world.now + timedelta(hours=25))
    actions.reset_methods(world.alice, by=None, now=world.now)
    work(world.now)
    assert alerts(AlertRule.PASSWORD_AND_METHODS_RESET) == 0


def test_adm_01_a_refused_act_is_remembered_with_who_and_on_whom(client: Client, world: World) -> None:
    """A help desk that resets a Global Administrator is refused, and the refusal is logged with actor and target."""
    helper = as_role(client, world, Role.AUTHENTICATION_ADMINISTRATOR)
    give_phone(world.root, "+4915112345699")
    address = f"/admin/users/{world.root.pk}/reset-methods/"
    assert client.post(address, {"identified": SURE}).status_code == 403
    assert len(queries.methods_of(world.root)) == 1
    refused = Event.objects.get(kind=EventKind.ACT_REFUSED)
    assert (refused.actor_id, refused.subject_id, refused.reason) == (helper.pk, world.root.pk, "reset_methods")
    assert refused.address == "127.0.0.1"


def test_a_page_that_a_role_does_not_open_is_a_refused_act_too(client: Client, world: World) -> None:
    sign_in(client, world.alice)
    assert client.get("/admin/service-settings/").status_code == 403
    assert Event.objects.get(kind=EventKind.ACT_REFUSED).reason == "change_settings"


def test_a_source_that_goes_on_trying_is_reported_once_and_fills_no_log(client: Client, world: World) -> None:
    as_role(client, world, Role.HELPDESK_ADMINISTRATOR)
    for number in range(1, MOST + 10):
        client.post(f"/admin/users/{world.root.pk}/block/")
        if number == OFTEN - 1:
            work(world.now)
            assert alerts(AlertRule.ACTS_REFUSED) == 0
    work(world.now)
    assert Event.objects.filter(kind=EventKind.ACT_REFUSED).count() == MOST
    alert = Alert.objects.get(rule=AlertRule.ACTS_REFUSED)
    assert alert.subject is not None
    assert alert.subject.sign_in_name.startswith("has.helpdesk")
    assert alert.times == 1


def test_an_alert_about_one_s_own_act_is_closed_by_another_person(client: Client, world: World) -> None:
    helper = as_role(client, world, Role.AUTHENTICATION_ADMINISTRATOR)
    client.post(act(world), {"identified": SURE})
    work(world.now)
    alert = Alert.objects.get(rule=AlertRule.METHODS_RESET)
    said = text(client.post(f"/admin/alerts/{alert.pk}/close/", {"note": "fine"}, follow=True).content)
    assert "somebody else closes it" in said
    alert.refresh_from_db()
    assert alert.closed_at is None
    sign_in(client, world.root)
    client.post(f"/admin/alerts/{alert.pk}/close/", {"note": "asked Alice"})
    alert.refresh_from_db()
    assert alert.closed_by_name == world.root.sign_in_name != helper.sign_in_name


def test_a_person_who_administers_alone_closes_alerts_about_themselves(root: Client, world: World) -> None:
    root.post(act(world), {"identified": SURE})
    work(world.now)
    alert = Alert.objects.get(rule=AlertRule.METHODS_RESET)
    root.post(f"/admin/alerts/{alert.pk}/close/", {"note": ""})
    alert.refresh_from_db()
    assert alert.closed_at is not None
