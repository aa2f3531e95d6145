"""May the person of a session use this app, now? The facts for ``decide``, and the sign-in that an app gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.assurance import Evidence
from watchword.core.decision import Allow, AppRules, Attempt, Decision, DenyReason, decide
from watchword.core.policy import AccountStatus, Door, FactorKind
from watchword.directory.applications import is_assigned
from watchword.directory.models import App, User
from watchword.factors import vault
from watchword.signin import sessions
from watchword.signin.facts import PROVING, account_of, read_evidence, second_factor_lock, write_evidence
from watchword.signin.models import AppSignIn, Session

ONLINE_LIFETIME = timedelta(days=1)
"""The longest that a sign-in in an app lasts without ``offline_access``; it never outlives its session."""
OFFLINE_LIFETIME = timedelta(days=90)
"""How long a sign-in with ``offline_access`` lasts without use; each refresh begins it anew."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What one request asks for beyond the rules of its app."""

    second_factor: bool = False
    not_before: datetime | None = None
    """Proofs older than this don't count; None: the app's own rule alone."""


NO_DEMAND = Demand()


def rules_of(app: App, user: User, demand: Demand = NO_DEMAND, *, now: datetime) -> AppRules:
    """Return the rules by which a person's sign-in in an app is decided."""
    oldest = [demand.not_before] if demand.not_before is not None else []
    if app.max_age_seconds is not None:
        oldest.append(now - timedelta(seconds=app.max_age_seconds))
    return AppRules(
        is_assigned=is_assigned(app, user),
        is_enabled=app.disabled_at is None,
        second_factor_always=app.second_factor_always or demand.second_factor,
        not_before=max(oldest) if oldest else None,
    )


def decide_app(
    session: Session, app: App, demand: Demand = NO_DEMAND, *, door: Door = Door.OIDC, now: datetime
) -> Decision:
    """Return the decision on the person of a session and an app, on what was proven in that session."""
    evidence = read_evidence(session.evidence)
    return _decide(session.user, app, demand, evidence=evidence, session=session, door=door, now=now)


def _decide(
    user: User,
    app: App,
    demand: Demand,
    *,
    evidence: tuple[Evidence, ...],
    session: Session | None,
    door: Door = Door.OIDC,
    now: datetime,
) -> Decision:
    """Decide on a person, an app and what was proven; a session tells whether a trusted network excused it."""
    data = vault.holdings(user, kinds=PROVING)
    return decide(
        Attempt(
            account=account_of(user, data, now),
            door=door,
            policy=user.organisation.policy,
            proven=evidence,
            from_trusted_network=session is not None and session.excused and sessions.is_excused_still(session),
            second_factor=second_factor_lock(user, now=now),
            app=rules_of(app, user, demand, now=now),
        )
    )


def begin(
    session: Session, app: App, *, evidence: tuple[Evidence, ...], is_offline: bool, origin: Origin, now: datetime
) -> AppSignIn:
    """Record a person's sign-in in an app; the caller has decided on it, and holds a transaction."""
    sign_in = AppSignIn.objects.create(
        user=session.user,
        app=app,
        session=session,
        is_offline=is_offline,
        evidence=write_evidence(evidence),
        address=origin.address[:45],
        agent=origin.agent[:300],
        created_at=now,
        last_used_at=now,
        expires_at=now + OFFLINE_LIFETIME if is_offline else min(now + ONLINE_LIFETIME, session.expires_at),
    )
    record(
        EventKind.SIGN_IN_ALLOWED,
        now=now,
        subject=session.user,
        by=session.user,
        origin=origin,
        details={"app": app.name, "app_id": str(app.pk), "app_sign_in": str(sign_in.pk), "session": str(session.pk)},
    )
    return sign_in


def is_alive(sign_in: AppSignIn, *, now: datetime) -> bool:
    """Return whether a sign-in in an app goes on: neither it, nor its session, person or app has come to an end.

    The caller has selected ``user``, ``app`` and ``session`` with it.
    """
    if sign_in.ended_at is not None or now >= sign_in.expires_at:
        return False
    if sign_in.user.standing is not AccountStatus.ACTIVE or sign_in.app.disabled_at is not None:
        return False
    if sign_in.is_offline:
        return True
    session = sign_in.session
    return session is not None and session.ended_at is None and now < session.expires_at


def may_continue(sign_in: AppSignIn, *, now: datetime) -> bool:
    """Return whether a sign-in in an app may get new tokens: it goes on, and the app's rules still allow it.

    A person taken out of the app's groups, or a proof older than the app accepts, ends it at the next refresh.
    """
    if not is_alive(sign_in, now=now):
        return False
    evidence = read_evidence(sign_in.evidence)
    decision = _decide(sign_in.user, sign_in.app, NO_DEMAND, evidence=evidence, session=sign_in.session, now=now)
    return isinstance(decision, Allow)


def note_use(sign_in: AppSignIn, *, address: str, now: datetime) -> None:
    """Note that an app got new tokens; with ``offline_access`` the sign-in's time begins anew."""
    fields: dict[str, Any] = {"last_used_at": now, "address": address[:45]}
    if sign_in.is_offline:
        sign_in.expires_at = fields["expires_at"] = now + OFFLINE_LIFETIME
    AppSignIn.objects.filter(pk=sign_in.pk, ended_at=None).update(**fields)


def auth_time(evidence: Sequence[Evidence]) -> datetime:
    """Return when a person authenticated: the oldest of the newest proofs of each kind, so that it is never too new."""
    newest: dict[FactorKind, datetime] = {}
    for proof in evidence:
        newest[proof.kind] = max(proof.at, newest.get(proof.kind, proof.at))
    return min(newest.values())


def note_denied(
    user: User | None, app: App, because: DenyReason, *, origin: Origin, name: str = "", now: datetime
) -> None:
    """Record that a person did not get into an app; ``name`` is what was typed where it may be nobody's."""
    record(
        EventKind.SIGN_IN_DENIED,
        now=now,
        subject=user,
        origin=origin,
        reason=because,
        name=name,
        details={"app": app.name, "app_id": str(app.pk)},
    )


def end_one(user: User, sign_in_id: UUID | str, *, by: User, because: str, now: datetime, origin: Origin) -> bool:
    """End one sign-in of a person in an app; return False if the person has no such active one."""
    with transaction.atomic():
        row = AppSignIn.objects.select_related("app").filter(pk=sign_in_id, user=user, ended_at=None).first()
        if row is None or not sessions.end_in_apps(AppSignIn.objects.filter(pk=row.pk), because=because, now=now):
            return False
        details: dict[str, Any] = {"app": row.app.name, "app_sign_in": str(row.pk)}
        record(
            EventKind.APP_SIGN_IN_ENDED,
            now=now,
            subject=user,
            by=by,
            origin=origin,
            reason=because,
            details=details,
        )
        return True


def app_sign_ins_of(user: User, *, now: datetime) -> Sequence[AppSignIn]:
    """Return the active sign-ins of a person in apps, the one last used first."""
    alive = Q(is_offline=True) | Q(session__ended_at=None, session__expires_at__gt=now)
    rows = AppSignIn.objects.filter(alive, user=user, ended_at=None, expires_at__gt=now, app__disabled_at=None)
    return list(rows.select_related("app").order_by("-last_used_at"))
