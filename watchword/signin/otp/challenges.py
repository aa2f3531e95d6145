"""Codes that were sent: made once, sent once, tried a few times, spent by one conditional UPDATE."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import F, QuerySet

from watchword.audit import geoip
from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.audit.sealed_columns import SealedColumn
from watchword.core.factors import Challenge, RejectReason
from watchword.core.negative_result import NegativeResult
from watchword.core.policy import Channel, FactorKind
from watchword.directory.models import User
from watchword.factors import vault
from watchword.messaging import send
from watchword.messaging.gateway import Outgoing, Result
from watchword.messaging.limits.counters import LimitRule, Permitted, SendThrottled, reserve_send, telephone_of
from watchword.messaging.limits.daily_totals import note_entered
from watchword.messaging.models import Delivery
from watchword.messaging.worker import outbox
from watchword.signin.compromise_detection import note_not_sent
from watchword.signin.models import CodeChallenge, Purpose, Session, SignInAttempt
from watchword.signin.tokens import RANDOM_SOURCE

type Holder = SignInAttempt | Session
"""What a code belongs to: a sign-in attempt, or a session that adds a method."""

_SEAL = "signin.challenge"
SEALED = SealedColumn(
    words="codes on their way",
    model=CodeChallenge,
    field="stored",
    purpose=_SEAL,
    void=lambda rows, now: rows.filter(void_at=None).update(void_at=now),
    rows=CodeChallenge.objects.all,
)
_MOST_EARLIER = 10
_MOST_DEAD = 20
READ_FOR = timedelta(hours=1)
"""How long a dead code is still recognised by its keyed hash: typing it shows that the person reads the messages."""
LATE = timedelta(seconds=20)
"""A text without a known arrival after this time is late, and the page offers a call."""


@dataclass(frozen=True, slots=True)
class CodeSent:
    """A code that leaves once the transaction commits; ``on_the_way`` reports the state of its delivery."""

    channel: Channel
    ends: str
    next_send_at: datetime | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class CodeDenied(NegativeResult):
    """No code was sent. ``until`` is when one may be; None: not in this attempt, or never by this channel."""

    until: datetime | None
    reason: LimitRule | RejectReason
    country: str = ""
    """The ISO 3166-1 code of the country, where a country is the reason."""


@dataclass(frozen=True, slots=True)
class CodeOnTheWay:
    """The newest code of an attempt or session, as the page needs it."""

    kind: FactorKind
    channel: Channel
    ends: str
    credential_id: UUID | None
    result: Result
    next_send_at: datetime
    tries_left: int
    match: str = ""
    """The two digits to be keyed in the call; empty where a code is typed."""
    is_approved: bool = False
    is_late: bool = False
    """Whether the code should have arrived by now, so that the page offers another channel."""


def issue(
    user: User,
    challenge: Challenge,
    *,
    purpose: Purpose,
    holder: Holder,
    kind: FactorKind,
    credential_id: UUID | None,
    origin: Origin,
    now: datetime,
) -> CodeSent | CodeDenied:
    """Store a code that may be sent now, and its message, which leaves when the caller's transaction commits.

    The caller holds the lock on the person's row.
    """
    assert challenge.send is not None
    limits = user.organisation.policy.limits
    message = challenge.send
    if message.channel not in send.channels_carried():
        # No gateway serves this channel: an error at once is better than a delivery that always fails.
        note_not_sent(user, RejectReason.NOT_CARRIED, is_new=purpose == Purpose.REGISTER, origin=origin, now=now)
        return CodeDenied(None, RejectReason.NOT_CARRIED)
    telephone = telephone_of(message.number, message.extension)
    sends = sends_of(holder, purpose, now)
    is_new = purpose == Purpose.REGISTER
    verdict = reserve_send(user, telephone, message.channel, sends_in_attempt=sends, is_new=is_new, now=now)
    if isinstance(verdict, SendThrottled):
        note_not_sent(user, verdict.rule, is_new=is_new, origin=origin, now=now)
        return CodeDenied(verdict.until, verdict.rule, verdict.details.get("country", ""))
    assert isinstance(verdict, Permitted)
    void(_alive(user, purpose), now=now)
    match = _two_digits(user, message.channel, purpose)
    delivery = send.new_delivery(user, telephone, message.channel, purpose, now=now)
    CodeChallenge.objects.create(
        user=user,
        attempt=holder if isinstance(holder, SignInAttempt) else None,
        session=holder if isinstance(holder, Session) else None,
        purpose=purpose,
        kind=kind,
        credential_id=credential_id,
        stored=vault.key_ring().seal(_SEAL, json.dumps(dict(challenge.keep)).encode()),
        channel=message.channel,
        ends=message.number[-2:],
        created_at=now,
        expires_at=now + timedelta(seconds=limits.code_seconds),
        match=match,
        delivery=delivery,
    )
    details = {"channel": message.channel.value, "ends": message.number[-2:], "purpose": str(purpose)}
    record(EventKind.CODE_SENT, now=now, subject=user, origin=origin, details=details)
    outgoing = Outgoing(
        delivery_id=delivery.id,
        channel=message.channel,
        number=message.number,
        extension=message.extension,
        code=message.code,
        organisation=user.organisation.name,
        host=urlsplit(settings.WATCHWORD_PUBLIC_URL).hostname or "",
        language=user.language or user.organisation.language,
        purpose=str(purpose),
        place=geoip.country_of(origin.address),
        match=match,
        not_after=now + timedelta(seconds=limits.code_seconds),
    )
    send.enqueue(outgoing, now=now)
    return CodeSent(
        channel=outgoing.channel,
        ends=outgoing.number[-2:],
        next_send_at=now + timedelta(seconds=limits.resend_seconds),
        expires_at=now + timedelta(seconds=limits.code_seconds),
    )


def newest(holder: Holder, purpose: Purpose) -> CodeChallenge | None:
    """Return the newest code of an attempt or session, in whatever state it is."""
    return _of(holder, purpose).select_related("delivery").order_by("-created_at").first()


def on_the_way(holder: Holder, purpose: Purpose, *, now: datetime) -> CodeOnTheWay | None:
    """Return the newest code as the page needs it; None where none was sent or it was spent.

    An attempt of an unknown name runs the same query, so that it takes as long as one of a known person.
    """
    return _as_shown(newest(holder, purpose), holder, now)


def sent_by(attempt: SignInAttempt, purpose: Purpose, *, now: datetime) -> tuple[CodeOnTheWay | None, bool]:
    """Return the newest code of an attempt as ``on_the_way`` does, and whether the attempt may send another one."""
    rows = list(_of(attempt, purpose).select_related("delivery").order_by("-created_at"))
    most = attempt.user.organisation.policy.limits.sends_each_attempt if attempt.user is not None else 0
    return _as_shown(next(iter(rows), None), attempt, now), len(rows) < most


def _as_shown(row: CodeChallenge | None, holder: Holder, now: datetime) -> CodeOnTheWay | None:
    if row is None or row.spent_at is not None or holder.user is None:
        return None
    limits = holder.user.organisation.policy.limits
    is_dead = row.void_at is not None or row.expires_at <= now
    result = Result(row.delivery.result) if row.delivery is not None else Result.FAILED
    pause = timedelta(0) if result.is_trouble else timedelta(seconds=limits.resend_seconds)
    return CodeOnTheWay(
        kind=FactorKind(row.kind),
        channel=Channel(row.channel),
        ends=row.ends,
        credential_id=row.credential_id,
        result=result,
        next_send_at=row.created_at + pause,
        tries_left=0 if is_dead else max(limits.code_tries - row.tries, 0),
        match=row.match,
        is_approved=row.approved_at is not None,
        # Not before another code may be requested: an offered channel must work.
        is_late=result in {Result.WAITING, Result.SENT} and now - row.created_at >= max(LATE, pause),
    )


def reserve_try(row: CodeChallenge, tries: int, *, now: datetime) -> bool:
    """Use one of the tries of a valid code; return False if it is no longer valid or has no tries left."""
    alive = CodeChallenge.objects.filter(pk=row.pk, spent_at=None, void_at=None, expires_at__gt=now, tries__lt=tries)
    return alive.update(tries=F("tries") + 1) == 1


def spend(row: CodeChallenge, *, now: datetime) -> bool:
    """Spend a code; return True to exactly one caller, and False to every other."""
    is_first = CodeChallenge.objects.filter(pk=row.pk, spent_at=None, void_at=None).update(spent_at=now) == 1
    if is_first and row.delivery_id is not None:
        note_entered(row.delivery_id, now=now)
    return is_first


def is_alive(row: CodeChallenge, now: datetime) -> bool:
    """Return whether a code is neither spent nor void nor expired."""
    return row.spent_at is None and row.void_at is None and row.expires_at > now


def approve(delivery_id: UUID, *, now: datetime) -> bool:
    """Approve a code after its two digits were keyed on the phone; the browser that shows them may go on, once."""
    alive = CodeChallenge.objects.filter(delivery_id=delivery_id, spent_at=None, void_at=None, expires_at__gt=now)
    return alive.exclude(match="").filter(approved_at=None).update(approved_at=now) == 1


def state_of(row: CodeChallenge) -> Mapping[str, str]:
    """Return the state that the factor stored with a code."""
    opened: dict[str, str] = json.loads(vault.key_ring().open(_SEAL, bytes(row.stored)))
    return opened


def void(codes: QuerySet[CodeChallenge], *, now: datetime) -> None:
    """Void codes, and withdraw their messages from the outbox where they still wait for a gateway."""
    found = dict(codes.values_list("pk", "delivery_id"))
    if not found:
        return
    waiting = Delivery.objects.filter(pk__in=found.values(), result=Result.WAITING)
    if connection.features.has_select_for_update_skip_locked:
        # A delivery that the dispatcher is updating now has left the outbox anyway; skipping it, neither waits for the
        # other.
        waiting = waiting.select_for_update(of=("self",), skip_locked=True)
    withdrawn = [delivery.pk for delivery in waiting]
    codes.filter(pk__in=found).update(void_at=now)
    if withdrawn:
        outbox.withdraw(withdrawn)


def void_all(user: User, *, now: datetime) -> None:
    """Void every code of a person."""
    void(CodeChallenge.objects.filter(user=user, spent_at=None, void_at=None), now=now)


def owner_of(delivery_id: UUID) -> User | None:
    """Return the person whose code a delivery contained, in whatever state the code is."""
    row = CodeChallenge.objects.filter(delivery_id=delivery_id).select_related("user__organisation").first()
    return row.user if row is not None else None


def void_by_delivery(delivery_id: UUID, *, now: datetime) -> User | None:
    """Void the code of one delivery and return its person; None if it was dead already."""
    row = CodeChallenge.objects.filter(delivery_id=delivery_id).select_related("user__organisation").first()
    if row is None or not CodeChallenge.objects.filter(pk=row.pk, void_at=None, spent_at=None).update(void_at=now):
        return None
    return row.user


def dead_ones(user: User, purpose: Purpose, *, now: datetime) -> list[CodeChallenge]:
    """Return the expired, unspent codes of the last hour, of all the person's sign-ins.

    A text that arrives after its sign-in ended still proves, when its code is typed, that the person reads the
    messages.
    """
    rows = CodeChallenge.objects.filter(user=user, purpose=purpose, match="", spent_at=None, expires_at__lte=now)
    return list(rows.filter(created_at__gt=now - READ_FOR).order_by("-created_at")[:_MOST_DEAD])


def earlier_ones(row: CodeChallenge, now: datetime) -> list[CodeChallenge]:
    """Return the codes that the same attempt or session sent for the same purpose before its newest one."""
    holder = row.attempt if row.attempt is not None else row.session
    assert holder is not None
    lifetime = timedelta(seconds=row.user.organisation.policy.limits.attempt_seconds)
    rows = _of(holder, Purpose(row.purpose)).exclude(pk=row.pk).filter(match="", created_at__gt=now - lifetime)
    return list(rows.order_by("-created_at")[:_MOST_EARLIER])


def sends_of(holder: Holder, purpose: Purpose, now: datetime) -> int:
    """Return how many codes an attempt has sent, or a session for this purpose within the lifetime of an attempt."""
    rows = _of(holder, purpose)
    if isinstance(holder, Session):
        lifetime = timedelta(seconds=holder.user.organisation.policy.limits.attempt_seconds)
        rows = rows.filter(created_at__gt=now - lifetime)
    return rows.count()


def is_spent(holder: Holder, purpose: Purpose, *, now: datetime) -> bool:
    """Return whether an attempt or session has sent as many codes as it may, so that no channel is worth offering."""
    if holder.user is None:
        return True
    return sends_of(holder, purpose, now) >= holder.user.organisation.policy.limits.sends_each_attempt


def _of(holder: Holder, purpose: Purpose) -> QuerySet[CodeChallenge]:
    whose = {"attempt": holder} if isinstance(holder, SignInAttempt) else {"session": holder}
    return CodeChallenge.objects.filter(purpose=purpose, **whose)


def _alive(user: User, purpose: Purpose) -> QuerySet[CodeChallenge]:
    return CodeChallenge.objects.filter(user=user, purpose=purpose, spent_at=None, void_at=None)


def _two_digits(user: User, channel: Channel, purpose: Purpose) -> str:
    """Return the digits that the browser shows, where the organisation wants this in calls; never for a new phone."""
    if channel is not Channel.VOICE or purpose == Purpose.REGISTER or not user.organisation.policy.number_match:
        return ""
    return str(10 + RANDOM_SOURCE.below(90))
