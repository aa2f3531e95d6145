"""The whole decision on one screen: may this person sign in here, now, with this evidence?"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from watchword.core.assurance import Evidence
from watchword.core.lockout import Lock, Locked, Open
from watchword.core.negative_result import NegativeResult
from watchword.core.policy import (
    REGISTRABLE,
    SECOND_FACTORS,
    AccountStatus,
    Door,
    FactorKind,
    MfaState,
    Policy,
    effective_state,
    usable,
)


class DenyReason(StrEnum):
    """Why a proof is required or access denied. Pages and logs word it; outsiders see the same refusal for all."""

    WHO_ARE_YOU = "who_are_you"
    MFA_REQUIRED = "mfa_required"
    NOTHING_REGISTERED = "nothing_registered"
    NO_METHOD_LEFT = "no_method_left"
    INITIAL_PASSWORD = "initial_password"
    PASSWORD_KNOWN = "password_known"
    NOT_ME = "not_me"
    NO_PROOF_LEFT = "no_proof_left"
    PASSWORD_TOO_SHORT = "password_too_short"
    UNKNOWN = "unknown"
    BLOCKED = "blocked"
    DELETED = "deleted"
    WRONG_PROOF = "wrong_proof"
    PASSWORD_WAITS = "password_waits"
    SECOND_FACTOR_WAITS = "second_factor_waits"
    SECOND_FACTOR_LOCKED = "second_factor_locked"
    APP_PASSWORD_NEEDED = "app_password_needed"
    APP_PASSWORD_SUSPENDED = "app_password_suspended"
    APP_PASSWORD_REVOKED = "app_password_revoked"
    APP_PASSWORD_PAUSED = "app_password_paused"
    APP_PASSWORD_OUTSIDE_LIMITS = "app_password_outside_limits"
    APP_PASSWORD_EXPIRED = "app_password_expired"
    APP_PASSWORD_IN_BROWSER = "app_password_in_browser"
    NOT_FINISHED = "not_finished"
    APP_PASSWORDS_NOT_ALLOWED = "app_passwords_not_allowed"
    ACCOUNT_PASSWORD_CLOSED = "account_password_closed"
    PASSWORD_EXPIRED = "password_expired"
    NOT_ASSIGNED = "not_assigned"
    APP_DISABLED = "app_disabled"
    CONSENT_DENIED = "consent_denied"


@dataclass(frozen=True, slots=True)
class Account:
    """The facts about one account that a decision needs."""

    standing: AccountStatus
    state: MfaState
    """The stored state; see ``effective_state`` for administrators."""
    methods: frozenset[FactorKind] = frozenset()
    """The kinds that can be used today."""
    is_registered: bool = False
    """Whether there is a registered method, usable today or not."""
    had_second_factor: bool = False
    """Whether there ever was one, or an administrator ever offered one: then a password alone can't register one."""
    is_administrator: bool = False
    is_emergency_access: bool = False
    """Belongs to nobody: a Temporary Access Pass beside the password opens it, and it registers no phone."""
    waits_for_app_password: bool = False
    """Registered with only the password as evidence: still Enabled, and mail accepts the account password."""
    password_is_initial: bool = False
    password_has_expired: bool = False
    password_is_known: bool = False
    """An attacker seems to know it: it must be replaced, after the second factor was proven."""
    password_is_short: bool = False
    """Too short without a second factor: it was chosen while there was one (NIST SP 800-63B-4, 3.1.1.2)."""

    @property
    def effective_state(self) -> MfaState:
        """Return the state by which the account is evaluated."""
        return effective_state(self.state, is_administrator=self.is_administrator)


@dataclass(frozen=True, slots=True)
class AppRules:
    """What an app asks for beyond the person's own state."""

    is_assigned: bool = True
    """Whether the person is among those for whom the app is."""
    is_enabled: bool = True
    second_factor_always: bool = False
    """Whether a second factor is needed whatever the person's state is, and from trusted networks too."""
    not_before: datetime | None = None
    """Proofs older than this don't count, so that the person has to prove their identity again."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The facts about one attempt to sign in, at one moment."""

    account: Account
    door: Door
    policy: Policy = field(default_factory=Policy)
    proven: tuple[Evidence, ...] = ()
    from_trusted_network: bool = False
    second_factor: Lock = field(default_factory=lambda: Open(1))
    is_recovery: bool = False
    """After *This wasn't me*: a link from a mail replaces the password, and proves nothing."""
    can_register: bool = True
    """Whether a code could be sent at all, so that a phone can be registered now."""
    is_confirmation: bool = False
    """Whether a signed-in person proves their identity again."""
    app: AppRules | None = None
    """The rules of the app in which the person signs in; None for Watchword's own pages and for mail."""

    @property
    def kinds(self) -> frozenset[FactorKind]:
        """Return the kinds of proof that were accepted so far."""
        return frozenset(proof.kind for proof in self.proven)


@dataclass(frozen=True, slots=True)
class AskFor:
    """A proof by one of these methods is still needed."""

    methods: frozenset[FactorKind]
    because: DenyReason


@dataclass(frozen=True, slots=True)
class SetUpFirst:
    """The person must set this up before anything else."""

    kind: FactorKind
    because: DenyReason


@dataclass(frozen=True, slots=True)
class Allow:
    """The sign-in is allowed; ``evidence`` is what the session will rest on."""

    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Deny(NegativeResult):
    """The sign-in is denied; ``because`` is for the log, never for the outside."""

    because: DenyReason


type Decision = AskFor | SetUpFirst | Allow | Deny


def decide(attempt: Attempt) -> Decision:
    """Return the next step. This is the only function that decides, for every door."""
    match attempt.account.standing:
        case AccountStatus.UNKNOWN:
            return _refuse_after_asking(attempt, DenyReason.UNKNOWN)
        case AccountStatus.DELETED:
            return _refuse_after_asking(attempt, DenyReason.DELETED)
        case AccountStatus.BLOCKED:
            return _refuse_after_asking(attempt, DenyReason.BLOCKED)
        case AccountStatus.ACTIVE if attempt.is_recovery:
            return _decide_recovery(attempt)
        case AccountStatus.ACTIVE:
            return _decide_interactive(attempt) if attempt.door.is_interactive else _decide_one_shot(attempt)
        case _:
            assert_never(attempt.account.standing)


def _refuse_after_asking(attempt: Attempt, because: DenyReason) -> Decision:
    # Unknown, blocked and deleted people must enter a password like all others, so that no one can probe for accounts.
    if attempt.door.is_interactive and not attempt.proven:
        return AskFor(frozenset({FactorKind.PASSWORD}), DenyReason.WHO_ARE_YOU)
    return Deny(because)


def _decide_interactive(attempt: Attempt) -> Decision:
    account, app = attempt.account, attempt.app
    if app is not None and app.not_before is not None:
        attempt = replace(attempt, proven=tuple(proof for proof in attempt.proven if proof.at >= app.not_before))
    if FactorKind.PASSWORD not in attempt.kinds:
        return AskFor(frozenset({FactorKind.PASSWORD}), DenyReason.WHO_ARE_YOU)
    if account.password_is_initial and account.password_has_expired:
        return Deny(DenyReason.PASSWORD_EXPIRED)
    if app is not None and (refusal := _why_not_in_app(app)) is not None:
        return Deny(refusal)
    needs_second = account.effective_state is not MfaState.DISABLED or (app is not None and app.second_factor_always)
    if needs_second and (missing := _second_proof_missing(attempt)) is not None:
        return missing
    if (why := _why_another_password(account)) is not None:
        return SetUpFirst(FactorKind.PASSWORD, why)
    is_registered = _is_excused(attempt) or attempt.kinds & REGISTRABLE or _pass_is_enough(attempt)
    if needs_second and not is_registered:
        return SetUpFirst(FactorKind.PHONE, DenyReason.NOTHING_REGISTERED)
    return Allow(attempt.proven)


def _why_not_in_app(app: AppRules) -> DenyReason | None:
    """Return why an app is not for this person, whatever the person proves, or None."""
    if not app.is_enabled:
        return DenyReason.APP_DISABLED
    return None if app.is_assigned else DenyReason.NOT_ASSIGNED


def _second_proof_missing(attempt: Attempt) -> AskFor | Deny | None:
    """Return what a person who needs a second factor lacks after the right password; None if nothing."""
    if attempt.kinds & SECOND_FACTORS or _is_excused(attempt):
        return None
    methods = usable(attempt.account.methods, attempt.policy) & SECOND_FACTORS
    if methods and isinstance(attempt.second_factor, Open):
        return AskFor(methods, DenyReason.MFA_REQUIRED)
    if methods:
        return Deny(_why_not_open(attempt.second_factor))
    # A removed or disabled second factor is no reason to trust a person who knows only the password.
    has_to_have = attempt.account.had_second_factor or attempt.account.is_emergency_access
    return Deny(DenyReason.NO_METHOD_LEFT) if has_to_have else None


def _is_excused(attempt: Attempt) -> bool:
    """Return whether a trusted network replaces the code of a registered phone.

    Never for an administrator, and never where an app asks for a second factor always.
    """
    if attempt.app is not None and attempt.app.second_factor_always:
        return False
    phones = usable(attempt.account.methods, attempt.policy) & REGISTRABLE
    return attempt.from_trusted_network and not attempt.account.is_administrator and bool(phones)


def _why_another_password(account: Account) -> DenyReason | None:
    if account.password_is_initial:
        return DenyReason.INITIAL_PASSWORD
    if account.password_is_known:
        return DenyReason.PASSWORD_KNOWN
    stands_alone = account.effective_state is not MfaState.ENFORCED
    return DenyReason.PASSWORD_TOO_SHORT if account.password_is_short and stands_alone else None


def _pass_is_enough(attempt: Attempt) -> bool:
    """Return whether a pass alone completes the sign-in, instead of requiring a phone to be registered with it."""
    if FactorKind.ACCESS_PASS not in attempt.kinds:
        return False
    return attempt.is_confirmation or not attempt.can_register or attempt.account.is_emergency_access


def _decide_recovery(attempt: Attempt) -> Decision:
    # A link from a mail alone never sets a password (NIST SP 800-63B section 4.2.2): it takes a code to a phone that
    # was registered before, then a new password; signing in is separate. Where no phone is left, an administrator has
    # to help.
    methods = usable(attempt.account.methods, attempt.policy) & REGISTRABLE
    if attempt.account.state is not MfaState.ENFORCED or not methods:
        return Deny(DenyReason.NO_PROOF_LEFT)
    if attempt.kinds & SECOND_FACTORS:
        return SetUpFirst(FactorKind.PASSWORD, DenyReason.NOT_ME)
    if not isinstance(attempt.second_factor, Open):
        return Deny(_why_not_open(attempt.second_factor))
    return AskFor(methods, DenyReason.MFA_REQUIRED)


def _decide_one_shot(attempt: Attempt) -> Decision:
    account = attempt.account
    if FactorKind.APP_PASSWORD in attempt.kinds:
        if account.state is not MfaState.ENFORCED:
            return Deny(DenyReason.APP_PASSWORD_SUSPENDED)
        if not attempt.policy.app_passwords_allowed:
            return Deny(DenyReason.APP_PASSWORDS_NOT_ALLOWED)
        return Allow(attempt.proven)
    if FactorKind.PASSWORD not in attempt.kinds:
        return Deny(DenyReason.WRONG_PROOF)
    refusal = _why_not_in_mail(account, attempt.policy)
    return Deny(refusal) if refusal is not None else Allow(attempt.proven)


def _why_not_in_mail(account: Account, policy: Policy) -> DenyReason | None:
    """Return why a right account password opens no mailbox, or None."""
    if account.password_is_initial:
        return DenyReason.INITIAL_PASSWORD
    if account.effective_state is MfaState.ENFORCED:
        return DenyReason.APP_PASSWORD_NEEDED
    if account.password_is_short:
        return DenyReason.PASSWORD_TOO_SHORT
    is_registered = account.is_registered or bool(account.methods & REGISTRABLE)
    is_finished = is_registered and not account.waits_for_app_password
    is_closed = is_finished or account.is_emergency_access or not policy.account_password_in_mail_while_enabled
    return DenyReason.ACCOUNT_PASSWORD_CLOSED if account.effective_state is MfaState.ENABLED and is_closed else None


def _why_not_open(lock: Lock) -> DenyReason:
    return DenyReason.SECOND_FACTOR_LOCKED if isinstance(lock, Locked) else DenyReason.SECOND_FACTOR_WAITS
