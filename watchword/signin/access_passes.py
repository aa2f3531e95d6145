"""Temporary Access Passes: made by an administrator (never for oneself) or on the console; shown once, then typed.

A pass is used beside the account password by a person who has lost their phone, and leads to registering another one.
The personal link that comes with *Require contact methods again* is a pass that doesn't have to be typed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from watchword.audit.events import EventKind
from watchword.audit.record import NOWHERE, Origin, record
from watchword.core.assurance import Evidence
from watchword.core.codes import normal_link_code
from watchword.core.decision import AskFor, DenyReason
from watchword.core.factors import Challenge, CredentialData, Rejected, RejectReason, Verdict
from watchword.core.policy import AccountStatus, FactorKind, MfaState
from watchword.directory.models import User
from watchword.directory.permissions import ForbiddenForYourself, demand
from watchword.directory.roles import Act
from watchword.factors import vault
from watchword.factors.access_pass.factor import LONGEST, LOOKUP_PURPOSE, SHORTEST, expires_at, is_open
from watchword.factors.registry import factor_of
from watchword.factors.vault import StoredCredential
from watchword.signin import enrolment_evidence, throttling
from watchword.signin.facts import setup_context_of, write_evidence
from watchword.signin.flow import conclude, lock_attempt, lock_person, stage
from watchword.signin.help_desk import note_both
from watchword.signin.models import SignInAttempt
from watchword.signin.results import Outcome, SignInDenied
from watchword.signin.tokens import RANDOM_SOURCE

LINK_LIFETIME = timedelta(hours=24)
CONSOLE_LIFETIME = timedelta(minutes=10)


class NoUseForAPass(Exception):
    """The person may not sign in at all, or needs no second factor."""


@dataclass(frozen=True, slots=True)
class ShownPass:
    """A pass at the only moment at which it is shown."""

    expires_at: datetime
    is_once: bool
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class OpenPass:
    """A currently valid pass, as pages show it."""

    expires_at: datetime
    is_once: bool
    is_link: bool


def make(
    user: User,
    *,
    lifetime: timedelta,
    is_once: bool,
    by: User | None,
    identified: str = "",
    origin: Origin = NOWHERE,
    now: datetime,
) -> ShownPass:
    """Make a pass for another person and void that person's older one. ``by`` is None on the server's console.

    ``identified`` is how the administrator verified the person's identity; the page asks for it, and the event and the
    alert include it. Raises PermissionDenied, NoUseForAPass, or ValueError for a lifetime out of bounds.
    """
    if not SHORTEST <= lifetime <= LONGEST:
        raise ValueError(lifetime)
    with transaction.atomic():
        user = lock_person(user)
        demand(by, Act.MAKE_ACCESS_PASS, user)
        if by is not None and by.pk == user.pk:
            raise ForbiddenForYourself(Act.MAKE_ACCESS_PASS)
        if user.standing is not AccountStatus.ACTIVE or user.effective_state is MfaState.DISABLED:
            raise NoUseForAPass
        secret = _store(user, {"expires": (now + lifetime).isoformat(), "once": "yes" if is_once else ""}, now=now)
        details = {"until": (now + lifetime).isoformat(), "once": is_once, "by_console": by is None}
        if identified:
            details["identified"] = identified
        record(EventKind.ACCESS_PASS_MADE, now=now, subject=user, by=by, origin=origin, details=details)
        note_both(user, EventKind.ACCESS_PASS_MADE, by=by, origin=origin, now=now)
    return ShownPass(now + lifetime, is_once, secret)


def make_link(user: User, *, now: datetime) -> str:
    """Return the token of a personal one-time link for registering a phone; the caller records why it was made.

    The caller holds the lock on the person's row.
    """
    return _store(user, {"expires": (now + LINK_LIFETIME).isoformat(), "once": "yes", "link": "yes"}, now=now)


def delete(user: User, *, by: User | None, origin: Origin = NOWHERE, now: datetime) -> bool:
    """Revoke a person's pass; return False if there is none."""
    with transaction.atomic():
        user = lock_person(user)
        demand(by, Act.MAKE_ACCESS_PASS, user)
        if not vault.revoke_all(user, [FactorKind.ACCESS_PASS], because="deleted", now=now):
            return False
        record(EventKind.ACCESS_PASS_DELETED, now=now, subject=user, by=by, origin=origin)
        return True


def open_pass_of(user: User, *, now: datetime) -> OpenPass | None:
    """Return a person's currently valid pass, or None."""
    return if_open(next(iter(vault.holdings(user, kinds=[FactorKind.ACCESS_PASS])), None), now=now)


def if_open(stored: StoredCredential | None, *, now: datetime) -> OpenPass | None:
    """Return a pass as pages show it; None where it has expired."""
    if stored is None or not is_open(stored.data, now):
        return None
    public = stored.data.public
    return OpenPass(expires_at(stored.data), bool(public["once"]), bool(public["link"]))


def owner_of_link(token: str, *, now: datetime) -> User | None:
    """Return the person for whom this personal link was made, if it is still valid; None for every other text."""
    signs = normal_link_code(token)
    if signs is None:
        return None
    digests = [keyed(LOOKUP_PURPOSE, signs.encode("ascii")) for keyed in vault.keyed_under_each()]
    found = vault.find_by_digest(FactorKind.ACCESS_PASS, digests)
    if found is None or not is_open(found.data, now):
        return None
    user = User.objects.select_related("organisation").get(pk=found.user_id)
    return user if user.standing is AccountStatus.ACTIVE else None


def answer(attempt: SignInAttempt, typed: str, *, now: datetime) -> Outcome:
    """Check a typed pass and return what follows; wrong passes are counted together with the person's wrong codes."""
    if attempt.user is None:
        return SignInDenied(DenyReason.WRONG_PROOF)
    with transaction.atomic():
        user = lock_attempt(attempt, now)
        if user is None:
            return SignInDenied(DenyReason.WRONG_PROOF)
        decision = stage(attempt, now=now)
        if not isinstance(decision, AskFor) or FactorKind.ACCESS_PASS not in decision.methods:
            return conclude(attempt, user, now=now)
        origin = Origin(address=attempt.address, agent=attempt.agent, door=attempt.door)
        stored = next(iter(vault.holdings(user, kinds=[FactorKind.ACCESS_PASS])), None)
        verdict = _check(user, stored, typed, now=now)
        if isinstance(verdict, Rejected) or stored is None:
            reason = verdict.reason if isinstance(verdict, Rejected) else RejectReason.NOT_REGISTERED
            lock = throttling.count_wrong_code(user, origin=origin, now=now)
            details = {"purpose": attempt.purpose, "kind": FactorKind.ACCESS_PASS.value}
            record(EventKind.CODE_REJECTED, now=now, subject=user, origin=origin, reason=reason, details=details)
            return SignInDenied(reason, throttling.closed_until(lock))
        vault.note_use([vault.Use(stored.id, now, attempt.address)])
        record(
            EventKind.ACCESS_PASS_USED,
            now=now,
            subject=user,
            by=user,
            origin=origin,
            details={"purpose": attempt.purpose, "attempt": str(attempt.pk)},
        )
        attempt.evidence = [*attempt.evidence, *write_evidence([Evidence(FactorKind.ACCESS_PASS, now)])]
        attempt.save(update_fields=["evidence"])
        return conclude(attempt, user, now=now)


def _check(user: User, stored: StoredCredential | None, typed: str, *, now: datetime) -> Verdict:
    """Return the verdict on a typed pass and spend a single-use pass, which exactly one concurrent request can do."""
    if stored is None:
        return Rejected(RejectReason.NOT_REGISTERED)
    factor = factor_of(FactorKind.ACCESS_PASS)
    verdict = vault.first_accepted(lambda keyed: factor.verify(stored.data, {}, typed, keyed=keyed, now=now))
    if verdict and stored.data.public["once"] and not vault.revoke(user, stored.id, because="used", now=now):
        return Rejected(RejectReason.USED)
    return verdict


def _store(user: User, options: dict[str, str], *, now: datetime) -> str:
    factor = factor_of(FactorKind.ACCESS_PASS)
    challenge = factor.start_setup(options, setup_context_of(user), random_source=RANDOM_SOURCE, keyed=vault.keyed)
    assert isinstance(challenge, Challenge)
    data = factor.finish_setup(challenge.keep, "", random_source=RANDOM_SOURCE, keyed=vault.keyed, now=now)
    assert isinstance(data, CredentialData)
    vault.store(user, data, now=now)
    enrolment_evidence.remember_second_factor(user, now=now)
    return challenge.show["secret"]
