"""Administrative actions without a target person check the role table themselves as well, whichever page calls them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from tests.world import ORIGIN, World, make_person
from watchword.admincenter.phones import country_blocks, test_messages
from watchword.admincenter.users.csv_import import import_rows
from watchword.audit.models import Event
from watchword.core.policy import Channel
from watchword.directory import actions as people
from watchword.directory import applications, domains, groups
from watchword.directory.applications import AppSettings
from watchword.directory.models import Organisation
from watchword.directory.people_file import read_file
from watchword.directory.permissions import PermissionDenied
from watchword.directory.roles import ACTS_WITHOUT_TARGET, MAY, Act, Role
from watchword.factors.phone.factor import Number
from watchword.messaging.models import CountryBlock
from watchword.signin import service_settings

PEOPLE = b"Display name,User name\nDora,dora@harbour.example\n"
STATES = b"User name,MFA state\ncarol@harbour.example,Enabled\n"


def bring_in(content: bytes, world: World, by: Any) -> object:
    return import_rows(read_file(content), organisation=world.organisation, by=by, origin=ORIGIN, is_real=True)


def reopen(world: World, by: Any) -> object:
    country_block = CountryBlock(
        organisation=world.organisation, country="FR", at=world.now, until=world.now, sent=40, entered=1
    )
    return country_blocks.reopen(country_block, by=by, origin=ORIGIN, now=world.now)


def text_to_a_phone(world: World, by: Any) -> object:
    line = Number("+4915123456789", "DE", takes_texts=True)
    return test_messages.send_test(by, line, Channel.SMS, gateway="", origin=ORIGIN, now=world.now)


ACTS: dict[str, tuple[Act, Callable[[World, Any], object]]] = {
    "create": (
        Act.CREATE_PERSON,
        lambda world, by: people.create_person(
            world.organisation, sign_in_name="dora@harbour.example", display_name="Dora", by=by, now=world.now
        ),
    ),
    "import people": (Act.IMPORT_PEOPLE, lambda world, by: bring_in(PEOPLE, world, by)),
    "import states": (Act.CHANGE_MFA_STATE, lambda world, by: bring_in(STATES, world, by)),
    "settings": (
        Act.CHANGE_SETTINGS,
        lambda world, by: service_settings.change_settings(
            world.organisation, {"app_passwords_allowed": False}, by=by, now=world.now
        ),
    ),
    "reopen a country": (Act.CHANGE_SETTINGS, reopen),
    "send a test": (Act.CHANGE_SETTINGS, text_to_a_phone),
    "make a group": (
        Act.MANAGE_GROUPS,
        lambda world, by: groups.create_group(world.organisation, "Drivers", by=by, now=world.now),
    ),
    "add an app": (
        Act.MANAGE_APPS,
        lambda world, by: applications.add_app(world.organisation, AppSettings("Wiki"), by=by, now=world.now),
    ),
    "add a domain": (
        Act.MANAGE_DOMAINS,
        lambda world, by: domains.add_domain(world.organisation, "quay.example", by=by, now=world.now),
    ),
    "remove a domain": (
        Act.MANAGE_DOMAINS,
        lambda world, by: domains.remove_domain(world.organisation, "pier.example", by=by, now=world.now),
    ),
}


def test_no_act_on_nobody_is_left_out() -> None:
    """Pages check the right to see; a page closes alerts, and the test of every address against the table covers it."""
    done = {act for act, _do in ACTS.values()} - {Act.CHANGE_MFA_STATE}
    assert done == ACTS_WITHOUT_TARGET - {Act.SEE_PEOPLE, Act.SEE_SIGN_INS, Act.SEE_APPS, Act.CLOSE_ALERTS}


@pytest.mark.parametrize("name", list(ACTS))
def test_each_act_on_nobody_is_done_or_refused_as_the_table_says(world: World, name: str) -> None:
    act, do = ACTS[name]
    domains.add_domain(world.organisation, "pier.example", by=None, now=world.now)
    actors = [make_person(world.organisation, f"actor{number}", roles=(role,)) for number, role in enumerate(Role)]
    for actor in [make_person(world.organisation, "actor"), *actors]:
        before = Event.objects.count()
        with transaction.atomic():
            if any(act in MAY[role] for role in actor.roles):
                do(world, actor)
            else:
                with pytest.raises(PermissionDenied):
                    do(world, actor)
                assert Event.objects.count() == before
            transaction.set_rollback(True)
        world.organisation = Organisation.objects.get(pk=world.organisation.pk)
