"""Administrative actions on credentials and sessions: what each action ends, and which roles may perform it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.telephone import Telephone
from tests.world import ORIGIN, World, evidence_for, give_app_password, give_phone, make_person
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.decision import DenyReason
from watchword.core.factors import Rejected
from watchword.core.policy import Door, FactorKind, MfaState
from watchword.directory.administrators import LastGlobalAdministrator
from watchword.directory.models import MfaCause, MfaStateChange, User
from watchword.factors import vault
from watchword.signin import (
    actions,
    flow,
    invitations,
    non_interactive,
    queries,
    service_settings,
    sessions,
    throttling,
)
from watchword.signin.invitations import InvitationIsOver
from watchword.signin.models import Revocation, SignInAttempt
from watchword.signin.non_interactive import AuthRequest, Secret
from watchword.signin.results import Continue, SignedIn, SignInDenied


def opened(world: World, user: User) -> str:
    evidence = evidence_for(FactorKind.PASSWORD, FactorKind.PHONE)
    return sessions.open_session(user, evidence, origin=ORIGIN, now=world.now).token


def mail_opens(world: World, secret: str, name: str = "alice@harbour.example") -> bool:
    question = AuthRequest(Door.MAIL, name, Secret(secret))
    if non_interactive.is_shaped_like_app_password(question):
        return non_interactive.check_many([question], now=world.now)[0].allowed
    return non_interactive.check_account_password(question, now=world.now).allowed


def test_enabling_signs_out_and_is_remembered(world: World) -> None:
    token = opened(world, world.carol)
    outcome = actions.set_mfa_state(world.carol, MfaState.ENABLED, by=world.root, now=world.now)
    assert (outcome.before, outcome.after, outcome.because_registered) == (MfaState.DISABLED, MfaState.ENABLED, False)
    assert sessions.find(token, now=world.now) is None
    change = MfaStateChange.objects.get(user=world.carol)
    assert (change.by, change.by_name, change.cause) == (world.root, "root@harbour.example", MfaCause.PERSON)
    assert Event.objects.filter(kind=EventKind.MFA_STATE_CHANGED, subject_id=world.carol.pk).count() == 1


def test_enabling_a_person_who_is_registered_enforces_at_once_and_says_why(world: World) -> None:
    give_phone(world.carol)
    outcome = actions.set_mfa_state(world.carol, MfaState.ENABLED, by=world.root, now=world.now)
    assert (outcome.after, outcome.because_registered) == (MfaState.ENFORCED, True)
    assert MfaStateChange.objects.get(user=world.carol).cause == MfaCause.ALREADY_REGISTERED


def test_setting_a_state_again_changes_and_records_nothing(world: World) -> None:
    actions.set_mfa_state(world.alice, MfaState.ENFORCED, by=world.root, now=world.now)
    assert not MfaStateChange.objects.exists()


def test_app_14_disabling_suspends_app_passwords_for_good(world: World) -> None:
    actions.set_mfa_state(world.alice, MfaState.DISABLED, by=world.root, now=world.now)
    assert not mail_opens(world, world.alices_app_password)
    assert mail_opens(world, world.passwords["alice"])
    actions.set_mfa_state(world.alice, MfaState.ENABLED, by=world.root, now=world.now)
    world.alice.refresh_from_db()
    assert world.alice.state is MfaState.ENFORCED
    assert not mail_opens(world, world.alices_app_password)
    assert queries.app_passwords_of(world.alice)[0].suspended_at is not None
    assert mail_opens(world, give_app_password(world.alice, "A new one"))


def test_app_13_a_reset_of_the_password_ends_sessions_app_passwords_and_the_old_password(world: World) -> None:
    token = opened(world, world.alice)
    reset = actions.reset_password(world.alice, by=world.root, now=world.now)
    assert reset.secret not in repr(reset)
    assert sessions.find(token, now=world.now) is None
    assert queries.app_passwords_of(world.alice) == []
    assert not mail_opens(world, world.alices_app_password)
    attempt = flow.find_attempt(
        flow.begin("alice@harbour.example", origin=ORIGIN, next_url="/", now=world.now), now=world.now
    )
    assert attempt is not None
    old = flow.answer(attempt, FactorKind.PASSWORD, world.passwords["alice"], now=world.now)
    assert old == SignInDenied(DenyReason.WRONG_PROOF)
    assert isinstance(flow.answer(attempt, FactorKind.PASSWORD, reset.secret, now=world.now), Continue)


def test_app_13_app_passwords_can_be_kept_at_a_reset(world: World) -> None:
    actions.reset_password(world.alice, by=world.root, keep_app_passwords=True, now=world.now)
    assert mail_opens(world, world.alices_app_password)


@pytest.mark.parametrize("act", [actions.block, actions.delete])
def test_blocking_and_deleting_end_everything_at_once(world: World, act: Callable[..., bool]) -> None:
    token = opened(world, world.alice)
    on_its_way = flow.begin("alice@harbour.example", origin=ORIGIN, next_url="/", now=world.now)
    assert act(world.alice, by=world.root, now=world.now)
    assert not act(world.alice, by=world.root, now=world.now)
    assert sessions.find(token, now=world.now) is None
    assert flow.find_attempt(on_its_way, now=world.now) is None
    assert not mail_opens(world, world.alices_app_password)
    assert Revocation.objects.filter(user_id=world.alice.pk).count() == 1


def test_an_unblocked_person_goes_on_and_a_restored_one_needs_new_app_passwords(world: World) -> None:
    actions.block(world.alice, by=world.root, now=world.now)
    assert actions.unblock(world.alice, by=world.root, now=world.now)
    assert mail_opens(world, world.alices_app_password)
    actions.delete(world.alice, by=world.root, now=world.now)
    assert actions.restore(world.alice, by=world.root, now=world.now)
    assert not mail_opens(world, world.alices_app_password)
    assert len(queries.methods_of(world.alice)) == 1


@pytest.mark.parametrize("act", [actions.block, actions.delete])
def test_the_last_global_administrator_can_not_be_shut_out(world: World, act: Callable[..., bool]) -> None:
    with pytest.raises(LastGlobalAdministrator):
        act(world.root, by=world.root, now=world.now)
    world.root.refresh_from_db()
    assert world.root.blocked_at is world.root.deleted_at is None


def test_requiring_contact_methods_again_keeps_the_state_and_app_passwords(world: World) -> None:
    token = opened(world, world.alice)
    assert actions.reset_methods(world.alice, by=world.root, now=world.now).number == 1
    world.alice.refresh_from_db()
    assert world.alice.state is MfaState.ENFORCED
    assert queries.methods_of(world.alice) == []
    assert sessions.find(token, now=world.now) is None
    assert mail_opens(world, world.alices_app_password)


def test_one_app_password_or_all_can_be_deleted(world: World) -> None:
    second = give_app_password(world.alice, "Telephone")
    first_id = queries.app_passwords_of(world.alice)[0].id
    assert actions.delete_app_passwords(world.alice, [first_id], by=world.root, now=world.now) == 1
    assert mail_opens(world, second)
    assert actions.delete_app_passwords(world.alice, by=world.root, now=world.now) == 1
    assert not mail_opens(world, second)
    assert actions.delete_app_passwords(world.alice, [first_id], by=world.root, now=world.now) == 0


def test_signing_out_everywhere_ends_every_session(world: World) -> None:
    tokens = [opened(world, world.alice) for _ in range(3)]
    assert actions.sign_out_everywhere(world.alice, by=world.root, now=world.now) == 3
    assert all(sessions.find(token, now=world.now) is None for token in tokens)


def test_an_unlock_forgets_wrong_codes(world: World, telephone: Telephone) -> None:
    for _ in range(30):
        throttling.count_wrong_code(world.alice, origin=ORIGIN, now=world.now)
    assert throttling.is_closed(queries.lock_of(world.alice, now=world.now))
    assert Event.objects.filter(kind=EventKind.SECOND_FACTOR_LOCKED).count() == 1
    assert actions.unlock_second_factor(world.alice, by=world.root, now=world.now)
    assert not throttling.is_closed(queries.lock_of(world.alice, now=world.now))
    assert not actions.unlock_second_factor(world.alice, by=world.root, now=world.now)


def test_an_invitation_works_once(world: World) -> None:
    dora = make_person(world.organisation, "dora")
    invited = invitations.invite(dora, by=world.root, now=world.now)
    assert invited.token not in repr(invited)
    found = invitations.find(invited.token, now=world.now)
    assert found is not None
    assert isinstance(invitations.accept(found, "short", origin=ORIGIN, now=world.now), Rejected)
    assert invitations.accept(found, "my very own passphrase", origin=ORIGIN, now=world.now) is None
    assert invitations.find(invited.token, now=world.now) is None
    with pytest.raises(InvitationIsOver):
        invitations.accept(found, "somebody else's passphrase", origin=ORIGIN, now=world.now)
    attempt = flow.find_attempt(
        flow.begin("dora@harbour.example", origin=ORIGIN, next_url="/", now=world.now), now=world.now
    )
    assert attempt is not None
    assert isinstance(flow.answer(attempt, FactorKind.PASSWORD, "my very own passphrase", now=world.now), SignedIn)


def test_a_newer_invitation_voids_the_older_one(world: World) -> None:
    first = invitations.invite(world.carol, by=world.root, now=world.now)
    second = invitations.invite(world.carol, by=world.root, now=world.now)
    assert invitations.find(first.token, now=world.now) is None
    assert invitations.find(second.token, now=world.now) is not None


def test_a_replaced_invitation_sets_no_password_for_a_person_who_had_opened_it(world: World) -> None:
    older = invitations.find(invitations.invite(world.carol, by=world.root, now=world.now).token, now=world.now)
    assert older is not None
    newer = invitations.invite(world.carol, by=world.root, now=world.now)
    with pytest.raises(InvitationIsOver):
        invitations.accept(older, "somebody else's passphrase", origin=ORIGIN, now=world.now)
    assert mail_opens(world, world.passwords["carol"], "carol@harbour.example")
    assert invitations.find(newer.token, now=world.now) is not None


def test_closing_mail_to_account_passwords_closes_the_open_connections_of_the_enabled(world: World) -> None:
    changes = {"account_password_in_mail_while_enabled": False}
    service_settings.change_settings(world.organisation, changes, by=world.root, now=world.now)
    closed = Revocation.objects.values_list("mailbox", "because")
    assert list(closed) == [("bob@harbour.example", "account_password_closed")]


def test_app_15_switching_app_passwords_off_stops_them_and_closes_mail(world: World) -> None:
    changes = {"app_passwords_allowed": False}
    changed = service_settings.change_settings(world.organisation, changes, by=world.root, now=world.now)
    assert changed == {"app_passwords_allowed": (True, False)}
    assert not mail_opens(world, world.alices_app_password)
    assert len(queries.app_passwords_of(world.alice)) == 1
    assert Revocation.objects.filter(user_id=world.alice.pk).count() == 1


def test_switching_off_every_way_is_refused_whole(world: World) -> None:
    changes = {"text_allowed": False, "call_allowed": False, "app_passwords_allowed": False}
    with pytest.raises(service_settings.NoChannelLeft):
        service_settings.change_settings(world.organisation, changes, by=world.root, now=world.now)
    world.organisation.refresh_from_db()
    assert world.organisation.app_passwords_allowed
    assert world.organisation.text_allowed


def test_a_sign_in_on_its_way_is_over_when_the_person_is_enabled(world: World) -> None:
    token = flow.begin("carol@harbour.example", origin=ORIGIN, next_url="/", now=world.now)
    actions.set_mfa_state(world.carol, MfaState.ENABLED, by=world.root, now=world.now)
    assert flow.find_attempt(token, now=world.now) is None
    assert SignInAttempt.objects.filter(user=world.carol, ended_at=None).count() == 0
    assert vault.count_alive(world.carol, FactorKind.PASSWORD) == 1
