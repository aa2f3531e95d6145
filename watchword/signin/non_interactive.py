"""Non-interactive authentication: a request holds a name and a secret, and the answer is yes or no.

A secret shaped like an app password is looked up: one indexed read and one commit for a whole batch of requests. Any
other secret is checked as an account password and costs one slow hash, so callers queue such requests separately.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models.functions import Coalesce

from watchword.audit import repeats
from watchword.audit.events import EventKind
from watchword.audit.record import EventDraft, Named, Origin, record_all
from watchword.core.assurance import Evidence
from watchword.core.codes import LONGEST_TYPED, normal_app_password
from watchword.core.database_errors import database_trouble
from watchword.core.decision import Account, Allow, Attempt, Decision, Deny, DenyReason, decide
from watchword.core.factors import Accepted, CredentialData, Rejected
from watchword.core.log_events import log_event
from watchword.core.policy import AccountStatus, Door, FactorKind, MfaState, Policy
from watchword.core.restrictions import Misfit, Restrictions
from watchword.core.source_networks import source_of
from watchword.core.usernames import InvalidSignInName, ascii_name, can_be_name, name_key, with_domain, without_detail
from watchword.directory.mailboxes import holder_of
from watchword.directory.models import SignInName, User
from watchword.factors import vault
from watchword.factors.registry import factor_of
from watchword.factors.vault import Found
from watchword.signin import password_throttling
from watchword.signin.facts import account_of, dummy_user, policy_for
from watchword.signin.password_throttling import Reserved, Throttled, repeat_details

logger = logging.getLogger(__name__)


class Unavailable(Exception):
    """A request can't be answered now; this says nothing about whether its secret is right."""


class Secret:
    """The secret that a program presented; its ``repr`` hides the text, so that no log or traceback prints it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Secret(…)"

    def reveal(self) -> str:
        """Return the secret's text."""
        return self._text


@dataclass(frozen=True, slots=True)
class AuthRequest:
    """A request to authenticate: the name and the secret that a program presented, and at which door."""

    door: Door
    name: str
    secret: Secret
    service: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class AuthResult:
    """The result: allowed, with the mailbox and the credential that matched; or denied (the log has the reason)."""

    allowed: bool
    mailbox: str = ""
    credential_id: UUID | None = None
    is_later: bool = False
    """Whether the request can't be decided now, so that the program has to try again later."""


NO = AuthResult(allowed=False)
LATER = AuthResult(allowed=False, is_later=True)


def _yes(mailbox: str, credential_id: UUID) -> AuthResult:
    """Return an allowing answer if the stored mailbox name is valid; otherwise log an error and return a denial."""
    if can_be_name(mailbox):
        return AuthResult(True, mailbox, credential_id)
    logger.error("mailbox name not valid", extra=log_event("mail.auth.invalid_mailbox", mailbox=mailbox))
    return NO


BATCH_SIZE = 1000
"""How many mailboxes one page of the list holds."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One entry of the list of mailboxes: the id of its owner and its name."""

    id: UUID
    name: str


def is_shaped_like_app_password(question: AuthRequest) -> bool:
    """Return whether ``check_many`` answers this request, because its secret is shaped like an app password."""
    return normal_app_password(question.secret.reveal()) is not None


def check_many(questions: Sequence[AuthRequest], *, now: datetime, lacks_a_key: bool = False) -> list[AuthResult]:
    """Answer requests whose secrets are shaped like app passwords; their events are committed before this returns.

    Where the keyring lacks a key (``lacks_a_key``), a secret not found may be stored under it: the answer is *later*,
    as a program told *wrong* forgets a good password. Raises Unavailable if the database can't be read or written.
    """
    with trying(), transaction.atomic():
        letters = [normal_app_password(question.secret.reveal()) or "" for question in questions]
        lookups = [vault.lookups(word) for word in letters]
        found = vault.find_by_lookups({lookup for word in lookups for lookup in word})
        hits = [_hit(question, word, found) for question, word in zip(questions, lookups, strict=True)]
        # Load the users named by failed requests, for their events; successful requests already have theirs.
        named = _people([question.name for question, hit in zip(questions, hits, strict=True) if hit is None])
        answers, uses, moves = [], [], []
        event_drafts: list[EventDraft] = []
        refused: list[EventDraft] = []
        for question, word, hit in zip(questions, lookups, hits, strict=True):
            if hit is None and lacks_a_key:
                answers.append(LATER)
                continue
            decision = _evaluate(hit, question, now)
            answers.append(_yes(hit.mailbox, hit.credential_id) if hit and isinstance(decision, Allow) else NO)
            person = hit or named.get(_key(question.name) or "")
            event_draft = _event_draft(question, decision, person, now, hit=hit)
            (event_drafts if isinstance(decision, Allow) else refused).append(event_draft)
            if hit is not None and isinstance(decision, Allow):
                uses.append(vault.Use(hit.credential_id, now, question.address, question.service))
                if word[0] not in found:
                    moves.append((hit.credential_id, word[0]))
        vault.note_use(uses)
        vault.move_lookups(moves)
        record_all([*event_drafts, *_worth_an_event(refused, "app password", now)])
    return answers


def check_account_password(question: AuthRequest, *, now: datetime) -> AuthResult:
    """Answer a request by checking its secret as an account password; costs one slow hash for every name, known or not.

    Raises Unavailable where the database can't be read or written now, and where the source address is throttled.
    """
    key = _key(question.name)
    name = key or question.name
    origin = Origin(address=question.address, door=question.door.value, service=question.service)
    typed = question.secret.reveal()
    typed = typed if len(typed) <= LONGEST_TYPED else ""
    with trying():
        user = _people([question.name]).get(key or "")
        asked = user or dummy_user()
        had_before = vault.holdings(asked, kinds=[FactorKind.PASSWORD])
        version = had_before[0].id if had_before else None
        guess = password_throttling.Guess(name, typed, origin, user, version, policy_for(user, name))
        reserved = password_throttling.reserve(guess, now=now)
        if isinstance(reserved, Throttled):
            if reserved.by_address:
                raise Unavailable("source throttled")
            waits = _event_draft(question, Deny(DenyReason.PASSWORD_WAITS), user, now)
            with transaction.atomic():
                record_all(_worth_an_event([waits], "password", now))
            return NO
        data = had_before[0].data if had_before else CredentialData(FactorKind.PASSWORD)
        verdict = factor_of(FactorKind.PASSWORD).verify(data, {}, typed, keyed=vault.keyed, now=now)
        with transaction.atomic():
            # The same queries for unknown names, blocked users and wrong passwords, so that timing reveals nothing.
            asked = User.objects.select_related("organisation").filter(pk=asked.pk).first() or dummy_user()
            if isinstance(verdict, Accepted) and verdict.is_short and not data.public.get("short"):
                # The password was chosen before the vault recorded whether a password is short.
                vault.mark_short(had_before[0].id)
            decision = _decide_account_password(asked, version, question.door, now)
            if user is None or isinstance(verdict, Rejected):
                decision = Deny(DenyReason.WRONG_PROOF)
            if isinstance(decision, Deny) and decision.because in _LOOKS_LIKE_A_WRONG_PASSWORD:
                password_throttling.note_wrong(reserved, now=now)
                refused = _event_draft(question, decision, user, now, reserved=reserved)
                noted = _worth_an_event([refused], "password", now)
                record_all(noted or [refused] * reserved.has_just_become_a_device)
                return NO
            password_throttling.refund(reserved, now=now)
            if isinstance(verdict, Accepted) and verdict.renewed is not None and isinstance(decision, Allow):
                vault.renew(had_before[0].id, verdict.renewed)
            event_draft = _event_draft(question, decision, asked, now)
            if not isinstance(decision, Allow):
                record_all(_worth_an_event([event_draft], "password", now))
                return NO
            record_all([event_draft])
            vault.note_use([vault.Use(had_before[0].id, now, question.address, question.service)])
            return _yes(asked.mailbox_name, had_before[0].id)


def _decide_account_password(user: User, version: UUID | None, door: Door, now: datetime) -> Decision:
    """Decide on a password that was just verified, by the credentials and the account status as they are now."""
    holdings = vault.holdings(user, kinds=[FactorKind.PASSWORD, FactorKind.PHONE])
    account = account_of(user, holdings, now)
    # The hashed password must still be the current one: it may have been replaced during the slow hash.
    if [stored.id for stored in holdings if stored.data.kind is FactorKind.PASSWORD] != [version]:
        return Deny(DenyReason.WRONG_PROOF)
    return decide(Attempt(account, door, user.organisation.policy, proven=(Evidence(FactorKind.PASSWORD, now),)))


_LOOKS_LIKE_A_WRONG_PASSWORD = frozenset({DenyReason.BLOCKED, DenyReason.DELETED, DenyReason.WRONG_PROOF})
"""Denials that count as a wrong password even if it was right, so that throttling doesn't reveal that it was right."""


DELIVERING = frozenset({"", "lda", "lmtp"})
"""Services that look users up by mail address; all others do so by the mailbox name returned at sign-in. The two can
differ: one person's address can be the name of another person's mailbox."""


def find_mailbox(name: str, service: str = "") -> str | None:
    """Return the mailbox for this name; None where no user has it or the user is deleted.

    For mail delivery the name is an address; for other services it is a mailbox name, or else a sign-in name (as in
    ``doveadm -u``). Raises Unavailable where the database can't be read now.
    """
    with trying():
        user = None if service in DELIVERING else holder_of(name)
        if user is None:
            user = _people([name]).get(_key(name) or "")
    if user is None or user.deleted_at is not None or not can_be_name(user.mailbox_name):
        return None
    return user.mailbox_name


def find_ascii_address(address: str) -> str | None:
    """Return the ASCII form of a user's non-ASCII address, detail included; None for every other address.

    Both forms are the same address, not a mailbox: ``find_mailbox`` finds the same person by either. Raises Unavailable
    where the database can't be read now.
    """
    key = None if address.isascii() else _key(address)
    if key is None:
        return None
    with trying():
        people = _people([key, without_detail(key)])
    user = people.get(key) or people.get(without_detail(key))
    return ascii_name(key) if user is not None and user.deleted_at is None else None


_MAILBOX = Coalesce("mailbox", "sign_in_name")


def find_mailboxes(after: UUID | None) -> list[Mailbox]:
    """Return the next page of mailboxes, ordered by id: those after the one with this id, or the first page for None.

    An empty page ends the list. Raises Unavailable where the database can't be read now.
    """
    people = User.objects.filter(deleted_at=None)
    if after is not None:
        people = people.filter(pk__gt=after)
    with trying():
        return [Mailbox(pk, name) for pk, name in people.order_by("pk").values_list("pk", _MAILBOX)[:BATCH_SIZE]]


def _hit(question: AuthRequest, lookups: Sequence[bytes], found: Mapping[bytes, Found]) -> Found | None:
    for lookup in lookups:
        if lookup in found and _key(question.name) in found[lookup].names:
            return found[lookup]
    return None


def _evaluate(hit: Found | None, question: AuthRequest, now: datetime) -> Decision:
    if hit is None:
        return Deny(DenyReason.WRONG_PROOF)
    if hit.is_revoked:
        return Deny(DenyReason.APP_PASSWORD_REVOKED)
    if hit.is_suspended:
        return Deny(DenyReason.APP_PASSWORD_SUSPENDED)
    if hit.is_paused:
        return Deny(DenyReason.APP_PASSWORD_PAUSED)
    if hit.restrictions:
        match Restrictions.from_json(hit.restrictions).misfit(question.service, question.address, now):
            case Misfit.EXPIRED:
                return Deny(DenyReason.APP_PASSWORD_EXPIRED)
            case Misfit.PROGRAM | Misfit.NETWORK:
                return Deny(DenyReason.APP_PASSWORD_OUTSIDE_LIMITS)
    standing = AccountStatus.BLOCKED if hit.is_blocked else AccountStatus.ACTIVE
    return _decide(
        AccountStatus.DELETED if hit.is_deleted else standing, hit.mfa_state, question.door, are_allowed=hit.are_allowed
    )


@lru_cache(maxsize=256)
def _decide(standing: AccountStatus, state: str, door: Door, *, are_allowed: bool) -> Decision:
    # The decision is pure and depends on these arguments only (the time of the evidence is merely passed through): a
    # few dozen cases, each decided once and cached, for thousands of logins per second.
    return decide(
        Attempt(
            account=Account(standing=standing, state=MfaState(state), methods=frozenset({FactorKind.APP_PASSWORD})),
            door=door,
            policy=Policy(app_passwords_allowed=are_allowed),
            proven=(Evidence(FactorKind.APP_PASSWORD, datetime.min.replace(tzinfo=UTC)),),
        )
    )


_NOTIFIED = frozenset(
    {
        # The account password was right, and this door can't ask for a second factor.
        DenyReason.APP_PASSWORD_NEEDED,
        DenyReason.ACCOUNT_PASSWORD_CLOSED,
        DenyReason.APP_PASSWORD_REVOKED,
        DenyReason.APP_PASSWORD_OUTSIDE_LIMITS,
    }
)


def _event_draft(
    question: AuthRequest,
    decision: Decision,
    person: Named | None,
    now: datetime,
    *,
    hit: Found | None = None,
    reserved: Reserved | None = None,
) -> EventDraft:
    allowed = isinstance(decision, Allow)
    because = decision.because if isinstance(decision, Deny) else None
    details: dict[str, object] = {**repeat_details(reserved)}
    is_a_device = reserved is not None and reserved.is_a_device
    moved = False
    if hit is not None:
        details = {"app_password": hit.label}
        # Notify only of a changed address: an unchanged one is by far the most frequent case.
        moved = allowed and hit.last_used_address not in ("", question.address)
        if moved or because in _NOTIFIED:
            details["credential"] = str(hit.credential_id)
            details["before"] = hit.last_used_address
    return EventDraft(
        kind=EventKind.SIGN_IN_ALLOWED if allowed else EventKind.SIGN_IN_DENIED,
        at=now,
        subject=person,
        by=person if allowed else None,
        origin=Origin(address=question.address, door=question.door.value, service=question.service),
        reason=because or "",
        name=question.name,
        details=details,
        notify=moved or is_a_device or because in _NOTIFIED,
    )


def _worth_an_event(refused: Sequence[EventDraft], tried: str, now: datetime) -> list[EventDraft]:
    """Return the denials that are new in this hour; repeats are only counted: a flood must not fill the log.

    ``tried`` names the kind of password that was tried.
    """
    noted = repeats.note(
        [
            repeats.RepeatedDenial(
                name=_key(one.name) or one.name,
                source=source_of(one.origin.address),
                why=f"{tried}:{one.origin.service}:{one.reason}:{one.details.get('app_password', '')}",
            )
            for one in refused
        ],
        now=now,
    )
    return [
        replace(one, details={**one.details, **details})
        for one, details in zip(refused, noted, strict=True)
        if details is not None
    ]


def _people(names: Sequence[str]) -> dict[str, User]:
    if not (keys := {key for name in names if (key := _key(name)) is not None}):
        return {}
    rows = SignInName.objects.filter(key__in=keys).select_related("user__organisation")
    return {row.key: row.user for row in rows}


def _key(name: str) -> str | None:
    try:
        return name_key(with_domain(name, settings.WATCHWORD_DEFAULT_DOMAIN))
    except InvalidSignInName:
        return None


@contextmanager
def trying() -> Iterator[None]:
    """Raise Unavailable where the database can't be read or written inside the block."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        # The text of a database error can hold query parameters, so it isn't passed on.
        raise Unavailable(database_trouble(error)) from None
