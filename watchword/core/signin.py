"""The whole sign-in on one screen: may this person come in here, now, with what they have shown?"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from watchword.core.assurance import Evidence
from watchword.core.lockout import Lock, Locked, Open, Wait
from watchword.core.policy import SECOND_FACTORS, Door, FactorKind, MfaState, Policy, Standing, usable


class Because(StrEnum):
    """Why something is asked or refused. Pages and logs put it into words; outsiders see one refusal for all."""

    WHO_ARE_YOU = "who_are_you"
    MFA_REQUIRED = "mfa_required"
    NOTHING_REGISTERED = "nothing_registered"
    INITIAL_PASSWORD = "initial_password"  # noqa: S105  (a reason, not a password)
    PASSWORD_KNOWN = "password_known"  # noqa: S105
    DISAVOWED = "disavowed"
    NO_PROOF_LEFT = "no_proof_left"
    UNKNOWN = "unknown"
    BLOCKED = "blocked"
    DELETED = "deleted"
    WRONG_PROOF = "wrong_proof"
    PASSWORD_WAITS = "password_waits"  # noqa: S105
    SECOND_FACTOR_WAITS = "second_factor_waits"
    SECOND_FACTOR_LOCKED = "second_factor_locked"
    APP_PASSWORD_NEEDED = "app_password_needed"  # noqa: S105
    APP_PASSWORD_SUSPENDED = "app_password_suspended"  # noqa: S105
    APP_PASSWORD_REVOKED = "app_password_revoked"  # noqa: S105
    APP_PASSWORD_FROZEN = "app_password_frozen"  # noqa: S105
    APP_PASSWORD_OUTSIDE_LIMITS = "app_password_outside_limits"  # noqa: S105
    APP_PASSWORD_EXPIRED = "app_password_expired"  # noqa: S105
    APP_PASSWORD_IN_BROWSER = "app_password_in_browser"  # noqa: S105
    NOT_FINISHED = "not_finished"
    APP_PASSWORDS_NOT_ALLOWED = "app_passwords_not_allowed"
    ACCOUNT_PASSWORD_CLOSED = "account_password_closed"  # noqa: S105
    PASSWORD_EXPIRED = "password_expired"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Account:
    """The facts about one account that a decision needs."""

    standing: Standing
    state: MfaState
    methods: frozenset[FactorKind] = frozenset()
    is_administrator: bool = False
    password_is_initial: bool = False
    password_has_expired: bool = False
    password_is_known: bool = False
    """Somebody else seems to know it: it must be replaced, behind the second proof."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Everything that is known about one attempt to come in at one moment."""

    account: Account
    door: Door
    policy: Policy = field(default_factory=Policy)
    proven: tuple[Evidence, ...] = ()
    from_trusted_network: bool = False
    second_factor: Lock = field(default_factory=lambda: Open(1))
    is_recovery: bool = False
    """After *This wasn't me*: a link from a mail stands where the password stood, and proves nothing."""

    @property
    def kinds(self) -> frozenset[FactorKind]:
        """The kinds of proof that were accepted so far."""
        return frozenset(proof.kind for proof in self.proven)


@dataclass(frozen=True, slots=True)
class AskFor:
    """A proof by one of these methods is still needed."""

    methods: frozenset[FactorKind]
    because: Because


@dataclass(frozen=True, slots=True)
class SetUpFirst:
    """The person must set this up before anything else."""

    kind: FactorKind
    because: Because


@dataclass(frozen=True, slots=True)
class Allow:
    """Come in; ``evidence`` is what the session will rest on."""

    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Deny:
    """No; ``because`` is for the log, never for the outside."""

    because: Because


type Decision = AskFor | SetUpFirst | Allow | Deny


def decide(attempt: Attempt) -> Decision:
    """Return what must happen next. Every door asks here and nowhere else."""
    match attempt.account.standing:
        case Standing.UNKNOWN:
            return _refuse_after_asking(attempt, Because.UNKNOWN)
        case Standing.DELETED:
            return _refuse_after_asking(attempt, Because.DELETED)
        case Standing.BLOCKED:
            return _refuse_after_asking(attempt, Because.BLOCKED)
        case Standing.ACTIVE if attempt.is_recovery:
            return _decide_recovery(attempt)
        case Standing.ACTIVE:
            return _decide_interactive(attempt) if attempt.door.is_interactive else _decide_one_shot(attempt)
        case _:
            assert_never(attempt.account.standing)


def _refuse_after_asking(attempt: Attempt, because: Because) -> Decision:
    # Unknown, blocked and deleted people are asked for a password like everybody else: nobody learns who is here.
    if attempt.door.is_interactive and not attempt.proven:
        return AskFor(frozenset({FactorKind.PASSWORD}), Because.WHO_ARE_YOU)
    return Deny(because)


def _decide_interactive(attempt: Attempt) -> Decision:
    account = attempt.account
    if FactorKind.PASSWORD not in attempt.kinds:
        return AskFor(frozenset({FactorKind.PASSWORD}), Because.WHO_ARE_YOU)
    if account.password_is_initial and account.password_has_expired:
        return Deny(Because.PASSWORD_EXPIRED)
    must_choose = account.password_is_initial or account.password_is_known
    why = Because.INITIAL_PASSWORD if account.password_is_initial else Because.PASSWORD_KNOWN
    choose_password = SetUpFirst(FactorKind.PASSWORD, why)
    match account.state:
        case MfaState.DISABLED:
            return choose_password if must_choose else Allow(attempt.proven)
        case MfaState.ENABLED | MfaState.ENFORCED:
            methods = usable(account.methods, attempt.policy) & SECOND_FACTORS
            is_excused = attempt.from_trusted_network and not account.is_administrator and bool(methods)
            if not (attempt.kinds & SECOND_FACTORS or is_excused) and methods:
                if not isinstance(attempt.second_factor, Open):
                    return Deny(_why_not_open(attempt.second_factor))
                return AskFor(methods, Because.MFA_REQUIRED)
            if must_choose:
                return choose_password
            if not methods and not attempt.kinds & SECOND_FACTORS:
                return SetUpFirst(FactorKind.PHONE, Because.NOTHING_REGISTERED)
            return Allow(attempt.proven)
        case _:
            assert_never(account.state)


def _decide_recovery(attempt: Attempt) -> Decision:
    # A link from a mail never sets a password alone (NIST SP 800-63B section 4.2.2): a code to a phone that was there
    # before, then a new password; coming in is another sign-in. Where no phone is left, an administrator helps.
    methods = usable(attempt.account.methods, attempt.policy) & SECOND_FACTORS
    if attempt.account.state is not MfaState.ENFORCED or not methods:
        return Deny(Because.NO_PROOF_LEFT)
    if attempt.kinds & SECOND_FACTORS:
        return SetUpFirst(FactorKind.PASSWORD, Because.DISAVOWED)
    if not isinstance(attempt.second_factor, Open):
        return Deny(_why_not_open(attempt.second_factor))
    return AskFor(methods, Because.MFA_REQUIRED)


def _decide_one_shot(attempt: Attempt) -> Decision:
    account = attempt.account
    if FactorKind.APP_PASSWORD in attempt.kinds:
        if account.state is not MfaState.ENFORCED:
            return Deny(Because.APP_PASSWORD_SUSPENDED)
        if not attempt.policy.app_passwords_allowed:
            return Deny(Because.APP_PASSWORDS_NOT_ALLOWED)
        return Allow(attempt.proven)
    if FactorKind.PASSWORD not in attempt.kinds:
        return Deny(Because.WRONG_PROOF)
    if account.password_is_initial:
        return Deny(Because.INITIAL_PASSWORD)
    match account.state:
        case MfaState.DISABLED:
            return Allow(attempt.proven)
        case MfaState.ENABLED:
            if SECOND_FACTORS & account.methods or not attempt.policy.account_password_in_mail_while_enabled:
                return Deny(Because.ACCOUNT_PASSWORD_CLOSED)
            return Allow(attempt.proven)
        case MfaState.ENFORCED:
            return Deny(Because.APP_PASSWORD_NEEDED)
        case _:
            assert_never(account.state)


def _why_not_open(lock: Wait | Locked) -> Because:
    return Because.SECOND_FACTOR_LOCKED if isinstance(lock, Locked) else Because.SECOND_FACTOR_WAITS
