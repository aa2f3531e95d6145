"""Adds and removes sign-in methods, and checks the right to do so here rather than in the pages.

Either ``decide`` requires a sign-in attempt to set up this method first, or a session holds recent enough proof; in all
other cases ReauthenticationRequired is raised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.assurance import Evidence
from watchword.core.decision import DenyReason, SetUpFirst
from watchword.core.factors import CredentialData, Rejected, RejectReason
from watchword.core.lockout import Locked, Open
from watchword.core.policy import REGISTRABLE, FactorKind, MfaState, WhyNoAppPassword, why_no_app_password
from watchword.directory.models import User
from watchword.factors import vault
from watchword.factors.registry import factor_of
from watchword.factors.vault import StoredCredential
from watchword.signin import enrolment_evidence, enrolment_wait, mfa_state, sessions, throttling
from watchword.signin.facts import second_factor_lock, setup_context_of, write_evidence
from watchword.signin.flow import conclude, lock_person, stage
from watchword.signin.models import Purpose, Session, SignInAttempt
from watchword.signin.otp import challenges
from watchword.signin.otp.challenges import CodeDenied, CodeOnTheWay, CodeSent, Holder
from watchword.signin.otp.verification import check_code
from watchword.signin.phone_change_notice import tell_numbers
from watchword.signin.results import SignedIn, SignInDenied
from watchword.signin.sessions import Opened, needs_proof
from watchword.signin.tokens import RANDOM_SOURCE

__all__ = ["needs_proof"]

FIRST_APP_PASSWORD = "First app password"  # noqa: S105  (its name)
REMOVED_BY_OWNER = "removed_by_owner"


class ReauthenticationRequired(Exception):
    """The person must prove their identity again first."""


class LastMethod(Exception):
    """Without this phone the person could no longer sign in, and a password alone could not register another phone."""


@dataclass(frozen=True, slots=True)
class ShownOnce:
    """An app password at the only moment at which it is shown."""

    name: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Registered:
    """A method was added; the fields say what followed from it."""

    stored: StoredCredential
    became_enforced: bool
    waits_until: datetime | None
    """Until when no app password can be made, where the registration rests on the password alone."""
    first_app_password: ShownOnce | None
    complete: SignedIn | None
    renewed: Opened | None = None
    """The session in which the method was added, with its new token."""


def start(
    subject: Holder, kind: FactorKind, options: Mapping[str, str], *, origin: Origin, now: datetime
) -> CodeSent | CodeDenied | Rejected:
    """Begin to add a method that has to be proven, and send its code."""
    with transaction.atomic():
        user = permitted(subject, kind, now)
        lock = second_factor_lock(user, now=now)
        if not isinstance(lock, Open):
            return CodeDenied(throttling.closed_until(lock), RejectReason.TOO_MANY_TRIES)
        challenge = factor_of(kind).start_setup(
            options, setup_context_of(user), random_source=RANDOM_SOURCE, keyed=vault.keyed
        )
        if isinstance(challenge, Rejected):
            return challenge
        if challenge.send is None:
            return Rejected(RejectReason.NOT_ALLOWED)
        return challenges.issue(
            user,
            challenge,
            purpose=Purpose.REGISTER,
            holder=subject,
            kind=kind,
            credential_id=None,
            origin=origin,
            now=now,
        )


def on_the_way(subject: Holder, *, now: datetime) -> CodeOnTheWay | None:
    """Return the newest code for adding a method, so that the page can be drawn again."""
    return challenges.on_the_way(subject, Purpose.REGISTER, now=now)


def finish(
    subject: Holder, kind: FactorKind, typed: str, *, origin: Origin, now: datetime
) -> Registered | SignInDenied:
    """Add the method if the typed code is right; this makes Enabled people Enforced in the same transaction.

    A registration that rests on the password alone may first have to wait; see ``enrolment_wait``.

    A number that is replaced gets a text that says so. Until this moment codes still go to that number.
    """
    before: list[StoredCredential] = []
    outcome = _finish(subject, kind, typed, before, origin=origin, now=now)
    if isinstance(outcome, Registered) and subject.user is not None:
        gone = [stored for stored in before if _is_replaced(stored, outcome.stored)]
        tell_numbers(subject.user, gone, is_removed=False, now=now)
    return outcome


def _is_replaced(before: StoredCredential, after: StoredCredential) -> bool:
    same_slot = (before.data.kind, before.data.slot) == (after.data.kind, after.data.slot)
    return same_slot and before.data.secret != after.data.secret


def _finish(
    subject: Holder, kind: FactorKind, typed: str, before: list[StoredCredential], *, origin: Origin, now: datetime
) -> Registered | SignInDenied:
    with transaction.atomic():
        user = permitted(subject, kind, now)
        lock = second_factor_lock(user, now=now)
        if not isinstance(lock, Open):
            because = DenyReason.SECOND_FACTOR_LOCKED if isinstance(lock, Locked) else DenyReason.SECOND_FACTOR_WAITS
            return SignInDenied(because, throttling.closed_until(lock))
        row = challenges.newest(subject, Purpose.REGISTER)
        verdict = check_code(user, subject, Purpose.REGISTER, typed, origin=origin, now=now)
        if isinstance(verdict, SignInDenied):
            return verdict
        assert row is not None
        state = challenges.state_of(row)
        factor = factor_of(kind)
        data = vault.first_accepted(
            lambda keyed: factor.finish_setup(state, typed, random_source=RANDOM_SOURCE, keyed=keyed, now=now)
        )
        if isinstance(data, Rejected):
            return SignInDenied(data.reason)
        before += vault.holdings(user, kinds=[data.kind])
        became_enforced, waits_until = False, None
        if user.effective_state is MfaState.ENABLED and kind in REGISTRABLE:
            stored, waits_until = _register(user, data, subject, origin=origin, now=now)
            became_enforced = waits_until is None
        else:
            stored = _store(user, data, subject, {}, origin=origin, now=now)
        first = _first_app_password(user, subject, origin=origin, now=now)
        proof = Evidence(kind, now, verdict.channel)
        if isinstance(subject, Session):
            if any(_is_replaced(earlier, stored) for earlier in before):
                # Sessions that were opened with the old phone must be opened again with the new one.
                sessions.end_all(user, because="phone_replaced", now=now, except_session=subject)
            renewed = sessions.raise_assurance(subject, proof, now=now)
            if renewed is None:
                raise ReauthenticationRequired
            return Registered(stored, became_enforced, waits_until, first, None, renewed)
        sessions.end_all(user, because="registered", now=now)
        subject.evidence = [*subject.evidence, *write_evidence([proof])]
        SignInAttempt.objects.filter(pk=subject.pk).update(evidence=subject.evidence, ended_at=None)
        outcome = conclude(subject, user, now=now)
        complete = outcome if isinstance(outcome, SignedIn) else None
        return Registered(stored, became_enforced, waits_until, first, complete)


def _register(
    user: User, data: CredentialData, subject: Holder, *, origin: Origin, now: datetime
) -> tuple[StoredCredential, datetime | None]:
    """Store the phone of an Enabled person; return it, and until when becoming Enforced has to wait (None: not)."""
    vouched_by = enrolment_evidence.vouching(subject, user, data)
    waits_until = enrolment_wait.new_end(user, vouched_by, now=now)
    # Adding another phone while the first one waits isn't a second registration.
    is_another = waits_until is not None and user.waits_for_app_password(now)
    stored = _store(user, data, subject, {} if is_another else {"registration": vouched_by}, origin=origin, now=now)
    if waits_until is None:
        mfa_state.enforce(user, origin=origin, now=now)
    else:
        enrolment_wait.begin(user, waits_until)
    enrolment_evidence.drop_unproven(user, now=now)
    return stored, waits_until


def create_app_password(session: Session, name: str, *, origin: Origin, now: datetime) -> ShownOnce | Rejected:
    """Make an app password under a name that the person chose; checks the limit under the lock on the person's row."""
    with transaction.atomic():
        user = permitted(session, FactorKind.APP_PASSWORD, now)
        return _create_app_password(user, name, session, origin=origin, now=now)


def why_cannot_create(user: User, *, now: datetime) -> WhyNoAppPassword | None:
    """Return why this person can't make an app password now, or None."""
    alive = vault.counts([user.pk])[user.pk].get(FactorKind.APP_PASSWORD, 0)
    return _refusal(user, alive, now)


def _refusal(user: User, alive: int, now: datetime) -> WhyNoAppPassword | None:
    return why_no_app_password(
        user.state,
        user.organisation.policy,
        alive,
        is_cooling_off=_is_cooling_off(user, now),
        waits=user.waits_for_app_password(now),
    )


def _is_cooling_off(user: User, now: datetime) -> bool:
    """Return whether the person lately lost one number and registered a different one, in either order or in one step.

    Numbers that an administrator removed for a new start don't count, nor does the same number registered again.
    """
    since = now - timedelta(seconds=user.organisation.policy.limits.cooling_off_seconds)
    phones = vault.holdings(user, kinds=[FactorKind.PHONE], with_revoked=True)
    came = {stored.data.secret for stored in phones if stored.created_at > since}
    gone = {stored.data.secret for stored in phones if _went(stored, since)}
    return any(one != other for one in came for other in gone)


def _went(stored: StoredCredential, since: datetime) -> bool:
    by_owner = stored.revoked_because in {"replaced", REMOVED_BY_OWNER}
    return by_owner and stored.revoked_at is not None and stored.revoked_at > since


def remove(session: Session, credential_id: UUID | str, *, origin: Origin, now: datetime) -> bool:
    """Remove a phone or delete an app password of the person; return False if the person has none with this id.

    Raises ReauthenticationRequired, or LastMethod.
    """
    with transaction.atomic():
        stored = vault.find(session.user, credential_id)
        if stored is None or stored.data.kind not in {FactorKind.PHONE, FactorKind.APP_PASSWORD}:
            return False
        user = permitted(session, stored.data.kind, now)
        if enrolment_evidence.is_last_method(user, stored):
            raise LastMethod
        if not vault.revoke(user, stored.id, because=REMOVED_BY_OWNER, now=now):
            return False
        is_app_password = stored.data.kind is FactorKind.APP_PASSWORD
        event = EventKind.APP_PASSWORD_DELETED if is_app_password else EventKind.METHOD_REMOVED
        record(event, now=now, subject=user, by=user, origin=origin, details=describe(stored, session))
        if is_app_password:
            sessions.close_mail(user, because="app_password_deleted", now=now)
        else:
            challenges.void_all(user, now=now)
            sessions.end_all(user, because="phone_removed", now=now, except_session=session)
    if not is_app_password:
        tell_numbers(user, [stored], is_removed=True, now=now)
    return True


def is_last_method(user: User, credential_id: UUID) -> bool:
    """Return whether ``remove`` would raise LastMethod for this credential."""
    stored = vault.find(user, credential_id)
    return stored is not None and enrolment_evidence.is_last_method(user, stored)


def permitted(subject: Holder, kind: FactorKind, now: datetime) -> User:
    """Lock and return the person if this subject may change methods of this kind now.

    Raises ReauthenticationRequired otherwise.
    """
    if subject.user is None:
        raise ReauthenticationRequired
    user = lock_person(subject.user)
    if isinstance(subject, Session):
        subject.refresh_from_db()
        subject.user = user
        if not sessions.is_alive(subject, now=now) or needs_proof(subject, now=now):
            raise ReauthenticationRequired
        return user
    subject.refresh_from_db()
    subject.user = user
    decision = stage(subject, now=now)
    if subject.ended_at is not None or not isinstance(decision, SetUpFirst) or decision.kind is not kind:
        raise ReauthenticationRequired
    return user


def _store(
    user: User, data: CredentialData, subject: Holder, about: Mapping[str, str], *, origin: Origin, now: datetime
) -> StoredCredential:
    replaced = any(stored.data.slot == data.slot for stored in vault.holdings(user, kinds=[data.kind]))
    stored = vault.store(user, enrolment_evidence.marked(user, data), now=now, sign_in_id=subject.sign_in_id)
    if user.effective_state is not MfaState.DISABLED:
        enrolment_evidence.remember_second_factor(user, now=now)
    event = EventKind.METHOD_REPLACED if replaced else EventKind.METHOD_ADDED
    record(event, now=now, subject=user, by=user, origin=origin, details={**describe(stored, subject), **about})
    return stored


def _first_app_password(user: User, subject: Holder, *, origin: Origin, now: datetime) -> ShownOnce | None:
    if vault.holdings(user, kinds=[FactorKind.APP_PASSWORD], with_revoked=True):
        return None
    made = _create_app_password(user, FIRST_APP_PASSWORD, subject, origin=origin, now=now)
    return made if isinstance(made, ShownOnce) else None


def _create_app_password(
    user: User, name: str, subject: Holder, *, origin: Origin, now: datetime
) -> ShownOnce | Rejected:
    factor = factor_of(FactorKind.APP_PASSWORD)
    had_before = vault.holdings(user, kinds=[FactorKind.APP_PASSWORD])
    alive = [stored for stored in had_before if stored.is_alive]
    refusal = _refusal(user, len(alive), now)
    if refusal is not None:
        return Rejected(RejectReason(refusal))
    challenge = factor.start_setup(
        {"name": name}, setup_context_of(user), random_source=RANDOM_SOURCE, keyed=vault.keyed
    )
    if isinstance(challenge, Rejected):
        return challenge
    if challenge.show["name"].casefold() in {stored.data.label.casefold() for stored in had_before}:
        return Rejected(RejectReason.NAME_TAKEN)
    data = factor.finish_setup(challenge.keep, "", random_source=RANDOM_SOURCE, keyed=vault.keyed, now=now)
    assert isinstance(data, CredentialData)
    stored = vault.store(user, data, now=now, sign_in_id=subject.sign_in_id)
    details = describe(stored, subject)
    record(EventKind.APP_PASSWORD_CREATED, now=now, subject=user, by=user, origin=origin, details=details)
    return ShownOnce(challenge.show["name"], challenge.show["secret"])


def describe(stored: StoredCredential, subject: Holder) -> dict[str, str]:
    """Return the event details about one credential and the sign-in in which it was changed."""
    data = stored.data
    which = {"credential": str(stored.id), "sign_in": str(subject.sign_in_id)}
    if data.kind is FactorKind.APP_PASSWORD:
        return {"name": data.label, **which}
    return {"kind": data.kind.value, "slot": data.slot, "ends": data.public.get("ends", ""), **which}
