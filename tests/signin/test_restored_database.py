"""A restored database gives nothing back that ended since the backup, as far as the access list tells."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from tests.world import ORIGIN, World, give_app_password, give_password, give_phone, make_person, sign_in
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.keyring import KeyRing
from watchword.core.policy import AccountStatus, Door, FactorKind, MfaState
from watchword.directory import actions as directory_actions
from watchword.directory import send_as
from watchword.directory.models import RoleAssignment, SendAs, User
from watchword.directory.roles import Role
from watchword.factors import vault
from watchword.signin import access_list, access_passes, actions, invitations, non_interactive, restored_database
from watchword.signin.access_list import AccessList, AccessListError
from watchword.signin.models import Invitation, Revocation, Session
from watchword.signin.non_interactive import AuthRequest, Secret
from watchword.signin.restored_database import RevokedAgain

pytestmark = pytest.mark.django_db


def list_after(world: World, change: Callable[[], object]) -> AccessList:
    """Return the access list after a change that the database, as restored, does not know."""
    with transaction.atomic():
        change()
        newer = access_list.current(now=world.now + timedelta(hours=1))
        transaction.set_rollback(True)
    return newer


def restored(world: World, change: Callable[[], object]) -> RevokedAgain:
    """Return what a restore revokes again if the change was made after the backup."""
    newer = list_after(world, change)
    return restored_database.revoke_again(newer, origin=ORIGIN, now=timezone.now())


def log_in(letters: str) -> bool:
    asked = AuthRequest(Door.MAIL, "alice@harbour.example", Secret(letters), "imap", "198.51.100.9")
    return non_interactive.check_many([asked], now=timezone.now())[0].allowed


def test_every_session_link_and_access_pass_ends(world: World, client: Client) -> None:
    sign_in(client, world.alice)
    invitations.make(world.carol, now=world.now)
    access_passes.make_link(world.bob, now=world.now)
    ended = restored_database.end_everything(now=world.now + timedelta(seconds=1))
    assert (ended.sessions, ended.links, ended.access_passes) == (1, 1, 1)
    assert not Session.objects.filter(ended_at=None).exists()
    assert not Invitation.objects.filter(used_at=None, void_at=None).exists()
    assert client.get("/activity/").status_code == 302
    assert not User.objects.filter(links_void_at=None).exists()


def test_an_app_password_that_was_deleted_since_is_refused(world: World) -> None:
    assert log_in(world.alices_app_password)
    found = restored(world, lambda: actions.delete_app_passwords(world.alice, by=None, now=world.now))
    assert found.app_passwords == ["alice@harbour.example: Laptop"]
    assert not log_in(world.alices_app_password)
    assert Revocation.objects.filter(user_id=world.alice.pk, because="restored").exists()
    event = Event.objects.get(kind=EventKind.APP_PASSWORD_DELETED)
    assert (event.reason, event.details["name"]) == ("restored", "Laptop")


def test_an_app_password_that_was_made_since_is_named_as_lost(world: World) -> None:
    found = restored(world, lambda: give_app_password(world.alice, "Tablet"))
    assert found.lost_app_passwords == ["alice@harbour.example: Tablet"]
    assert found.app_passwords == []
    assert log_in(world.alices_app_password)


def test_an_app_password_that_was_paused_since_is_paused(world: World) -> None:
    (stored,) = vault.holdings(world.alice, kinds=[FactorKind.APP_PASSWORD])
    found = restored(world, lambda: vault.pause_many([stored.id], now=world.now))
    assert found.paused == ["alice@harbour.example: Laptop"]
    assert not log_in(world.alices_app_password)


@pytest.mark.parametrize("act", [actions.block, actions.delete])
def test_a_person_who_was_blocked_or_deleted_since_stays_out(world: World, act: Callable[..., bool]) -> None:
    found = restored(world, lambda: act(world.alice, by=None, now=world.now))
    assert world.alice.sign_in_name in found.blocked + found.deleted
    alice = User.objects.get(pk=world.alice.pk)
    assert alice.standing is (AccountStatus.BLOCKED if act is actions.block else AccountStatus.DELETED)
    assert not log_in(world.alices_app_password)


def test_a_person_who_was_unblocked_since_stays_blocked(world: World) -> None:
    actions.block(world.alice, by=None, now=world.now)
    found = restored(world, lambda: actions.unblock(world.alice, by=None, now=world.now))
    assert found == RevokedAgain()
    assert User.objects.get(pk=world.alice.pk).standing is AccountStatus.BLOCKED


def test_a_role_and_a_right_that_were_taken_since_are_taken(world: World) -> None:
    helper = make_person(world.organisation, "helper", roles=(Role.HELPDESK_ADMINISTRATOR,))
    send_as.give_send_as(world.bob, "carol@harbour.example", until=None, by=world.root, now=world.now)

    def take_both() -> None:
        directory_actions.take_role(helper, Role.HELPDESK_ADMINISTRATOR, by=None, now=world.now)
        SendAs.objects.all().delete()

    found = restored(world, take_both)
    assert found.without_role == ["helper@harbour.example: helpdesk_administrator"]
    assert len(found.without_send_as) == 1
    assert not RoleAssignment.objects.filter(user=helper).exists()
    assert not SendAs.objects.exists()


def test_an_old_account_password_does_not_come_back(world: World) -> None:
    found = restored(world, lambda: give_password(world.carol, "another long passphrase"))
    assert found.passwords == ["carol@harbour.example"]
    assert found.lost_passwords == ["carol@harbour.example"]
    assert vault.holdings(world.carol, kinds=[FactorKind.PASSWORD]) == []


def test_who_registered_a_phone_since_needs_more_than_the_password(world: World) -> None:
    def register() -> None:
        give_phone(world.bob, "+4915119999999")
        User.objects.filter(pk=world.bob.pk).update(had_second_factor_at=world.now)

    found = restored(world, register)
    assert found.needs_second_factor == ["bob@harbour.example"]
    assert found.lost_phones == ["bob@harbour.example"]
    assert User.objects.get(pk=world.bob.pk).had_second_factor_at is not None


def test_a_phone_that_was_removed_since_proves_nothing(world: World) -> None:
    found = restored(world, lambda: actions.reset_methods(world.alice, by=None, now=world.now))
    assert found.phones == ["alice@harbour.example"]
    assert vault.holdings(world.alice, kinds=[FactorKind.PHONE]) == []


def test_who_was_enabled_since_is_not_disabled_again(world: World) -> None:
    restored(world, lambda: actions.set_mfa_state(world.carol, MfaState.ENABLED, by=None, now=world.now))
    assert User.objects.get(pk=world.carol.pk).state is MfaState.ENABLED


def test_settings_that_were_changed_since_and_new_people_are_named(world: World) -> None:
    def change() -> None:
        world.organisation.call_allowed = not world.organisation.call_allowed
        world.organisation.save()
        make_person(world.organisation, "newcomer")

    found = restored(world, change)
    assert found.changed_settings == [world.organisation.name]
    assert found.lost_people == ["newcomer@harbour.example"]
    world.organisation.refresh_from_db()


def test_all_app_passwords_are_paused_where_that_is_asked_for(world: World) -> None:
    assert restored_database.pause_app_passwords(now=world.now) == 1
    assert not log_in(world.alices_app_password)
    assert restored_database.pause_app_passwords(now=world.now) == 0


def test_a_list_is_read_as_it_was_written_and_a_changed_one_is_not(world: World) -> None:
    ring = KeyRing.create(random_source=os.urandom)
    written = access_list.current(now=world.now)
    octets = written.serialise(ring)
    assert access_list.parse(octets, ring) == written
    assert b"passphrase" not in octets
    for changed in (octets[:-40], octets.replace(b"enforced", b"disabled"), octets[1:], b"", octets.upper()):
        with pytest.raises(AccessListError):
            access_list.parse(changed, ring)
    with pytest.raises(AccessListError):
        access_list.parse(octets, KeyRing.create(random_source=os.urandom))
