"""*This wasn't me*: closes at once what an attacker could hold, and invalidates what the attacker has added.

The person who presses the button has only presented a link from a mail, and the attacker may be reading that mail. So
everything here takes access away. A new password needs a code to a phone that was registered before (ADR 0054).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.audit.record import Origin, record
from watchword.core.policy import FactorKind, MfaState
from watchword.directory.contacts import earlier_contact
from watchword.directory.models import User
from watchword.factors import vault
from watchword.factors.vault import StoredCredential
from watchword.signin import enrolment, enrolment_wait, mfa_state, remembered_browsers, sessions
from watchword.signin.access_revocation import end_access
from watchword.signin.facts import proven_phones, usable_phones
from watchword.signin.flow import lock_person
from watchword.signin.models import CodeChallenge, Purpose, SignInAttempt
from watchword.signin.phone_change_notice import tell_numbers

BECAUSE = "not_me"
YOUNG = timedelta(days=7)
"""How long the notice of a new phone can be answered. A phone younger than this whose code proved the disowned sign-in
counts as the attacker's; an older one is the owner's, who was tricked into passing the code on."""


@dataclass(frozen=True, slots=True)
class Disowned:
    """What a person disowned: the notice's rule, when the event happened, in which sign-in, with which credential."""

    rule: str
    at: datetime
    sign_in_id: UUID | None = None
    credential_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class CompromiseResponse:
    """What was closed. Pages, notices and alerts say this and nothing more."""

    sessions: int
    had_password: bool
    phones: tuple[str, ...]
    """The last digits of the removed numbers."""
    app_passwords: tuple[str, ...]
    """The names of the app passwords that were paused."""
    undone: tuple[str, ...]
    """The settings (``language``, ``contact_mail``) that were restored to their earlier values."""
    became_enabled: bool
    can_choose: bool
    """Whether a phone is left to which a code for a new password can be sent."""
    removed: tuple[StoredCredential, ...] = field(default=(), repr=False)


def disowned_by(event: Event, *, rule: str, credential_id: UUID | None) -> Disowned:
    """Return what disowning this event disowns."""
    named = (event.details.get(key) for key in ("sign_in", "session", "attempt"))
    sign_in = next((UUID(text) for text in named if isinstance(text, str)), None)
    return Disowned(rule, event.at, sign_in, credential_id)


def respond_to_compromise(user: User, disowned: Disowned, *, origin: Origin, now: datetime) -> CompromiseResponse:
    """Close everything that the disowned event and its consequences have opened.

    Sessions, open sign-in attempts, links, known browsers and the account password end for every user of them. What was
    added by the same sign-in or later is closed: phones are removed, app passwords paused, settings restored. Without
    any phone left the person is Enabled again, and needs an administrator to register another one.
    """
    with transaction.atomic():
        user = lock_person(user)
        data = vault.holdings(user)
        in_question = _in_question(user, data, disowned)
        number = end_access(user, because=BECAUSE, now=now)
        # The attacker may have read a pass or personal link in the same mailbox; an administrator makes another one.
        vault.revoke_all(user, [FactorKind.ACCESS_PASS], because=BECAUSE, now=now)
        remembered_browsers.forget_all(user)
        had_password = bool(vault.revoke_all(user, [FactorKind.PASSWORD], because=BECAUSE, now=now))
        undone = _put_back(user, disowned)
        phones, app_passwords = _take_away(user, in_question, now=now)
        became_enabled, can_choose = _after(user, origin=origin, now=now)
        done = CompromiseResponse(
            sessions=number,
            had_password=had_password,
            phones=tuple(stored.data.public["ends"] for stored in phones),
            app_passwords=tuple(stored.data.label for stored in app_passwords),
            undone=undone,
            became_enabled=became_enabled,
            can_choose=can_choose,
            removed=tuple(phones),
        )
        record(
            EventKind.NOT_ME,
            now=now,
            subject=user,
            by=user,
            origin=origin,
            reason=disowned.rule,
            details={
                "sessions": done.sessions,
                "had_password": done.had_password,
                "phones": list(done.phones),
                "app_passwords": list(done.app_passwords),
                "undone": list(done.undone),
                "became_enabled": done.became_enabled,
                "can_choose": done.can_choose,
            },
        )
        return done


def tell_removed(user: User, done: CompromiseResponse, *, now: datetime) -> None:
    """Send a text to the phones that were removed. Call this after the commit.

    The owner may hold such a phone, and an attacker who reads the owner's mail may have pressed the button.
    """
    tell_numbers(user, done.removed, is_removed=True, now=now)


def close_more(attempt: SignInAttempt, ids: Collection[str], *, origin: Origin, now: datetime) -> int | None:
    """Close the chosen credentials after *This wasn't me*; return how many, or None if the attempt has expired.

    Phones are removed and app passwords paused, each with an event of its own.
    """
    if attempt.user is None:
        return None
    with transaction.atomic():
        user = lock_person(attempt.user)
        alive = SignInAttempt.objects.filter(pk=attempt.pk, purpose=Purpose.RECOVER, ended_at=None, expires_at__gt=now)
        if not alive.exists():
            return None
        requested = [stored for stored in vault.holdings(user) if str(stored.id) in ids]
        phones, app_passwords = _take_away(user, requested, now=now)
        for stored in (*phones, *app_passwords):
            kind = EventKind.METHOD_REMOVED if stored in phones else EventKind.APP_PASSWORD_PAUSED
            details = enrolment.describe(stored, attempt)
            record(kind, now=now, subject=user, by=user, origin=origin, reason=BECAUSE, details=details)
        _after(user, origin=origin, now=now)
        if app_passwords:
            sessions.close_mail(user, because="app_password_paused", now=now)
    tell_numbers(user, phones, is_removed=True, now=now)
    return len(phones) + len(app_passwords)


def _take_away(
    user: User, requested: Iterable[StoredCredential], *, now: datetime
) -> tuple[list[StoredCredential], list[StoredCredential]]:
    """Remove phones and pause app passwords; return those that were active until now."""
    phones, app_passwords = [], []
    for stored in requested:
        if stored.data.kind is FactorKind.PHONE and vault.revoke(user, stored.id, because=BECAUSE, now=now):
            phones.append(stored)
        elif stored.data.kind is FactorKind.APP_PASSWORD and stored.is_alive and vault.pause(user, stored.id, now=now):
            app_passwords.append(stored)
    return phones, app_passwords


def _after(user: User, *, origin: Origin, now: datetime) -> tuple[bool, bool]:
    """Set the state that fits the remaining phones; return whether it changed, and whether one can get a code."""
    phones = proven_phones(vault.holdings(user, kinds=[FactorKind.PHONE]))
    if user.state is MfaState.ENFORCED and not phones:
        mfa_state.reopen(user, origin=origin, now=now)
        return True, False
    # A registration in doubt must not earn an app password by waiting: an administrator helps (ADR 0083).
    enrolment_wait.end(user)
    return False, user.state is MfaState.ENFORCED and bool(usable_phones(user, phones))


def _in_question(user: User, data: list[StoredCredential], disowned: Disowned) -> list[StoredCredential]:
    """Return what the disowned sign-in has added, and everything that is younger than the event."""
    sign_ins = _sign_ins_in_question(data, disowned)
    proven_by = _phones_of(sign_ins)
    touched = {
        event.details.get("credential")
        for event in _changes(user, disowned, EventKind.APP_PASSWORD_RESUMED, EventKind.APP_PASSWORD_LIMITED)
    }
    return [
        stored
        for stored in data
        if stored.id == disowned.credential_id
        or stored.created_at >= disowned.at
        or stored.sign_in_id in sign_ins
        or (stored.id in proven_by and disowned.at - stored.created_at < YOUNG)
        or str(stored.id) in touched
    ]


def _sign_ins_in_question(data: list[StoredCredential], disowned: Disowned) -> set[UUID]:
    """Return the disowned sign-in and, where it was proven by a young phone, the one that registered that phone.

    Otherwise an attacker who registers a phone and later signs in with it would be removed only in part.
    """
    found = {disowned.sign_in_id} - {None}
    proven_by = _phones_of(found)
    for stored in data:
        if stored.id in proven_by and stored.sign_in_id is not None and disowned.at - stored.created_at < YOUNG:
            found.add(stored.sign_in_id)
    return {sign_in for sign_in in found if sign_in is not None}


def _phones_of(sign_ins: Collection[UUID | None]) -> set[UUID | None]:
    codes = CodeChallenge.objects.filter(attempt__in=sign_ins).exclude(spent_at=None).exclude(credential_id=None)
    return set(codes.values_list("credential_id", flat=True))


def _put_back(user: User, disowned: Disowned) -> tuple[str, ...]:
    """Restore the language and the contact address, where the person's own sign-in changed them.

    Changes by another administrator stay: the alert asks about those. And an owner who has moved to another address,
    because an attacker reads the old one, must not be moved back by a link that was sent to the old one.
    """
    before: dict[str, str] = {}
    for event in _changes(user, disowned, EventKind.PERSON_EDITED):
        contact = earlier_contact(event.details)
        if contact is not None:
            before.setdefault("contact_mail", contact)
        if isinstance(event.details.get("before"), str):
            before.setdefault("language", event.details["before"])
    changed = {field: value for field, value in before.items() if getattr(user, field) != value}
    if changed:
        for field, value in changed.items():
            setattr(user, field, value)
        user.save(update_fields=changed)
    return tuple(sorted(changed))


def _changes(user: User, disowned: Disowned, *kinds: EventKind) -> QuerySet[Event]:
    """Return, oldest first, what the person's sign-ins changed since the event, or the disowned one before it."""
    when = Q(at__gte=disowned.at)
    if disowned.sign_in_id is not None:
        when |= Q(at__gte=disowned.at - YOUNG, details__sign_in=str(disowned.sign_in_id))
    return Event.objects.filter(when, subject_id=user.pk, actor_id=user.pk, kind__in=kinds).order_by("id")
