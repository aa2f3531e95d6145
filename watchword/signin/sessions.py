"""Sessions of browsers: open, find, rotate, list and end them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import QuerySet

from watchword.audit.events import EventKind
from watchword.audit.notifications import Topic, notify
from watchword.audit.record import NOWHERE, Origin, record
from watchword.core.assurance import Assurance, Evidence, is_recent
from watchword.core.policy import AccountStatus, FactorKind, MfaState
from watchword.directory.models import User
from watchword.factors import vault
from watchword.signin.facts import proven_phones, read_evidence, write_evidence
from watchword.signin.models import AppSignIn, Revocation, Session, SignInAttempt
from watchword.signin.tokens import new_token, token_hash

_TOUCH = timedelta(minutes=1)
"""How stale "last seen" may be, so that most page loads write nothing."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as pages show it."""

    id: UUID
    created_at: datetime
    last_seen_at: datetime
    address: str
    agent: str
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session; the token goes into the cookie and nowhere else."""

    session: Session
    token: str

    def __repr__(self) -> str:
        return f"Opened({self.session.pk})"


def open_session(
    user: User,
    evidence: tuple[Evidence, ...],
    *,
    origin: Origin,
    now: datetime,
    excused: bool = False,
    sign_in_id: UUID | None = None,
) -> Opened:
    """Open a session that rests on this evidence; ``excused`` where a trusted network replaced the second proof.

    The session has the id of the sign-in that opened it, so that everything that came of one sign-in can be found and
    closed.
    """
    token = new_token()
    session = Session.objects.create(
        id=sign_in_id or uuid4(),
        user=user,
        token_hash=token_hash(token),
        created_at=now,
        last_seen_at=now,
        expires_at=now + timedelta(seconds=user.organisation.policy.limits.session_seconds),
        evidence=write_evidence(evidence),
        address=origin.address[:45],
        agent=origin.agent[:300],
        excused=excused,
    )
    return Opened(session, token)


def find(token: str, *, now: datetime) -> Session | None:
    """Return the active session of a cookie, with its person and organisation; None for any other cookie."""
    if not token:
        return None
    session = (
        Session.objects.select_related("user__organisation").filter(token_hash=token_hash(token), ended_at=None).first()
    )
    if session is None or not is_alive(session, now=now):
        if session is not None and session.excused and not is_excused_still(session):
            end_no_longer_excused([session], now=now)
        return None
    if now - session.last_seen_at > _TOUCH:
        Session.objects.filter(pk=session.pk, ended_at=None).update(last_seen_at=now)
        session.last_seen_at = now
    return session


def is_alive(session: Session, *, now: datetime) -> bool:
    """Return whether a session is active: not ended, not expired, not idle for too long, and its person may sign in."""
    idle = timedelta(seconds=session.user.organisation.policy.limits.session_idle_seconds)
    return (
        session.ended_at is None
        and now < session.expires_at
        and now - session.last_seen_at < idle
        and session.user.standing is AccountStatus.ACTIVE
        and (not session.excused or is_excused_still(session))
    )


def is_excused_still(session: Session) -> bool:
    """Return whether a trusted network would still replace the second proof, as it did when the session began.

    It doesn't for a person who was given a role meanwhile, nor where the network is no longer trusted.
    """
    user = session.user
    return not user.is_administrator and user.organisation.policy.trusts(session.address)


def end_no_longer_excused(found: Iterable[Session], *, now: datetime) -> int:
    """End those sessions that a trusted network excused and would not excuse today; return their number."""
    over = [session for session in found if session.ended_at is None and not is_excused_still(session)]
    Session.objects.filter(pk__in=[session.pk for session in over], ended_at=None).update(
        ended_at=now, ended_because="no_longer_excused"
    )
    end_in_apps(
        AppSignIn.objects.filter(session__in=[session.pk for session in over]), because="no_longer_excused", now=now
    )
    for session in over:
        record(EventKind.SESSION_ENDED, now=now, subject=session.user, reason="no_longer_excused")
    return len(over)


def rotate(session: Session, evidence: tuple[Evidence, ...], *, now: datetime) -> Opened | None:
    """Give a session a new token and new evidence, because more was proven; return None if it ended meanwhile."""
    token = new_token()
    changed = Session.objects.filter(pk=session.pk, ended_at=None).update(
        token_hash=token_hash(token), evidence=write_evidence(evidence), last_seen_at=now
    )
    if not changed:
        return None
    session.refresh_from_db()
    return Opened(session, token)


def raise_assurance(session: Session, proof: Evidence, *, now: datetime) -> Opened | None:
    """Add one more proof to a session (a method that was just registered) and give it a new token.

    A token that an attacker knew before must not open what the new proof opens.
    """
    return rotate(session, (*read_evidence(session.evidence), proof), now=now)


def rotate_attempt(attempt: SignInAttempt) -> str:
    """Give an attempt a new token, because more was proven in it; a planted or stolen old token is then worthless."""
    token = new_token()
    SignInAttempt.objects.filter(pk=attempt.pk, ended_at=None).update(token_hash=token_hash(token))
    return token


def needs_proof(session: Session, *, now: datetime, since: datetime | None = None) -> bool:
    """Return whether the person must prove their identity again before a dangerous action.

    Proofs older than ``since`` don't count, for an app that asks for newer ones. All the person's factors are needed: a
    password alone is enough only for a person who never had a second factor. A second factor that can't be used today
    isn't replaced by the password.
    """
    user = session.user
    data = vault.holdings(user, kinds=[FactorKind.PHONE])
    is_protected = user.effective_state is not MfaState.DISABLED
    has_second = is_protected and (user.had_second_factor_at is not None or bool(proven_phones(data)))
    needed = Assurance.TWO if has_second else Assurance.ONE
    within = timedelta(seconds=user.organisation.policy.limits.recent_seconds)
    if since is not None:
        within = min(within, now - since)
    return not is_recent(read_evidence(session.evidence), needed, now, within)


def sessions_of(user: User, *, now: datetime) -> list[SessionRow]:
    """Return the active sessions of a person, the one last seen first."""
    idle = timedelta(seconds=user.organisation.policy.limits.session_idle_seconds)
    rows = _living(user).filter(expires_at__gt=now, last_seen_at__gt=now - idle).order_by("-last_seen_at")
    return [
        SessionRow(row.pk, row.created_at, row.last_seen_at, row.address, row.agent, tuple(read_evidence(row.evidence)))
        for row in rows.select_related("user__organisation")
        if not row.excused or is_excused_still(row)
    ]


def end(user: User, session_id: UUID | str, *, by: User, because: str, now: datetime, origin: Origin = NOWHERE) -> bool:
    """End one session of a person; return False if the person has no such active session."""
    with transaction.atomic():
        if not _living(user).filter(pk=session_id).update(ended_at=now, ended_because=because):
            return False
        end_in_apps(AppSignIn.objects.filter(session__pk=session_id, is_offline=False), because=because, now=now)
        record(EventKind.SESSION_ENDED, now=now, subject=user, by=by, origin=origin, reason=because)
        return True


def end_replaced(attempt: SignInAttempt, *, origin: Origin, now: datetime) -> None:
    """End the session that a browser had before this sign-in, so that its token opens nothing any more (ASVS 7.2.4)."""
    if attempt.replaces is None:
        return
    old = Session.objects.select_related("user").filter(pk=attempt.replaces, ended_at=None).first()
    if old is not None:
        end(old.user, old.pk, by=old.user, because="signed_in_again", now=now, origin=origin)


def end_all(user: User, *, because: str, now: datetime, except_session: Session | None = None) -> int:
    """End all sessions, sign-ins in apps and open sign-in attempts of a person; return how many sessions there were.

    Also asks the mail daemons to close open connections. Call inside the transaction of the action that causes it.
    """
    living, in_apps = _living(user), AppSignIn.objects.filter(user=user)
    if except_session is not None:
        living = living.exclude(pk=except_session.pk)
        in_apps = in_apps.exclude(session=except_session)
    number = living.update(ended_at=now, ended_because=because)
    end_in_apps(in_apps, because=because, now=now)
    SignInAttempt.objects.filter(user=user, ended_at=None).update(ended_at=now)
    close_mail(user, because=because, now=now)
    return number


def close_mail(user: User, *, because: str, now: datetime, mailbox: str = "") -> None:
    """Ask the mail daemons to close this person's open connections, or those to an earlier mailbox if it is named."""
    Revocation.objects.create(user_id=user.pk, mailbox=mailbox or user.mailbox_name, at=now, because=because)
    notify(Topic.REVOCATIONS)


def end_in_apps(rows: QuerySet[AppSignIn], *, because: str, now: datetime) -> int:
    """End the active ones of these sign-ins in apps, whose codes and tokens are void then; return their number.

    The worker tells the apps.
    """
    return rows.filter(ended_at=None).update(ended_at=now, ended_because=because, logout_due_at=now)


def _living(user: User) -> QuerySet[Session]:
    return Session.objects.filter(user=user, ended_at=None)
