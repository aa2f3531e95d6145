"""Changes account passwords: at first sign-in, after a warning, or at the person's request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.decision import DenyReason
from watchword.core.factors import CredentialData, Rejected, RejectReason
from watchword.core.policy import FactorKind
from watchword.core.usernames import name_key
from watchword.factors import vault
from watchword.factors.registry import factor_of
from watchword.factors.vault import StoredCredential
from watchword.signin import password_throttling, sessions
from watchword.signin.access_revocation import end_access
from watchword.signin.enrolment import ReauthenticationRequired, permitted
from watchword.signin.facts import read_evidence, setup_context_of
from watchword.signin.flow import conclude
from watchword.signin.models import Purpose, Session, SignInAttempt
from watchword.signin.otp.challenges import Holder
from watchword.signin.password_throttling import Guess, Throttled
from watchword.signin.results import Continue, SignedIn, SignInDenied
from watchword.signin.sessions import Opened
from watchword.signin.tokens import RANDOM_SOURCE


@dataclass(frozen=True, slots=True)
class PasswordChosen:
    """A password was chosen. For an attempt, ``complete`` or ``next`` is set; neither after *This wasn't me*."""

    complete: SignedIn | None
    next: Continue | None
    renewed: Opened | None = None
    """The session in which the password was chosen, with its new token."""


def choose_password(
    subject: Holder, password: str, *, current: str = "", origin: Origin, now: datetime
) -> PasswordChosen | Rejected | SignInDenied:
    """Replace the account password. Other sessions end; app passwords stay valid, because the owner did this.

    A session has to present the current password, however recent its proof is (ASVS 6.2.3).
    """
    if subject.user is None:
        raise ReauthenticationRequired
    factor = factor_of(FactorKind.PASSWORD)
    old = next(iter(vault.holdings(subject.user, kinds=[FactorKind.PASSWORD])), None)
    # Hashing is slow, so it is done before the transaction begins.
    if old is not None and isinstance(subject, Session):
        refused = _why_not_current(subject, old, current, origin=origin, now=now)
        if refused is not None:
            return refused
    if old is not None and factor.verify(old.data, {}, password, keyed=vault.keyed, now=now):
        return Rejected(RejectReason.SAME_AS_BEFORE)
    challenge = factor.start_setup(
        {"password": password}, setup_context_of(subject.user), random_source=RANDOM_SOURCE, keyed=vault.keyed
    )
    if isinstance(challenge, Rejected):
        return challenge
    with transaction.atomic():
        user = permitted(subject, FactorKind.PASSWORD, now)
        data = factor.finish_setup(challenge.keep, "", random_source=RANDOM_SOURCE, keyed=vault.keyed, now=now)
        assert isinstance(data, CredentialData)
        stored = vault.store(user, data, now=now, sign_in_id=subject.sign_in_id)
        password_throttling.forget(user)
        details = {"sign_in": str(subject.sign_in_id)}
        record(EventKind.PASSWORD_CHANGED, now=now, subject=user, by=user, origin=origin, details=details)
        if isinstance(subject, Session):
            end_access(user, because="password_changed", now=now, except_session=subject)
            renewed = sessions.rotate(subject, read_evidence(subject.evidence), now=now)
            if renewed is None:
                raise ReauthenticationRequired
            return PasswordChosen(None, None, renewed)
        end_access(user, because="password_changed", now=now)
        if subject.purpose == Purpose.RECOVER:
            # The attempt has ended with all the person's other ones, and opens no session: that needs password and
            # code.
            return PasswordChosen(None, None)
        subject.password_version = stored.id
        SignInAttempt.objects.filter(pk=subject.pk).update(password_version=stored.id, ended_at=None)
        outcome = conclude(subject, user, now=now)
        if isinstance(outcome, SignInDenied):
            return outcome
        return PasswordChosen(
            outcome if isinstance(outcome, SignedIn) else None, outcome if isinstance(outcome, Continue) else None
        )


def _why_not_current(
    session: Session, old: StoredCredential, typed: str, *, origin: Origin, now: datetime
) -> Rejected | SignInDenied | None:
    """Check the current password; a wrong one counts like a wrong one at sign-in from the same source."""
    session.refresh_from_db(fields=["ended_at", "evidence", "last_seen_at"])
    if not sessions.is_alive(session, now=now) or sessions.needs_proof(session, now=now):
        # Checked first: a session without recent proof must not learn whether a guess is right.
        raise ReauthenticationRequired
    user = session.user
    guess = Guess(name_key(user.sign_in_name), typed, origin, user, old.id, user.organisation.policy)
    reserved = password_throttling.reserve(guess, now=now)
    if isinstance(reserved, Throttled):
        return SignInDenied(DenyReason.PASSWORD_WAITS, reserved.until)
    is_right = bool(factor_of(FactorKind.PASSWORD).verify(old.data, {}, typed, keyed=vault.keyed, now=now))
    with transaction.atomic():
        settle = password_throttling.refund if is_right else password_throttling.note_wrong
        settle(reserved, now=now)
    return None if is_right else Rejected(RejectReason.NOT_CURRENT)
