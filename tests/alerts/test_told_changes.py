"""Changes to a person's rights and credentials are reported, to the person and to administrators."""

from __future__ import annotations

import getpass
import io
import socket
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.test import Client

from tests.alerts.playing import work
from tests.pages import text
from tests.world import ORIGIN, World, sign_in
from watchword.alerts.models import Alert, Notice
from watchword.alerts.rules import AlertRule
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.directory import actions
from watchword.directory.roles import Role
from watchword.directory.send_as import give_send_as
from watchword.signin import invitations

CONSOLE = f"{getpass.getuser()}@{socket.gethostname()}"


def alerts(world: World) -> str:
    browser = Client()
    sign_in(browser, world.root)
    return text(browser.get("/admin/alerts/").content)


def test_a_password_set_by_an_invitation_is_told_with_a_link(world: World) -> None:
    made = invitations.invite(world.carol, by=world.root, now=world.now)
    found = invitations.find(made.token, now=world.now)
    assert found is not None
    assert invitations.accept(found, "a wholly new passphrase", origin=ORIGIN, now=world.now) is None
    messages = [message for message in work(world.now) if message.to == ["carol@elsewhere.example"]]
    assert [message.subject for message in messages] == ["A password was set for your account (Harbour & Hill)"]
    assert "/not-me/" in str(messages[0].body)


def test_a_role_is_told_to_the_person_and_to_administrators(world: World) -> None:
    actions.give_role(world.alice, Role.USER_ADMINISTRATOR, by=world.root, now=world.now)
    work(world.now)
    assert [notice.rule for notice in Notice.objects.filter(user=world.alice)] == [AlertRule.ROLE_GIVEN]
    assert Alert.objects.get().rule == AlertRule.ROLE_GIVEN
    said = alerts(world)
    assert "An administrative role was given: Alice" in said
    assert "User Administrator" in said
    assert "root@harbour.example" in said


def test_the_owner_of_an_address_is_told_who_may_write_as_it(world: World) -> None:
    give_send_as(world.alice, "carol@harbour.example", until=None, by=world.root, now=world.now)
    [message] = work(world.now)
    assert message.to == ["carol@elsewhere.example"]
    assert message.subject == "Somebody else may write as you (Harbour & Hill)"
    assert "let alice@harbour.example write mail as carol@harbour.example" in str(message.body)


@pytest.mark.parametrize("roles", [(), (Role.HELPDESK_ADMINISTRATOR,)])
def test_a_person_made_with_a_role_is_told_like_a_role(world: World, roles: tuple[Role, ...]) -> None:
    actions.create_person(
        world.organisation,
        sign_in_name="dora@harbour.example",
        display_name="Dora",
        contact_mail="dora@elsewhere.example",
        roles=roles,
        by=world.root,
        now=world.now,
    )
    work(world.now)
    assert Alert.objects.filter(rule=AlertRule.ROLE_GIVEN).count() == len(roles)


def test_an_administrator_made_on_the_console_names_the_systems_user_and_the_host(world: World) -> None:
    call_command("createadmin", "alice@harbour.example", stdout=io.StringIO())
    for kind in (EventKind.ROLE_GIVEN, EventKind.INVITATION_MADE):
        event = Event.objects.filter(kind=kind).get()
        assert (event.door, event.agent, event.actor_id) == ("console", CONSOLE, None)
    sent = work(world.now + timedelta(minutes=1))
    messages = [message for message in sent if "alice@elsewhere.example" in message.to]
    assert CONSOLE in str(messages[0].body)
    assert f"Global Administrator, by {CONSOLE} on the server's console" in alerts(world)


def test_a_link_for_a_person_who_is_an_administrator_already_names_who_made_it(world: World) -> None:
    call_command("createadmin", "root@harbour.example", stdout=io.StringIO())
    assert Event.objects.filter(kind=EventKind.INVITATION_MADE).get().agent == CONSOLE


def test_an_invitation_lasts_a_day_and_longer_only_by_choice(world: World) -> None:
    token = invitations.invite(world.carol, by=world.root, now=world.now).token
    assert invitations.find(token, now=world.now + timedelta(hours=24, seconds=-1)) is not None
    assert invitations.find(token, now=world.now + timedelta(hours=24)) is None
    longer = invitations.invite(world.carol, by=world.root, lifetime=timedelta(days=7), now=world.now).token
    assert invitations.find(longer, now=world.now + timedelta(days=7, seconds=-1)) is not None


def test_an_organisations_own_limit_holds_for_links_as_well(world: World) -> None:
    world.organisation.limits = {"initial_password_seconds": 3600}
    world.organisation.save()
    world.carol.refresh_from_db()
    token = invitations.invite(world.carol, by=world.root, now=world.now).token
    assert invitations.find(token, now=world.now + timedelta(hours=1, seconds=-1)) is not None
    assert invitations.find(token, now=world.now + timedelta(hours=1)) is None


@pytest.mark.parametrize(("words", "hours"), [((), 24), (("--days", "3"), 72)])
def test_the_command_says_how_long_its_link_lasts(world: World, words: tuple[str, ...], hours: int) -> None:
    out = io.StringIO()
    call_command("createadmin", "alice@harbour.example", *words, stdout=out)
    assert f"within {hours} hours" in out.getvalue()
