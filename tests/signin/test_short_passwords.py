"""A password that is long enough with a phone, and too short as the only factor (NIST SP 800-63B-4 section 3.1.1.2)."""

from __future__ import annotations

from tests.alerts.playing import pass_password
from tests.signin.test_enrolment_evidence import after_password, again, opens_mail
from tests.world import ORIGIN, World, evidence_for, give_password
from watchword.core.decision import AskFor, DenyReason, SetUpFirst
from watchword.core.factors import Rejected, RejectReason
from watchword.core.policy import FactorKind, MfaState
from watchword.signin import actions, flow, invitations, password_change, sessions
from watchword.signin.password_change import PasswordChosen
from watchword.signin.results import Continue, SignedIn

SHORT, LONG = "q7-Vx2.kW9", "seven quiet otters sail"


def choose(world: World, name: str, password: str, *kinds: FactorKind) -> object:
    proof = evidence_for(*kinds, at=world.now)
    session = sessions.open_session(again(world.people[name]), proof, origin=ORIGIN, now=world.now).session
    chosen = password_change.choose_password(
        session, password, current=world.passwords[name], origin=ORIGIN, now=world.now
    )
    if isinstance(chosen, PasswordChosen):
        world.passwords[name] = password
    return chosen


def alice_with_a_short_password(world: World) -> None:
    assert isinstance(choose(world, "alice", SHORT, FactorKind.PASSWORD, FactorKind.PHONE), PasswordChosen)


def test_a_short_password_opens_mail_for_nobody(world: World) -> None:
    alice_with_a_short_password(world)
    assert not opens_mail(world, world.alice, SHORT)
    # Disabled lets the account password open mail, so that its length alone is what refuses it.
    actions.set_mfa_state(world.alice, MfaState.DISABLED, by=world.root, now=world.now)
    assert not opens_mail(world, world.alice, SHORT)


def test_a_short_password_is_replaced_at_the_next_sign_in_once_it_stands_alone(world: World) -> None:
    alice_with_a_short_password(world)
    actions.set_mfa_state(world.alice, MfaState.DISABLED, by=world.root, now=world.now)
    assert after_password(world, world.alice) == Continue(
        SetUpFirst(FactorKind.PASSWORD, DenyReason.PASSWORD_TOO_SHORT)
    )
    attempt = pass_password(world, world.alice)
    again_short = password_change.choose_password(attempt, "q8-Zt4.mR5", origin=ORIGIN, now=world.now)
    assert again_short == Rejected(RejectReason.TOO_SHORT)
    chosen = password_change.choose_password(attempt, LONG, origin=ORIGIN, now=world.now)
    assert isinstance(chosen, PasswordChosen)
    assert opens_mail(world, world.alice, LONG)


def test_a_short_password_stays_while_a_phone_stands_behind_it(world: World) -> None:
    alice_with_a_short_password(world)
    decision = flow.stage(pass_password(world, world.alice), now=world.now)
    assert isinstance(decision, AskFor)
    assert decision.because is DenyReason.MFA_REQUIRED


def test_a_person_who_is_enabled_and_not_registered_chooses_a_password_that_can_stand_alone(world: World) -> None:
    """Mail programs of such a person still use the account password."""
    invited = invitations.invite(world.bob, by=world.root, now=world.now).invitation
    refused = invitations.accept(invited, SHORT, origin=ORIGIN, now=world.now)
    assert refused == Rejected(RejectReason.TOO_SHORT)
    assert invitations.accept(invited, LONG, origin=ORIGIN, now=world.now) is None
    assert opens_mail(world, world.bob, LONG)


def test_one_that_was_chosen_before_lengths_were_remembered_is_found_when_it_is_shown(world: World) -> None:
    give_password(world.carol, SHORT)
    give_password(world.bob, SHORT)
    world.passwords |= {"carol": SHORT, "bob": SHORT}
    assert not opens_mail(world, world.bob, SHORT)
    outcome = after_password(world, world.carol)
    assert not isinstance(outcome, SignedIn)
    assert outcome == Continue(SetUpFirst(FactorKind.PASSWORD, DenyReason.PASSWORD_TOO_SHORT))
