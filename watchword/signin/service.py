"""The sign-in at a browser's door: load the facts, decide, apply, record; the one place that says yes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

from django.db import transaction

from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.assurance import Evidence
from watchword.core.codes import LONGEST_TYPED
from watchword.core.factors import Accepted, Held, Reason, Rejected
from watchword.core.lockout import Open
from watchword.core.names import name_key
from watchword.core.policy import Door, FactorKind, Limits, Way
from watchword.core.signin import Allow, AskFor, Because, Decision, Deny, SetUpFirst, decide
from watchword.directory.models import SignInName, User
from watchword.factors import vault
from watchword.factors.phone.factor import ways_of
from watchword.factors.registry import factor_of
from watchword.factors.vault import Kept
from watchword.signin import challenges, failures, sessions
from watchword.signin.challenges import CodeOnTheWay, CodeSent, NotSent
from watchword.signin.chance import CHANCE, new_token, token_hash
from watchword.signin.facts import attempt_facts, surroundings_of, usable_phones, write_evidence
from watchword.signin.models import CodeChallenge, Purpose, Session, SignInAttempt


@dataclass(frozen=True, slots=True)
class Continue:
    """Accepted so far; the decision says what is next."""

    decision: AskFor | SetUpFirst


@dataclass(frozen=True, slots=True)
class ComeIn:
    """The person is in: put the token into the session cookie and go to ``next_url`` (checked by the door)."""

    token: str = field(repr=False)
    next_url: str
    session: Session


@dataclass(frozen=True, slots=True)
class Refused:
    """No. The page says one sentence; only ``until`` may be told besides."""

    reason: Reason | Because
    until: datetime | None = None


type Outcome = Continue | ComeIn | Refused


@dataclass(frozen=True, slots=True)
class MethodChoice:
    """A method by which a code can come, as the page offers it."""

    credential_id: UUID
    kind: FactorKind
    slot: str
    ends: str
    ways: list[Way]


def begin(name: str, *, origin: Origin, next_url: str, now: datetime) -> str:
    """Begin a sign-in under a typed name and return the token for the browser's attempt cookie.

    The same for known, blocked and unknown names. Raises NotASignInName where the text can't be a name at all.
    """
    key = name_key(name)
    found = SignInName.objects.filter(key=key).select_related("user").first()
    return _new_attempt(
        Purpose.SIGN_IN, origin, next_url, now, typed_name=key, user=found.user if found is not None else None
    )


def begin_confirmation(session: Session, *, origin: Origin, next_url: str, now: datetime) -> str:
    """Begin to prove again within a session; it ends in the same session under a new token."""
    name = session.user.sign_in_name
    return _new_attempt(Purpose.CONFIRM, origin, next_url, now, typed_name=name, user=session.user, session=session)


def find_attempt(token: str, *, now: datetime) -> SignInAttempt | None:
    """Return the attempt of this browser if it is on its way still."""
    if not token:
        return None
    return (
        SignInAttempt.objects.select_related("user__organisation", "session__user__organisation")
        .filter(token_hash=token_hash(token), ended_at=None, expires_at__gt=now)
        .first()
    )


def typed_name(token: str) -> str:
    """Return the name that was typed in this browser, also when its attempt is over; for filling it in again."""
    if not token:
        return ""
    names = SignInAttempt.objects.filter(token_hash=token_hash(token)).values_list("typed_name", flat=True)
    return names.first() or ""


def stage(attempt: SignInAttempt, *, now: datetime) -> Decision:
    """Return where an attempt stands. Reads only."""
    return decide(attempt_facts(attempt, now=now))


def closed_until(attempt: SignInAttempt, *, now: datetime) -> datetime | None:
    """Return when a second proof may be tried again; None where it may now, or where only an unlock helps."""
    return failures.closed_until(attempt_facts(attempt, now=now).second_factor)


def methods(attempt: SignInAttempt, *, now: datetime) -> list[MethodChoice]:
    """Return the methods that may be chosen at this stage; nothing before the password was right."""
    decision = stage(attempt, now=now)
    if attempt.user is None or not isinstance(decision, AskFor) or FactorKind.PHONE not in decision.methods:
        return []
    surroundings = surroundings_of(attempt.user)
    return [
        MethodChoice(
            kept.id, kept.held.kind, kept.held.slot, kept.held.public["ends"], ways_of(kept.held, surroundings)
        )
        for kept in usable_phones(attempt.user, vault.holdings(attempt.user, kinds=[FactorKind.PHONE]))
    ]


def send_code(
    attempt: SignInAttempt, credential_id: UUID | str, way: Way | str, *, now: datetime
) -> CodeSent | NotSent:
    """Send a code by one of the offered methods, within the limits."""
    with transaction.atomic():
        user = _lock(attempt, now)
        decision = stage(attempt, now=now)
        if user is None or not isinstance(decision, AskFor) or FactorKind.PHONE not in decision.methods:
            return NotSent(None, Reason.NOT_ALLOWED)
        kept = vault.find(user, credential_id)
        if kept is None or kept.held.kind not in decision.methods:
            return NotSent(None, Reason.NOT_HELD)
        challenge = factor_of(kept.held.kind).challenge(
            kept.held, {"way": str(way)}, surroundings_of(user), chance=CHANCE, keyed=vault.keyed
        )
        if isinstance(challenge, Rejected):
            return NotSent(None, challenge.reason)
        outgoing = challenges.issue(
            user,
            challenge,
            purpose=Purpose(attempt.purpose),
            holder=attempt,
            kind=kept.held.kind,
            credential_id=kept.id,
            origin=_origin(attempt),
            now=now,
        )
    return challenges.dispatch(outgoing, user, now=now)


def current_code(attempt: SignInAttempt, *, now: datetime) -> CodeOnTheWay | None:
    """Return the newest code of this attempt, for drawing the page again."""
    if attempt.user is None:
        return None
    return challenges.on_the_way(attempt, attempt.user, Purpose(attempt.purpose), now=now)


def answer(attempt: SignInAttempt, kind: FactorKind, typed: str, *, now: datetime) -> Outcome:
    """Check one answer and say what follows. Only what ``decide`` asks for at this moment is looked at."""
    if len(typed) > LONGEST_TYPED:
        typed = ""
    match kind:
        case FactorKind.PASSWORD:
            return _answer_password(attempt, typed, now)
        case FactorKind.PHONE:
            return _answer_code(attempt, typed, now)
        case FactorKind.APP_PASSWORD:
            return Refused(Because.WRONG_PROOF)
        case _:
            assert_never(kind)


def report_fraud(delivery_id: UUID, *, now: datetime) -> bool:
    """Somebody at the telephone says that they are not signing in: the code dies, and it is remembered."""
    with transaction.atomic():
        user = challenges.void_by_delivery(delivery_id, now=now)
        if user is None:
            return False
        record(EventKind.FRAUD_REPORTED, now=now, subject=user)
        return True


def conclude(attempt: SignInAttempt, user: User, *, now: datetime) -> Outcome:
    """Decide on an attempt as it is written now, and open the door where the answer is yes.

    The caller holds the lock on the person's row, inside a transaction.
    """
    decision = decide(attempt_facts(attempt, now=now))
    match decision:
        case AskFor() | SetUpFirst():
            return Continue(decision)
        case Deny(because):
            return _deny(attempt, user, because, now)
        case Allow(evidence):
            opened = _open(attempt, user, evidence, now)
            if opened is None:
                return Refused(Because.WRONG_PROOF)
            attempt.ended_at = now
            attempt.save(update_fields=["ended_at"])
            details = {"purpose": attempt.purpose, "kinds": [proof.kind.value for proof in evidence]}
            record(EventKind.SIGN_IN_ALLOWED, now=now, subject=user, by=user, origin=_origin(attempt), details=details)
            return ComeIn(opened.token, attempt.next_url, opened.session)
        case _:
            assert_never(decision)


def _open(attempt: SignInAttempt, user: User, evidence: tuple[Evidence, ...], now: datetime) -> sessions.Opened | None:
    if attempt.session is not None:
        return sessions.rotate(attempt.session, evidence, now=now)
    return sessions.open_session(user, evidence, origin=_origin(attempt), now=now)


def _deny(attempt: SignInAttempt, user: User | None, because: Because, now: datetime) -> Refused:
    record(
        EventKind.SIGN_IN_DENIED,
        now=now,
        subject=user,
        origin=_origin(attempt),
        reason=because,
        name=attempt.typed_name,
        details={"purpose": attempt.purpose},
    )
    until = None
    if because is Because.SECOND_FACTOR_WAITS and user is not None:
        until = failures.closed_until(attempt_facts(attempt, now=now).second_factor)
    return Refused(because, until)


def _answer_password(attempt: SignInAttempt, typed: str, now: datetime) -> Outcome:
    limits = attempt.user.organisation.policy.limits if attempt.user is not None else Limits()
    key = failures.password_key(attempt.typed_name, attempt.address)
    with transaction.atomic():
        lock = failures.reserve(key, limits, now=now)
    if not isinstance(lock, Open):
        return Refused(Because.PASSWORD_WAITS, failures.closed_until(lock))
    # The slow hash is worked out outside any transaction, once, and for nobody as for somebody.
    kept = _password_of(attempt.user)
    held = kept.held if kept is not None else Held(FactorKind.PASSWORD)
    verdict = factor_of(FactorKind.PASSWORD).verify(held, {}, typed, keyed=vault.keyed, now=now)
    with transaction.atomic():
        user = _lock(attempt, now)
        still = _password_of(user)
        if isinstance(verdict, Rejected) or user is None or kept is None or still is None or still.id != kept.id:
            return _deny(attempt, user, Because.WRONG_PROOF, now)
        proof = Evidence(FactorKind.PASSWORD, now)
        decision = decide(attempt_facts(_with(attempt, kept.id), now=now, more=(proof,)))
        if isinstance(decision, Deny):
            return _deny(attempt, user, decision.because, now)
        failures.refund(key, now, now=now)
        if verdict.renewed is not None:
            vault.renew(kept.id, verdict.renewed)
        vault.note_use([vault.Use(kept.id, now, attempt.address)])
        attempt.password_version = kept.id
        attempt.evidence = write_evidence([proof])
        attempt.save(update_fields=["password_version", "evidence"])
        return conclude(attempt, user, now=now)


def _answer_code(attempt: SignInAttempt, typed: str, now: datetime) -> Outcome:
    with transaction.atomic():
        user = _lock(attempt, now)
        decision = stage(attempt, now=now)
        if isinstance(decision, Deny):
            return _deny(attempt, user, decision.because, now)
        if user is None or not isinstance(decision, AskFor) or FactorKind.PHONE not in decision.methods:
            return Refused(Because.WRONG_PROOF)
        verdict = check_code(user, attempt, Purpose(attempt.purpose), typed, origin=_origin(attempt), now=now)
        if isinstance(verdict, Refused):
            return verdict
        attempt.evidence = [*attempt.evidence, *write_evidence([Evidence(FactorKind.PHONE, now, verdict.way)])]
        attempt.save(update_fields=["evidence"])
        return conclude(attempt, user, now=now)


def check_code(
    user: User, holder: challenges.Holder, purpose: Purpose, typed: str, *, origin: Origin, now: datetime
) -> Accepted | Refused:
    """Try one typed code against the newest one of an attempt; count what is wrong, spend what is right.

    The caller holds the lock on the person's row and has seen that the second proof may be tried.
    """
    row = challenges.newest(holder, purpose)
    credential_gone = row is not None and row.credential_id and vault.find(user, row.credential_id) is None
    if (
        row is None
        or credential_gone
        or not challenges.reserve_try(row, user.organisation.policy.limits.code_tries, now=now)
    ):
        reason = why_dead(row, now)
        lock = failures.count_wrong_code(user, origin=origin, now=now)
        record(EventKind.CODE_REJECTED, now=now, subject=user, origin=origin, reason=reason)
        return Refused(reason, failures.closed_until(lock))
    verdict = factor_of(FactorKind(row.kind)).verify(
        Held(FactorKind(row.kind)), challenges.kept_of(row), typed, keyed=vault.keyed, now=now
    )
    if isinstance(verdict, Rejected) or not challenges.spend(row, now=now):
        reason = verdict.reason if isinstance(verdict, Rejected) else Reason.USED
        lock = failures.count_wrong_code(user, origin=origin, now=now)
        record(EventKind.CODE_REJECTED, now=now, subject=user, origin=origin, reason=reason)
        return Refused(reason, failures.closed_until(lock))
    if row.credential_id is not None:
        vault.note_use([vault.Use(row.credential_id, now, origin.address)])
    record(EventKind.CODE_ACCEPTED, now=now, subject=user, by=user, origin=origin, details={"purpose": str(purpose)})
    return verdict


def why_dead(row: CodeChallenge | None, now: datetime) -> Reason:
    """Return why a code can't be tried any more."""
    if row is None or row.void_at is not None:
        return Reason.EXPIRED
    if row.spent_at is not None:
        return Reason.USED
    return Reason.EXPIRED if row.expires_at <= now else Reason.TOO_MANY_TRIES


def lock_person(user: User) -> User:
    """Take the lock under which everything about one person changes; returns the row as it is now."""
    return User.objects.select_for_update(of=("self",)).select_related("organisation").get(pk=user.pk)


def _lock(attempt: SignInAttempt, now: datetime) -> User | None:
    if attempt.user is None:
        return None
    user = lock_person(attempt.user)
    fresh = SignInAttempt.objects.filter(pk=attempt.pk, ended_at=None, expires_at__gt=now).first()
    if fresh is None:
        # Another tab finished it, or an administrator ended it: nothing that was proven counts any more.
        attempt.evidence, attempt.password_version, attempt.user = [], None, None
        return None
    attempt.evidence, attempt.password_version, attempt.user = fresh.evidence, fresh.password_version, user
    return user


def _password_of(user: User | None) -> Kept | None:
    if user is None:
        return None
    return next(iter(vault.holdings(user, kinds=[FactorKind.PASSWORD])), None)


def _with(attempt: SignInAttempt, password_version: UUID) -> SignInAttempt:
    attempt.password_version = password_version
    attempt.evidence = []
    return attempt


def _new_attempt(
    purpose: Purpose,
    origin: Origin,
    next_url: str,
    now: datetime,
    *,
    typed_name: str,
    user: User | None,
    session: Session | None = None,
) -> str:
    token = new_token()
    limits = user.organisation.policy.limits if user is not None else Limits()
    SignInAttempt.objects.create(
        token_hash=token_hash(token),
        purpose=purpose,
        door=Door.WEB,
        typed_name=typed_name,
        user=user,
        session=session,
        next_url=next_url[:2000],
        address=origin.address[:45],
        agent=origin.agent[:300],
        created_at=now,
        expires_at=now + timedelta(seconds=limits.attempt_seconds),
    )
    return token


def _origin(attempt: SignInAttempt) -> Origin:
    return Origin(address=attempt.address, agent=attempt.agent, door=attempt.door)
