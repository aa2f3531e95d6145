"""The invariants of sessions, codes and attempts."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from uuid import UUID

from django.db.models import F, Max, Q

from watchword.audit.events import CLOSES_LINKS, EventKind
from watchword.audit.models import Event
from watchword.core.policy import SECOND_FACTORS, Limits, MfaState
from watchword.directory.models import MfaStateChange, Organisation
from watchword.factors import vault
from watchword.signin.facts import read_evidence
from watchword.signin.models import CodeChallenge, Invitation, Session, SignInAttempt
from watchword.signin.service_settings import SenselessSettings, refuse_senseless


def problems(*, now: datetime) -> list[str]:
    """Return a description of each violated invariant."""
    return [
        *vault.problems(),
        *_weak_sessions(now),
        *_codes(),
        *_events(),
        *_settings(),
        *_invitations(now),
    ]


def _weak_sessions(now: datetime) -> list[str]:
    """Check I1: no session rests on less evidence than the policy required when it was opened."""
    history: dict[UUID, list[tuple[datetime, str, str]]] = defaultdict(list)
    for user, at, before, after in MfaStateChange.objects.order_by("at", "id").values_list(
        "user", "at", "before", "after"
    ):
        history[user].append((at, before, after))
    found = []
    rows = Session.objects.filter(excused=False).values_list(
        "pk", "user", "created_at", "evidence", "user__mfa_state", "ended_at", "expires_at"
    )
    for pk, user, created_at, evidence, state_now, ended_at, expires_at in rows.iterator():
        if any(proof.kind in SECOND_FACTORS for proof in read_evidence(evidence)):
            continue
        states = _states_at(history.get(user, []), created_at, state_now)
        if MfaState.DISABLED not in states:
            found.append(f"I1 session {pk} began without the second proof that was needed")
        elif state_now != MfaState.DISABLED and ended_at is None and expires_at > now:
            found.append(f"I1 session {pk} goes on without the second proof that is needed now")
    return found


def _states_at(changes: list[tuple[datetime, str, str]], at: datetime, state_now: str) -> set[str]:
    """Return the states that a person may have had at a moment: several where the state changed at that very moment."""
    if not changes:
        return {state_now}
    states = {changes[0][1]}
    for changed_at, before, after in changes:
        if changed_at < at:
            states = {after}
        elif changed_at == at:
            states |= {before, after}
    return states


def _codes() -> list[str]:
    """Check I2 and I5: each code is spent once, and tried no more often than allowed."""
    rows = CodeChallenge.objects.filter(
        Q(tries__gt=Limits().code_tries)
        | Q(spent_at__gt=F("expires_at"))
        | Q(spent_at__isnull=False, void_at__lt=F("spent_at"))
        | Q(spent_at__isnull=False, tries=0)
    )
    found = [f"I2 code {pk} was tried or spent as none may be" for pk in rows.values_list("pk", flat=True)]
    unspent = CodeChallenge.objects.filter(spent_at=None).values_list("pk", flat=True)
    accepted = Event.objects.filter(kind=EventKind.CODE_ACCEPTED).values_list("details__challenge", flat=True)
    uses = Counter(challenge for challenge in accepted.iterator() if challenge)
    found += [f"I2 code {pk} was accepted and not spent" for pk in unspent.iterator() if str(pk) in uses]
    return found + [f"I2 code {pk} was accepted {number} times" for pk, number in uses.items() if number > 1]


def _settings() -> list[str]:
    """Check I9: every stored limit and trusted network is one that could be saved."""
    found = []
    for organisation in Organisation.objects.order_by("pk"):
        try:
            refuse_senseless(organisation)
        except SenselessSettings as error:
            found.append(f"I9 organisation {organisation.pk} has settings that may not be: {error}")
    return found


def _invitations(now: datetime) -> list[str]:
    """Check I10: no invitation outlives a reset, a block or a deletion."""
    living = Invitation.objects.filter(used_at=None, void_at=None, expires_at__gt=now)
    closings = Event.objects.filter(kind__in=CLOSES_LINKS, subject_id__in=living.values("user"))
    newest = dict(closings.order_by().values_list("subject_id").annotate(at=Max("at")))
    return [
        f"I10 invitation {pk} is open, and its person was reset, blocked or deleted since"
        for pk, user, made_at in living.filter(user__in=list(newest)).values_list("pk", "user", "created_at")
        if made_at < newest[user]
    ]


def _events() -> list[str]:
    """Check I8: there is exactly one event for each completed sign-in."""
    rows = Event.objects.filter(kind=EventKind.SIGN_IN_ALLOWED, door="web").values_list(
        "details__attempt", "details__session"
    )
    by_attempt: Counter[str] = Counter()
    known: set[str] = set()
    for attempt, session in rows.iterator():
        by_attempt[attempt] += 1
        known.add(session)
    found = [
        f"I8 attempt {attempt} has {number} rows" for attempt, number in by_attempt.items() if attempt and number > 1
    ]
    arrived = SignInAttempt.objects.filter(pk__in=[UUID(text) for text in by_attempt if text], ended_at=None)
    found += [f"I8 attempt {pk} came in and goes on" for pk in arrived.values_list("pk", flat=True)]
    return found
