"""Interactive sign-in in a browser: load the facts, decide, apply, record; the only module that completes a sign-in."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import partial
from typing import assert_never
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from watchword.audit import metrics, tracing
from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.assurance import Evidence
from watchword.core.codes import LONGEST_TYPED
from watchword.core.decision import Allow, AskFor, Decision, Deny, DenyReason, SetUpFirst, decide
from watchword.core.factors import CredentialData, Rejected, RejectReason
from watchword.core.log_events import log_event
from watchword.core.policy import SECOND_FACTORS, Channel, FactorKind, MfaState
from watchword.core.usernames import name_key, with_domain
from watchword.directory.models import SignInName, User
from watchword.factors import vault
from watchword.factors.registry import factor_of
from watchword.factors.vault import StoredCredential
from watchword.signin import (
    attempt_limits,
    enrolment_wait,
    password_throttling,
    remembered_browsers,
    sessions,
    throttling,
)
from watchword.signin.attempts import new_attempt
from watchword.signin.facts import (
    PROVING,
    attempt_facts,
    dummy_user,
    policy_for,
    second_factor_lock,
    setup_context_of,
    write_evidence,
)
from watchword.signin.models import Purpose, Session, SignInAttempt
from watchword.signin.otp import challenges
from watchword.signin.otp.challenges import CodeDenied, CodeSent
from watchword.signin.otp.verification import check_code
from watchword.signin.password_throttling import Reserved, Throttled, repeat_details
from watchword.signin.results import Continue, Outcome, SignedIn, SignInDenied
from watchword.signin.sign_in_view import choices_of
from watchword.signin.tokens import RANDOM_SOURCE, token_hash

logger = logging.getLogger(__name__)


def begin(
    name: str,
    *,
    origin: Origin,
    next_url: str,
    now: datetime,
    browser: str = "",
    replaces: Session | None = None,
) -> str:
    """Begin a sign-in under a typed name and return the token for the browser's attempt cookie.

    ``browser`` is the token of the known-browser cookie, if there is one. ``replaces`` is the browser's present
    session, whichever user it belongs to: it ends when this sign-in completes.

    Known, blocked and unknown names are treated alike. Raises InvalidSignInName where the text can't be a name at all,
    and TooManyBegun where the source address has begun too many attempts.
    """
    key = name_key(with_domain(name, settings.WATCHWORD_DEFAULT_DOMAIN))
    attempt_limits.count(origin.address, browser=browser, now=now)
    found = SignInName.objects.filter(key=key).select_related("user__organisation").first()
    return new_attempt(
        Purpose.SIGN_IN,
        origin,
        next_url,
        now,
        typed_name=key,
        user=found.user if found is not None else None,
        browser=browser,
        replaces=replaces,
    )


def begin_confirmation(session: Session, *, origin: Origin, next_url: str, now: datetime) -> str:
    """Begin to prove one's identity again within a session; success gives the same session a new token."""
    name = session.user.sign_in_name
    return new_attempt(Purpose.CONFIRM, origin, next_url, now, typed_name=name, user=session.user, session=session)


def find_attempt(token: str, *, origin: Origin | None = None, now: datetime) -> SignInAttempt | None:
    """Return the browser's attempt if it has neither ended nor expired.

    ``origin`` is where this request came from; it replaces the origin of the request that began the attempt.
    """
    if not token:
        return None
    attempt = (
        SignInAttempt.objects.select_related("user__organisation")
        .filter(token_hash=token_hash(token), ended_at=None, expires_at__gt=now)
        .first()
    )
    if attempt is not None and origin is not None:
        attempt.address, attempt.agent = origin.address[:45], origin.agent[:300]
    return attempt


def stage(attempt: SignInAttempt, *, now: datetime) -> Decision:
    """Return the next step of an attempt, without changing anything."""
    return decide(attempt_facts(attempt, now=now))


def send_code(
    attempt: SignInAttempt, credential_id: UUID | str, channel: Channel | str, *, now: datetime
) -> CodeSent | CodeDenied:
    """Send a code by one of the offered methods, within the rate limits."""
    with transaction.atomic():
        user, data, decision = _locked(attempt, now)
        if user is None or not isinstance(decision, AskFor) or FactorKind.PHONE not in decision.methods:
            return CodeDenied(None, RejectReason.NOT_ALLOWED)
        stored = next((one for one in data if str(one.id) == str(credential_id).lower()), None)
        if stored is None or stored.data.kind not in decision.methods:
            return CodeDenied(None, RejectReason.NOT_REGISTERED)
        return _send(attempt, user, stored, channel, now)


def send_first_code(attempt: SignInAttempt, *, now: datetime) -> CodeSent | CodeDenied | None:
    """Send a code without being asked, to the first phone by its first channel; None where none is sent unasked."""
    with transaction.atomic():
        user, data, decision = _locked(attempt, now)
        if isinstance(decision, AskFor) and FactorKind.ACCESS_PASS in decision.methods:
            # A person with an access pass has lost the phone, and a finder of the phone must not get a code without
            # asking.
            return None
        first = next(iter(choices_of(user, data, decision)), None)
        if user is None or first is None:
            return None
        stored = next(one for one in data if one.id == first.credential_id)
        return _send(attempt, user, stored, first.channels[0], now)


def _locked(attempt: SignInAttempt, now: datetime) -> tuple[User | None, list[StoredCredential], Decision]:
    """Lock the person's row; return it, the person's credentials and the decision. Call inside a transaction."""
    user = lock_attempt(attempt, now)
    data = vault.holdings(user, kinds=PROVING) if user is not None else []
    return user, data, decide(attempt_facts(attempt, now=now, data=data))


def _send(
    attempt: SignInAttempt, user: User, stored: StoredCredential, channel: Channel | str, now: datetime
) -> CodeSent | CodeDenied:
    challenge = factor_of(stored.data.kind).challenge(
        stored.data, {"channel": str(channel)}, setup_context_of(user), random_source=RANDOM_SOURCE, keyed=vault.keyed
    )
    if isinstance(challenge, Rejected):
        return CodeDenied(None, challenge.reason)
    return challenges.issue(
        user,
        challenge,
        purpose=Purpose(attempt.purpose),
        holder=attempt,
        kind=stored.data.kind,
        credential_id=stored.id,
        origin=_origin(attempt),
        now=now,
    )


def answer(attempt: SignInAttempt, kind: FactorKind, typed: str, *, now: datetime) -> Outcome:
    """Check one answer and return what follows. Only a proof that ``decide`` asks for at this moment is accepted."""
    with tracing.span("signin.answer", factor=kind.value) as set_attribute:
        outcome = _answer(attempt, kind, typed, now)
        set_attribute("result", type(outcome).__name__)
    if isinstance(outcome, SignInDenied):
        metrics.count_sign_ins("web", "denied")
        # For programs that close an address to the network; the reason is in the audit log alone.
        logger.info("answer refused", extra=log_event("signin.refused", attempt=attempt.pk, address=attempt.address))
    return outcome


def _answer(attempt: SignInAttempt, kind: FactorKind, typed: str, now: datetime) -> Outcome:
    if len(typed) > LONGEST_TYPED:
        typed = ""
    match kind:
        case FactorKind.PASSWORD:
            return _answer_password(attempt, typed, now)
        case FactorKind.PHONE:
            return _answer_code(attempt, typed, now)
        case FactorKind.APP_PASSWORD | FactorKind.ACCESS_PASS:
            # Access passes are checked by ``signin.access_passes``.
            return SignInDenied(DenyReason.WRONG_PROOF)
        case _:
            assert_never(kind)


def conclude(attempt: SignInAttempt, user: User, *, now: datetime, decision: Decision | None = None) -> Outcome:
    """Decide on an attempt as it is stored now, and open a session where the decision is to allow.

    The caller holds the lock on the person's row, inside a transaction. ``decision`` is the decision on the attempt as
    it is stored now, if the caller has already made it under this lock.
    """
    decision = decision if decision is not None else stage(attempt, now=now)
    match decision:
        case AskFor() | SetUpFirst():
            return Continue(decision)
        case Deny(because):
            return _deny(attempt, user, because, now)
        case Allow(evidence):
            enrolment_wait.settle(user, evidence, now=now)
            opened = _open(attempt, user, evidence, now)
            if opened is None:
                return SignInDenied(DenyReason.WRONG_PROOF)
            attempt.ended_at = now
            attempt.save(update_fields=["ended_at"])
            seen = remembered_browsers.BrowserSighting(is_new=False)
            if attempt.purpose == Purpose.SIGN_IN:
                seen = remembered_browsers.note(attempt, user, now=now)
                sessions.end_replaced(attempt, origin=_origin(attempt), now=now)
            record(
                EventKind.SIGN_IN_ALLOWED,
                now=now,
                subject=user,
                by=user,
                origin=_origin(attempt),
                details={
                    "purpose": attempt.purpose,
                    "kinds": [proof.kind.value for proof in evidence],
                    "attempt": str(attempt.pk),
                    "session": str(opened.session.pk),
                    **({} if seen.is_new else {"browser": "known"}),
                    **({"wrong": attempt.wrong_codes} if attempt.wrong_codes else {}),
                },
                # The right code settles the notices about earlier wrong codes of this attempt.
                notify=seen.is_new or attempt.wrong_codes > 0,
            )
            transaction.on_commit(partial(metrics.count_sign_ins, "web", "allowed"), robust=True)
            return SignedIn(opened.token, attempt.next_url, opened.session, seen.token)
        case _:
            assert_never(decision)


def _open(attempt: SignInAttempt, user: User, evidence: tuple[Evidence, ...], now: datetime) -> sessions.Opened | None:
    if attempt.session is not None:
        return sessions.rotate(attempt.session, evidence, now=now)
    # Unless the person is Disabled, only a trusted network excuses from the second proof.
    excused = user.effective_state is not MfaState.DISABLED and not any(
        proof.kind in SECOND_FACTORS for proof in evidence
    )
    return sessions.open_session(
        user, evidence, origin=_origin(attempt), now=now, excused=excused, sign_in_id=attempt.sign_in_id
    )


def _deny(
    attempt: SignInAttempt, user: User | None, because: DenyReason, now: datetime, *, reserved: Reserved | None = None
) -> SignInDenied:
    is_a_device = reserved is not None and reserved.is_a_device
    record(
        EventKind.SIGN_IN_DENIED,
        now=now,
        subject=user,
        origin=_origin(attempt),
        reason=because,
        name=attempt.typed_name,
        details={"purpose": attempt.purpose, "attempt": str(attempt.pk), **repeat_details(reserved)},
        notify=because in {DenyReason.APP_PASSWORD_IN_BROWSER, DenyReason.NO_METHOD_LEFT} or is_a_device,
    )
    until = None
    if because is DenyReason.SECOND_FACTOR_WAITS and user is not None:
        until = throttling.closed_until(second_factor_lock(user, now=now))
    return SignInDenied(because, until)


def _answer_password(attempt: SignInAttempt, typed: str, now: datetime) -> Outcome:
    stored = _password_of(attempt.user)
    policy = policy_for(attempt.user, attempt.typed_name)
    version = stored.id if stored is not None else None
    guess = password_throttling.Guess(attempt.typed_name, typed, _origin(attempt), attempt.user, version, policy)
    reserved = password_throttling.reserve(guess, now=now)
    if isinstance(reserved, Throttled):
        if reserved.is_worth_an_event:
            _deny(attempt, attempt.user, DenyReason.PASSWORD_WAITS, now)
        return SignInDenied(DenyReason.PASSWORD_WAITS, reserved.until)
    # Compute the slow hash outside any transaction, exactly once, and for unknown names too.
    data = stored.data if stored is not None else CredentialData(FactorKind.PASSWORD)
    verdict = factor_of(FactorKind.PASSWORD).verify(data, {}, typed, keyed=vault.keyed, now=now)
    with transaction.atomic():
        user = lock_attempt(attempt, now)
        still = _password_of(user)
        if isinstance(verdict, Rejected) or user is None or stored is None or still is None or still.id != stored.id:
            is_app_password = vault.is_app_password_of(user or dummy_user(), typed)
            because = DenyReason.APP_PASSWORD_IN_BROWSER if is_app_password else DenyReason.WRONG_PROOF
            password_throttling.note_wrong(reserved, now=now)
            if reserved.is_worth_an_event:
                _deny(attempt, user, because, now, reserved=reserved)
            # The browser gets the same refusal for both.
            return SignInDenied(DenyReason.WRONG_PROOF)
        if verdict.is_short and not stored.data.public.get("short"):
            # The password was chosen before the vault recorded whether a password is short.
            vault.mark_short(stored.id)
        proof = Evidence(FactorKind.PASSWORD, now)
        decision = decide(attempt_facts(_with(attempt, stored.id), now=now, more=(proof,)))
        if isinstance(decision, Deny):
            if decision.because in _TELLS_THAT_IT_WAS_RIGHT:
                password_throttling.refund(reserved, now=now)
            else:
                password_throttling.note_wrong(reserved, now=now)
            return _deny(attempt, user, decision.because, now)
        password_throttling.refund(reserved, now=now)
        if verdict.renewed is not None:
            vault.renew(stored.id, verdict.renewed)
        vault.note_use([vault.Use(stored.id, now, attempt.address)])
        attempt_limits.finished(attempt.address, attempt.created_at)
        attempt.password_version = stored.id
        attempt.evidence = write_evidence([proof], address=attempt.address)
        attempt.save(update_fields=["password_version", "evidence", "address", "agent"])
        return conclude(attempt, user, now=now, decision=decision)


_TELLS_THAT_IT_WAS_RIGHT = frozenset(
    {DenyReason.SECOND_FACTOR_WAITS, DenyReason.SECOND_FACTOR_LOCKED, DenyReason.NO_METHOD_LEFT}
)
"""Reasons to deny whose pages reveal that the password was right; all others look and count like a wrong password."""


def _answer_code(attempt: SignInAttempt, typed: str, now: datetime) -> Outcome:
    with transaction.atomic():
        user = lock_attempt(attempt, now)
        decision = stage(attempt, now=now)
        if isinstance(decision, Deny):
            return _deny(attempt, user, decision.because, now)
        if user is None or not isinstance(decision, AskFor) or FactorKind.PHONE not in decision.methods:
            return SignInDenied(DenyReason.WRONG_PROOF)
        verdict = check_code(user, attempt, Purpose(attempt.purpose), typed, origin=_origin(attempt), now=now)
        if isinstance(verdict, SignInDenied):
            return verdict
        attempt.evidence = [*attempt.evidence, *write_evidence([Evidence(FactorKind.PHONE, now, verdict.channel)])]
        attempt.save(update_fields=["evidence"])
        return conclude(attempt, user, now=now)


def lock_person(user: User) -> User:
    """Lock the person's row, the lock for every change to that person, and return the row as it is now."""
    return User.objects.select_for_update(of=("self",)).select_related("organisation").get(pk=user.pk)


def lock_attempt(attempt: SignInAttempt, now: datetime) -> User | None:
    """Lock the person's row, reload the attempt and return the person. Call inside a transaction.

    Returns None where the attempt names no known user or is over.
    """
    if attempt.user is None:
        # The same queries for an unknown name as for a known one, uncached, so that both take equally long.
        attempt.dummy_user = None
        list(User.objects.select_for_update(of=("self",)).select_related("organisation").filter(pk=dummy_user().pk))
        list(_living(attempt, now))
        return None
    user = lock_person(attempt.user)
    fresh = next(iter(_living(attempt, now).values_list("evidence", "password_version", "wrong_codes")), None)
    if fresh is None:
        # Another tab finished the attempt, or an administrator ended it: its evidence no longer counts.
        attempt.evidence, attempt.password_version, attempt.user = [], None, None
        return None
    attempt.evidence, attempt.password_version, attempt.wrong_codes = fresh
    attempt.user = user
    return user


def _living(attempt: SignInAttempt, now: datetime) -> QuerySet[SignInAttempt]:
    return SignInAttempt.objects.filter(pk=attempt.pk, ended_at=None, expires_at__gt=now)


def _password_of(user: User | None) -> StoredCredential | None:
    return next(iter(vault.holdings(user or dummy_user(), kinds=[FactorKind.PASSWORD])), None)


def _with(attempt: SignInAttempt, password_version: UUID) -> SignInAttempt:
    attempt.password_version = password_version
    attempt.evidence = []
    return attempt


def _origin(attempt: SignInAttempt) -> Origin:
    return Origin(address=attempt.address, agent=attempt.agent, door=attempt.door)
