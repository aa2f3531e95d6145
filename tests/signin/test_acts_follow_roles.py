"""Every administrative action on a person checks the role table itself, for every role of actor and of target."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from django.db import transaction

from tests.world import World, give_password, make_person
from watchword.audit.models import Event
from watchword.audit.record import NOWHERE
from watchword.core.policy import MfaState
from watchword.directory import actions as people
from watchword.directory import send_as
from watchword.directory.models import User
from watchword.directory.permissions import PermissionDenied
from watchword.directory.roles import ACTS_WITHOUT_TARGET, MAY, MAY_TOUCH, Act, Role, Whom
from watchword.signin import access_passes, actions, invitations, throttling

ACTS: dict[str, tuple[Act, Callable[..., object]]] = {
    "edit": (Act.EDIT_PERSON, lambda user, **by: people.edit_person(user, {"display_name": "Somebody"}, **by)),
    "add alias": (Act.EDIT_PERSON, lambda user, **by: people.add_alias(user, "somebody@harbour.example", **by)),
    "remove alias": (Act.EDIT_PERSON, lambda user, **by: people.remove_alias(user, "somebody@harbour.example", **by)),
    "state": (Act.CHANGE_MFA_STATE, lambda user, **by: actions.set_mfa_state(user, MfaState.ENFORCED, **by)),
    "block": (Act.BLOCK_PERSON, actions.block),
    "unblock": (Act.BLOCK_PERSON, actions.unblock),
    "delete": (Act.DELETE_PERSON, actions.delete),
    "restore": (Act.DELETE_PERSON, actions.restore),
    "reset password": (Act.RESET_PASSWORD, actions.reset_password),
    "invite": (Act.RESET_PASSWORD, invitations.invite),
    "reset methods": (Act.RESET_METHODS, actions.reset_methods),
    "make pass": (Act.MAKE_ACCESS_PASS, partial(access_passes.make, lifetime=timedelta(hours=1), is_once=True)),
    "delete pass": (Act.MAKE_ACCESS_PASS, access_passes.delete),
    "delete app passwords": (Act.DELETE_APP_PASSWORDS, actions.delete_app_passwords),
    "sign out": (Act.SIGN_OUT_EVERYWHERE, actions.sign_out_everywhere),
    "unlock": (Act.UNLOCK, actions.unlock_second_factor),
    "give role": (Act.GIVE_ROLES, lambda user, **by: actions.give_role(user, Role.HELPDESK_ADMINISTRATOR, **by)),
    "write a role down": (
        Act.GIVE_ROLES,
        lambda user, **by: people.give_role(user, Role.HELPDESK_ADMINISTRATOR, **by),
    ),
    "let write as": (
        Act.GIVE_SEND_AS,
        lambda user, **by: send_as.give_send_as(user, "actor@harbour.example", until=None, **by),
    ),
    "let be written as": (
        Act.GIVE_SEND_AS,
        lambda user, **by: send_as.give_send_as(any_person(), user.sign_in_name, until=None, **by),
    ),
    "let write as no more": (Act.GIVE_SEND_AS, lambda user, **by: send_as.take_send_as(user, 0, **by)),
    "give mailbox": (
        Act.CHANGE_MAILBOX,
        lambda user, **by: actions.change_mailbox(user, f"box.{user.pk}@harbour.example", takes_over=False, **by),
    ),
    "take role": (Act.GIVE_ROLES, lambda user, **by: people.take_role(user, Role.HELPDESK_ADMINISTRATOR, **by)),
}


def any_person() -> User:
    """Return the person without a role."""
    return User.objects.get(sign_in_name="actor@harbour.example")


PEOPLE: list[Whom] = [whom for whom in Whom if whom is not Whom.ROLE_GROUP]


def roles_of(whom: Whom) -> tuple[Role, ...]:
    return () if whom is Whom.NO_ROLE else (Role(whom.value),)


def test_no_act_on_a_person_is_left_out() -> None:
    assert {act for act, _do in ACTS.values()} == set(Act) - ACTS_WITHOUT_TARGET


@pytest.mark.parametrize("name", list(ACTS))
def test_each_act_is_done_or_refused_as_the_table_says(world: World, name: str) -> None:
    act, do = ACTS[name]
    actors = [make_person(world.organisation, f"actor{number}", roles=(role,)) for number, role in enumerate(Role)]
    plain = make_person(world.organisation, "actor")
    targets: dict[Whom, User] = {}
    for number, whom in enumerate(PEOPLE):
        targets[whom] = make_person(world.organisation, f"target{number}", state=MfaState.ENABLED, roles=roles_of(whom))
        give_password(targets[whom], "a passphrase of somebody")
        throttling.count_wrong_code(targets[whom], origin=NOWHERE, now=world.now)
    for actor in [plain, *actors]:
        for whom, target in targets.items():
            allowed = any(act in MAY[role] and whom in MAY_TOUCH[role] for role in actor.roles)
            before = Event.objects.count()
            with transaction.atomic():
                if allowed:
                    do(target, by=actor, now=world.now)
                else:
                    with pytest.raises(PermissionDenied):
                        do(target, by=actor, now=world.now)
                    assert Event.objects.count() == before
                transaction.set_rollback(True)
            target.refresh_from_db()


def test_a_user_administrator_is_not_taken_over_by_an_authentication_administrator(world: World) -> None:
    """Phones and password together are the account: such resets once led up to the Policy Administrator's account."""
    helper = make_person(world.organisation, "helper", roles=(Role.AUTHENTICATION_ADMINISTRATOR,))
    user_administrator = make_person(world.organisation, "keeper", roles=(Role.USER_ADMINISTRATOR,))
    ruler = make_person(world.organisation, "ruler", roles=(Role.AUTHENTICATION_POLICY_ADMINISTRATOR,))
    for actor, target in [
        (helper, user_administrator),
        (user_administrator, ruler),
        (user_administrator, helper),
        (helper, ruler),
    ]:
        for act in (actions.reset_password, actions.reset_methods):
            with pytest.raises(PermissionDenied):
                act(target, by=actor, now=world.now)
