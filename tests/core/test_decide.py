"""Properties that hold for every possible attempt, and the required decision of single cases."""

import dataclasses
from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.core.strategies import NOW, attempts
from watchword.core.assurance import Evidence
from watchword.core.decision import Account, Allow, AppRules, AskFor, Attempt, Deny, DenyReason, SetUpFirst, decide
from watchword.core.lockout import Locked, Wait
from watchword.core.policy import SECOND_FACTORS, AccountStatus, Door, FactorKind, MfaState, Policy, usable

PASSWORD = Evidence(FactorKind.PASSWORD, NOW)
PHONE = Evidence(FactorKind.PHONE, NOW)
ACCESS_PASS = Evidence(FactorKind.ACCESS_PASS, NOW)
APP_PASSWORD = Evidence(FactorKind.APP_PASSWORD, NOW)
ALICE = Account(AccountStatus.ACTIVE, MfaState.ENFORCED, frozenset({FactorKind.PASSWORD, FactorKind.PHONE}))
BOB = Account(AccountStatus.ACTIVE, MfaState.ENABLED, frozenset({FactorKind.PASSWORD}))
EMERGENCY = dataclasses.replace(BOB, is_administrator=True, is_emergency_access=True)
CAROL = Account(AccountStatus.ACTIVE, MfaState.DISABLED, frozenset({FactorKind.PASSWORD}))


@given(attempts)
def test_a_person_who_is_not_active_never_enters(attempt: Attempt) -> None:
    assume(attempt.account.standing is not AccountStatus.ACTIVE)
    assert not isinstance(decide(attempt), Allow)


@given(attempts)
def test_a_password_alone_never_opens_a_browser_for_enabled_or_enforced(attempt: Attempt) -> None:
    attempt = dataclasses.replace(attempt, door=Door.WEB, from_trusted_network=False)
    assume(attempt.account.state is not MfaState.DISABLED and not attempt.kinds & SECOND_FACTORS)
    assert not isinstance(decide(attempt), Allow)


@given(attempts)
def test_a_trusted_network_never_excuses_an_administrator(attempt: Attempt) -> None:
    account = dataclasses.replace(attempt.account, is_administrator=True)
    attempt = dataclasses.replace(attempt, account=account, door=Door.WEB, from_trusted_network=True)
    assume(account.state is not MfaState.DISABLED and not attempt.kinds & SECOND_FACTORS)
    assert not isinstance(decide(attempt), Allow)


@given(attempts)
def test_an_app_password_never_helps_at_a_browser(attempt: Attempt) -> None:
    attempt = dataclasses.replace(attempt, door=Door.WEB)
    without = tuple(proof for proof in attempt.proven if proof.kind is not FactorKind.APP_PASSWORD)
    bare = dataclasses.replace(attempt, proven=without)
    assert type(decide(attempt)) is type(decide(bare)) or not attempt.kinds & {FactorKind.PASSWORD}
    if isinstance(decide(attempt), Allow):
        assert isinstance(decide(bare), Allow)


@given(attempts)
def test_a_browser_never_opens_without_the_password(attempt: Attempt) -> None:
    attempt = dataclasses.replace(attempt, door=Door.WEB)
    assume(FactorKind.PASSWORD not in attempt.kinds)
    assert not isinstance(decide(attempt), Allow)


@given(attempts)
def test_nobody_is_asked_for_a_method_that_they_lack_or_that_is_switched_off(attempt: Attempt) -> None:
    decision = decide(attempt)
    if isinstance(decision, AskFor) and decision.because is DenyReason.MFA_REQUIRED:
        assert decision.methods
        assert decision.methods <= usable(attempt.account.methods, attempt.policy) & SECOND_FACTORS


@given(attempts)
def test_a_door_without_conversation_answers_yes_or_no(attempt: Attempt) -> None:
    attempt = dataclasses.replace(attempt, door=Door.MAIL)
    assert isinstance(decide(attempt), Allow | Deny)


@given(attempts)
def test_mail_opens_to_the_enforced_by_app_password_only(attempt: Attempt) -> None:
    account = dataclasses.replace(attempt.account, standing=AccountStatus.ACTIVE, state=MfaState.ENFORCED)
    attempt = dataclasses.replace(attempt, account=account, door=Door.MAIL)
    allowed = FactorKind.APP_PASSWORD in attempt.kinds and attempt.policy.app_passwords_allowed
    assert isinstance(decide(attempt), Allow) is allowed


@given(attempts)
def test_mail_opens_to_others_by_account_password_only(attempt: Attempt) -> None:
    assume(attempt.account.state is not MfaState.ENFORCED)
    attempt = dataclasses.replace(attempt, door=Door.MAIL, proven=(*attempt.proven, APP_PASSWORD))
    assert isinstance(decide(attempt), Deny)


def test_mail_opens_to_the_account_password_of_a_person_enabled_until_they_have_a_phone() -> None:
    registered = dataclasses.replace(BOB, methods=frozenset({FactorKind.PASSWORD, FactorKind.PHONE}))
    assert isinstance(decide(Attempt(BOB, Door.MAIL, proven=(PASSWORD,))), Allow)
    assert decide(Attempt(registered, Door.MAIL, proven=(PASSWORD,))) == Deny(DenyReason.ACCOUNT_PASSWORD_CLOSED)


@given(attempts)
def test_an_initial_password_opens_nothing_before_it_was_changed(attempt: Attempt) -> None:
    account = dataclasses.replace(attempt.account, password_is_initial=True)
    attempt = dataclasses.replace(attempt, account=account)
    if isinstance(decide(attempt), Allow):
        assert attempt.door is Door.MAIL
        assert FactorKind.APP_PASSWORD in attempt.kinds


@given(attempts)
def test_what_is_allowed_rests_on_exactly_what_was_proven(attempt: Attempt) -> None:
    decision = decide(attempt)
    if isinstance(decision, Allow):
        assert decision.evidence == attempt.proven
    else:
        assert not hasattr(decision, "evidence")


@given(attempts)
def test_a_waiting_or_locked_second_proof_is_not_asked_for(attempt: Attempt) -> None:
    assume(isinstance(attempt.second_factor, Wait | Locked))
    decision = decide(attempt)
    assert not (isinstance(decision, AskFor) and decision.because is DenyReason.MFA_REQUIRED)


@given(attempts)
def test_strangers_see_the_same_first_question_for_everybody(attempt: Attempt) -> None:
    attempt = dataclasses.replace(attempt, door=Door.WEB, proven=())
    assert decide(attempt) == AskFor(frozenset({FactorKind.PASSWORD}), DenyReason.WHO_ARE_YOU)


@pytest.mark.parametrize(
    ("account", "proven", "expected"),
    [
        (CAROL, (PASSWORD,), Allow((PASSWORD,))),
        (BOB, (PASSWORD,), SetUpFirst(FactorKind.PHONE, DenyReason.NOTHING_REGISTERED)),
        (ALICE, (PASSWORD,), AskFor(frozenset({FactorKind.PHONE}), DenyReason.MFA_REQUIRED)),
        (ALICE, (PASSWORD, PHONE), Allow((PASSWORD, PHONE))),
        (EMERGENCY, (PASSWORD,), Deny(DenyReason.NO_METHOD_LEFT)),
        (EMERGENCY, (PASSWORD, ACCESS_PASS), Allow((PASSWORD, ACCESS_PASS))),
        (BOB, (PASSWORD, ACCESS_PASS), SetUpFirst(FactorKind.PHONE, DenyReason.NOTHING_REGISTERED)),
        (ALICE, (APP_PASSWORD,), AskFor(frozenset({FactorKind.PASSWORD}), DenyReason.WHO_ARE_YOU)),
    ],
)
def test_the_browser_row_of_the_table(account: Account, proven: tuple[Evidence, ...], expected: object) -> None:
    assert decide(Attempt(account, Door.WEB, proven=proven)) == expected


@pytest.mark.parametrize(
    ("account", "proof", "expected"),
    [
        (CAROL, PASSWORD, Allow((PASSWORD,))),
        (CAROL, APP_PASSWORD, Deny(DenyReason.APP_PASSWORD_SUSPENDED)),
        (BOB, PASSWORD, Allow((PASSWORD,))),
        (BOB, APP_PASSWORD, Deny(DenyReason.APP_PASSWORD_SUSPENDED)),
        (EMERGENCY, PASSWORD, Deny(DenyReason.ACCOUNT_PASSWORD_CLOSED)),
        (ALICE, PASSWORD, Deny(DenyReason.APP_PASSWORD_NEEDED)),
        (ALICE, APP_PASSWORD, Allow((APP_PASSWORD,))),
    ],
)
def test_the_mail_row_of_the_table(account: Account, proof: Evidence, expected: object) -> None:
    assert decide(Attempt(account, Door.MAIL, proven=(proof,))) == expected


def test_an_organisation_can_close_mail_to_account_passwords_of_the_enabled() -> None:
    policy = Policy(account_password_in_mail_while_enabled=False)
    assert decide(Attempt(BOB, Door.MAIL, policy, (PASSWORD,))) == Deny(DenyReason.ACCOUNT_PASSWORD_CLOSED)


def test_mail_takes_the_account_password_of_a_registered_person_only_while_they_wait_for_an_app_password() -> None:
    registered = dataclasses.replace(BOB, methods=ALICE.methods, is_registered=True)
    waiting = dataclasses.replace(registered, waits_for_app_password=True)
    assert decide(Attempt(registered, Door.MAIL, proven=(PASSWORD,))) == Deny(DenyReason.ACCOUNT_PASSWORD_CLOSED)
    assert decide(Attempt(waiting, Door.MAIL, proven=(PASSWORD,))) == Allow((PASSWORD,))
    assert decide(Attempt(waiting, Door.MAIL, proven=(APP_PASSWORD,))) == Deny(DenyReason.APP_PASSWORD_SUSPENDED)
    policy = Policy(account_password_in_mail_while_enabled=False)
    assert decide(Attempt(waiting, Door.MAIL, policy, (PASSWORD,))) == Deny(DenyReason.ACCOUNT_PASSWORD_CLOSED)


def test_who_waits_for_an_app_password_is_asked_for_a_code_in_browsers() -> None:
    waiting = dataclasses.replace(BOB, methods=ALICE.methods, is_registered=True, waits_for_app_password=True)
    asked = decide(Attempt(waiting, Door.WEB, proven=(PASSWORD,)))
    assert asked == AskFor(frozenset({FactorKind.PHONE}), DenyReason.MFA_REQUIRED)


def test_switching_app_passwords_off_stops_existing_ones() -> None:
    decision = decide(Attempt(ALICE, Door.MAIL, Policy(app_passwords_allowed=False), (APP_PASSWORD,)))
    assert decision == Deny(DenyReason.APP_PASSWORDS_NOT_ALLOWED)


def test_a_trusted_network_excuses_a_registered_person() -> None:
    assert decide(Attempt(ALICE, Door.WEB, proven=(PASSWORD,), from_trusted_network=True)) == Allow((PASSWORD,))


def test_a_trusted_network_excuses_no_administrator() -> None:
    account = dataclasses.replace(ALICE, is_administrator=True)
    decision = decide(Attempt(account, Door.WEB, proven=(PASSWORD,), from_trusted_network=True))
    assert decision == AskFor(frozenset({FactorKind.PHONE}), DenyReason.MFA_REQUIRED)


def test_a_trusted_network_does_not_excuse_from_registering() -> None:
    decision = decide(Attempt(BOB, Door.WEB, proven=(PASSWORD,), from_trusted_network=True))
    assert isinstance(decision, SetUpFirst)


def test_an_expired_initial_password_is_refused() -> None:
    account = dataclasses.replace(CAROL, password_is_initial=True, password_has_expired=True)
    assert decide(Attempt(account, Door.WEB, proven=(PASSWORD,))) == Deny(DenyReason.PASSWORD_EXPIRED)


APP_RULES = st.builds(
    AppRules,
    is_assigned=st.booleans(),
    is_enabled=st.booleans(),
    second_factor_always=st.booleans(),
    not_before=st.none() | st.sampled_from([NOW, NOW + timedelta(seconds=1), NOW - timedelta(days=30)]),
)


@given(attempts, APP_RULES)
def test_an_app_never_opens_to_a_person_to_whom_the_browser_is_closed(attempt: Attempt, app: AppRules) -> None:
    attempt = dataclasses.replace(attempt, door=Door.OIDC, is_recovery=False)
    if isinstance(decide(dataclasses.replace(attempt, app=app)), Allow):
        assert isinstance(decide(attempt), Allow)
        assert app.is_assigned
        assert app.is_enabled


@given(attempts, APP_RULES)
def test_an_app_that_asks_for_two_factors_never_opens_to_one(attempt: Attempt, app: AppRules) -> None:
    app = dataclasses.replace(app, second_factor_always=True)
    attempt = dataclasses.replace(attempt, door=Door.OIDC, app=app, is_recovery=False)
    assume(not attempt.kinds & SECOND_FACTORS)
    assert not isinstance(decide(attempt), Allow)


@given(attempts, APP_RULES)
def test_what_opens_an_app_is_as_new_as_the_app_wants(attempt: Attempt, app: AppRules) -> None:
    decision = decide(dataclasses.replace(attempt, door=Door.FORWARD_AUTH, app=app, is_recovery=False))
    if isinstance(decision, Allow) and app.not_before is not None:
        assert all(proof.at >= app.not_before for proof in decision.evidence)


def test_an_app_that_asks_for_two_factors_asks_alice_again_at_a_trusted_network() -> None:
    app = AppRules(second_factor_always=True)
    attempt = Attempt(ALICE, Door.OIDC, proven=(PASSWORD,), from_trusted_network=True, app=app)
    assert decide(attempt) == AskFor(frozenset({FactorKind.PHONE}), DenyReason.MFA_REQUIRED)
    assert decide(dataclasses.replace(attempt, app=None)) == Allow((PASSWORD,))


def test_an_app_that_asks_for_two_factors_is_closed_to_a_person_without_one() -> None:
    attempt = Attempt(CAROL, Door.OIDC, proven=(PASSWORD,), app=AppRules(second_factor_always=True))
    assert decide(attempt) == SetUpFirst(FactorKind.PHONE, DenyReason.NOTHING_REGISTERED)
