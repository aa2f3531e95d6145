"""Checks typed codes: every try is counted, and a right code is spent."""

from __future__ import annotations

from datetime import datetime

from django.db.models import F, Sum

from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.codes import normal_code
from watchword.core.factors import Accepted, CredentialData, Rejected, RejectReason
from watchword.core.policy import Channel, FactorKind
from watchword.directory.models import User
from watchword.factors import vault
from watchword.factors.registry import factor_of
from watchword.messaging.limits.daily_totals import note_typed_late
from watchword.signin import throttling
from watchword.signin.models import CodeChallenge, Purpose, SignInAttempt
from watchword.signin.otp import challenges
from watchword.signin.results import SignInDenied


def check_code(
    user: User, holder: challenges.Holder, purpose: Purpose, typed: str, *, origin: Origin, now: datetime
) -> Accepted | SignInDenied:
    """Check a typed code against the newest code of an attempt; count a wrong one, spend a right one.

    The caller holds the lock on the person's row and has checked that the second factor may be tried.
    """
    row = challenges.newest(holder, purpose)
    if row is not None and row.match and row.approved_at is None and challenges.is_alive(row, now):
        return SignInDenied(RejectReason.NOT_APPROVED_YET)
    if (row is None or not row.match) and normal_code(typed) is None:
        # Five digits are a typing error, not a guess: nothing is counted, and no notice is sent.
        return SignInDenied(RejectReason.NOT_SHAPED)
    verdict = _look_at(row, typed, now)
    credential_gone = row is not None and row.credential_id and vault.find(user, row.credential_id) is None
    tries = user.organisation.policy.limits.code_tries
    is_dead = row is None or credential_gone or not challenges.is_alive(row, now) or row.tries >= tries
    if is_dead or not verdict:
        was = _what_it_was(user, row, verdict, purpose, typed, now)
        if was is not None:
            # A person who has read a code that was sent isn't guessing; the code still opens nothing.
            return SignInDenied(why_dead(row, now) if is_dead and was is RejectReason.EARLIER_CODE else was)
    if row is None or is_dead or not challenges.reserve_try(row, tries, now=now):
        return _count_wrong(user, holder, purpose, why_dead(row, now), origin=origin, now=now)
    if isinstance(verdict, Rejected):
        return _count_wrong(user, holder, purpose, verdict.reason, origin=origin, now=now)
    if not challenges.spend(row, now=now):
        return _count_wrong(user, holder, purpose, RejectReason.USED, origin=origin, now=now)
    if purpose != Purpose.REGISTER:
        # A phone that was registered a moment ago says nothing about who typed the wrong codes.
        throttling.note_right_code(user, now=now)
    if row.credential_id is not None:
        vault.note_use([vault.Use(row.credential_id, now, origin.address)])
    record(
        EventKind.CODE_ACCEPTED,
        now=now,
        subject=user,
        by=user,
        origin=origin,
        details={"purpose": str(purpose), "challenge": str(row.pk)},
    )
    return verdict


def why_dead(row: CodeChallenge | None, now: datetime) -> RejectReason:
    """Return why a code can no longer be used."""
    if row is None or row.void_at is not None:
        return RejectReason.EXPIRED
    if row.spent_at is not None:
        return RejectReason.USED
    return RejectReason.EXPIRED if row.expires_at <= now else RejectReason.TOO_MANY_TRIES


def _look_at(row: CodeChallenge | None, typed: str, now: datetime) -> Accepted | Rejected:
    """Compare the typed code with this one, whether it is still valid or not; change and record nothing."""
    if row is None:
        return Rejected(RejectReason.WRONG)
    if row.match:
        # No code was spoken that could be typed: the digits had to be keyed on the phone.
        return Accepted(channel=Channel(row.channel))
    factor = factor_of(FactorKind(row.kind))
    data, state = CredentialData(FactorKind(row.kind)), challenges.state_of(row)
    return vault.first_accepted(lambda keyed: factor.verify(data, state, typed, keyed=keyed, now=now))


def _what_it_was(
    user: User,
    row: CodeChallenge | None,
    verdict: Accepted | Rejected,
    purpose: Purpose,
    typed: str,
    now: datetime,
) -> RejectReason | None:
    """Return which invalid but once sent code was typed; None where the typed code was never sent.

    It can be the newest of this attempt, which is dead; an earlier one of this attempt; or one of another sign-in
    within the last hour, whose text arrived after that sign-in was over. Such a code is recorded as read: a gateway
    that delivers late is no attack.
    """
    if row is not None and isinstance(verdict, Accepted) and not row.match:
        _note_read(row, now)
        is_late = row.expires_at <= now and row.void_at is None and row.spent_at is None
        return RejectReason.TOO_LATE if is_late else why_dead(row, now)
    earlier = challenges.earlier_ones(row, now) if row is not None else []
    for one in earlier:
        if _look_at(one, typed, now):
            _note_read(one, now)
            return RejectReason.EARLIER_CODE
    seen = {one.pk for one in earlier}
    for one in challenges.dead_ones(user, purpose, now=now):
        if one.pk not in seen and _look_at(one, typed, now):
            _note_read(one, now)
            return RejectReason.TOO_LATE
    return None


def _note_read(row: CodeChallenge, now: datetime) -> None:
    if row.delivery_id is not None and row.spent_at is None:
        note_typed_late(row.delivery_id, now=now)


def _count_wrong(
    user: User, holder: challenges.Holder, purpose: Purpose, reason: RejectReason, *, origin: Origin, now: datetime
) -> SignInDenied:
    """Count a wrong code for its person and for its attempt; the notification rules use the attempt's count."""
    lock = throttling.count_wrong_code(user, origin=origin, now=now)
    details: dict[str, object] = {"purpose": str(purpose), "sign_in": str(holder.sign_in_id)}
    if isinstance(holder, SignInAttempt) and purpose == holder.purpose:
        SignInAttempt.objects.filter(pk=holder.pk).update(wrong_codes=F("wrong_codes") + 1)
        # Sum over all the person's open sign-ins: one wrong code in each of many sign-ins must not go unnoticed.
        open_ones = SignInAttempt.objects.filter(user=user, ended_at=None)
        wrong = open_ones.aggregate(number=Sum("wrong_codes"))["number"]
        details |= {"wrong": wrong, "attempt": str(holder.pk)}
    record(EventKind.CODE_REJECTED, now=now, subject=user, origin=origin, reason=reason, details=details)
    return SignInDenied(reason, throttling.closed_until(lock))
