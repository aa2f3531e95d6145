"""Groups of people, and the apps that are for them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.world import World, make_organisation, make_person
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.directory import applications, groups
from watchword.directory.actions import BadPerson
from watchword.directory.applications import AppSettings
from watchword.directory.models import App, Group, GroupMember
from watchword.directory.permissions import PermissionDenied


def test_a_group_is_made_changed_and_deleted_with_an_event_each(world: World) -> None:
    group = groups.create_group(
        world.organisation, "  Night   shift ", "Who drives at night", by=world.root, now=world.now
    )
    assert group.name == "Night shift"
    assert groups.change_group(group, "Night drivers", "", by=world.root, now=world.now)
    assert not groups.change_group(group, "Night drivers", "", by=world.root, now=world.now)
    assert groups.delete_group(group, by=world.root, now=world.now)
    assert not groups.delete_group(group, by=world.root, now=world.now)
    kinds = [event.kind for event in Event.objects.filter(kind__startswith="group.").order_by("pk")]
    assert kinds == [EventKind.GROUP_CREATED, EventKind.GROUP_CHANGED, EventKind.GROUP_DELETED]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("", "missing"), ("x" * 101, "too_long"), ("Night\u202eshift", "not_printable"), ("Drivers", "taken")],
)
def test_a_bad_name_of_a_group_is_refused_and_nothing_is_written(world: World, name: str, reason: str) -> None:
    groups.create_group(world.organisation, "Drivers", by=None, now=world.now)
    with pytest.raises(BadPerson) as refused:
        groups.create_group(world.organisation, name, by=None, now=world.now)
    assert refused.value.reasons == {"name": reason}
    assert Group.objects.count() == 1


def test_members_are_added_once_and_only_from_the_own_organisation(world: World) -> None:
    stranger = make_person(make_organisation("Hill", "hill.example"), "mallory")
    group = groups.create_group(world.organisation, "Drivers", by=None, now=world.now)
    assert groups.add_members(group, [world.alice, world.bob, world.alice, stranger], by=None, now=world.now) == 2
    assert groups.add_members(group, [world.alice], by=None, now=world.now) == 0
    assert groups.remove_members(group, [world.alice, world.carol], by=None, now=world.now) == 1
    assert [member.user_id for member in GroupMember.objects.all()] == [world.bob.pk]
    assert groups.groups_of(world.bob) == [group]


def test_an_app_for_a_group_is_for_its_members_alone(world: World) -> None:
    group = groups.create_group(world.organisation, "Drivers", by=None, now=world.now)
    groups.add_members(group, [world.alice], by=None, now=world.now)
    app = applications.add_app(
        world.organisation, AppSettings("Wiki", for_everyone=False), groups=[group], by=None, now=world.now
    )
    assert applications.is_assigned(app, world.alice)
    assert not applications.is_assigned(app, world.bob)
    assert applications.apps_of(world.alice) == [app]
    assert applications.apps_of(world.bob) == []
    groups.delete_group(group, by=None, now=world.now)
    assert not applications.is_assigned(app, world.alice)


def test_an_app_is_changed_disabled_and_removed(world: World) -> None:
    app = applications.add_app(world.organisation, AppSettings("Wiki"), by=world.root, now=world.now)
    changed = applications.change_app(
        app, AppSettings("Wiki", second_factor_always=True, max_age_seconds=600), by=world.root, now=world.now
    )
    assert changed == ["second_factor_always", "max_age_seconds"]
    assert applications.set_app_enabled(app, is_enabled=False, by=world.root, now=world.now)
    assert not applications.set_app_enabled(app, is_enabled=False, by=world.root, now=world.now)
    assert applications.apps_of(world.alice) == []
    assert applications.remove_app(app, by=world.root, now=world.now)
    assert not App.objects.exists()
    kinds = [event.kind for event in Event.objects.filter(kind__startswith="app.").order_by("pk")]
    assert kinds == [EventKind.APP_ADDED, EventKind.APP_CHANGED, EventKind.APP_CHANGED, EventKind.APP_REMOVED]


@pytest.mark.parametrize(
    ("given", "reasons"),
    [
        ({"name": " "}, {"name": "missing"}),
        ({"name": "Wiki", "home_url": "javascript:alert(1)"}, {"home_url": "not_a_web_address"}),
        ({"name": "Wiki", "home_url": "https://x@evil.example/"}, {"home_url": "not_a_web_address"}),
        ({"name": "Wiki", "max_age_seconds": 0}, {"max_age_seconds": "out_of_range"}),
        ({"name": "x" * 101, "description": "y" * 301}, {"name": "too_long", "description": "too_long"}),
    ],
)
def test_bad_settings_of_an_app_are_named_and_nothing_is_written(
    world: World, given: dict[str, Any], reasons: dict[str, str]
) -> None:
    with pytest.raises(BadPerson) as refused:
        applications.add_app(world.organisation, AppSettings(**given), by=None, now=world.now)
    assert refused.value.reasons == reasons
    assert not App.objects.exists()


def test_who_may_not_manage_apps_and_groups_does_neither(world: World) -> None:
    with pytest.raises(PermissionDenied):
        groups.create_group(world.organisation, "Drivers", by=world.alice, now=world.now)
    with pytest.raises(PermissionDenied):
        applications.add_app(world.organisation, AppSettings("Wiki"), by=world.alice, now=world.now)
