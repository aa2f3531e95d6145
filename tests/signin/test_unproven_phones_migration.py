"""The migration that marks phones of before: which were added while a password was enough, by people still Disabled."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

from django.apps import apps

from tests.world import World, give_phone
from watchword.core.policy import FactorKind, MfaState
from watchword.directory.models import MfaCause, MfaStateChange, User
from watchword.factors import vault
from watchword.factors.models import Credential
from watchword.factors.vault import Kept
from watchword.signin.facts import proven_phones

mark = import_module("watchword.factors.migrations.0005_unproven_phones").mark
DAY = timedelta(days=1)


def added(user: User, world: World, *, days_ago: int) -> Kept:
    phone = give_phone(user)
    Credential.objects.filter(pk=phone.id).update(created_at=world.now - days_ago * DAY)
    return phone


def changed(user: User, world: World, before: MfaState, after: MfaState, *, days_ago: int) -> None:
    at, cause = world.now - days_ago * DAY, MfaCause.PERSON
    MfaStateChange.objects.create(user=user, at=at, before=before, after=after, cause=cause)


def is_proven(user: User) -> bool:
    return bool(proven_phones(vault.holdings(user, kinds=[FactorKind.PHONE])))


def test_phones_are_marked_by_what_their_owner_was_when_they_added_them(world: World) -> None:
    added(world.carol, world, days_ago=3)
    # Bob registered while Enforced and was Disabled afterwards.
    User.objects.filter(pk=world.bob.pk).update(mfa_state=MfaState.DISABLED)
    changed(world.bob, world, MfaState.DISABLED, MfaState.ENFORCED, days_ago=9)
    changed(world.bob, world, MfaState.ENFORCED, MfaState.DISABLED, days_ago=2)
    added(world.bob, world, days_ago=5)
    mark(apps, None)
    assert [is_proven(user) for user in (world.alice, world.bob, world.carol)] == [True, True, False]
    remembered = dict(User.objects.values_list("sign_in_name", "had_second_factor_at"))
    assert [bool(remembered[f"{name}@harbour.example"]) for name in ("alice", "bob", "carol", "root")] == [
        True,
        True,
        False,
        False,
    ]
