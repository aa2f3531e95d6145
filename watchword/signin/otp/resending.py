"""Resends the code for a new phone, by the same or the other channel, without the number being typed again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from watchword.audit.record import Origin
from watchword.core.factors import Rejected, RejectReason
from watchword.core.policy import Channel, FactorKind
from watchword.factors.phone.factor import Slot
from watchword.messaging.limits.rules import LimitRule
from watchword.signin import enrolment
from watchword.signin.models import Purpose
from watchword.signin.otp import challenges
from watchword.signin.otp.challenges import CodeDenied, CodeSent, Holder


def channels_again(subject: Holder, *, now: datetime) -> list[Channel]:
    """Return the channels by which the phone being added can get another code; empty if it can't now."""
    stored = _stored(subject)
    if stored is None or subject.user is None or challenges.is_spent(subject, Purpose.REGISTER, now=now):
        return []
    takes_texts = bool(stored["texts"]) and stored["slot"] != Slot.OFFICE
    return [
        channel
        for channel in Channel
        if channel in subject.user.organisation.policy.channels and (channel is Channel.VOICE or takes_texts)
    ]


def send_again(subject: Holder, channel: str, *, origin: Origin, now: datetime) -> CodeSent | CodeDenied | Rejected:
    """Send another code to the phone being added; raise ReauthenticationRequired as ``enrolment.start`` does."""
    stored = _stored(subject)
    if challenges.is_spent(subject, Purpose.REGISTER, now=now):
        return CodeDenied(None, LimitRule.ATTEMPT)
    if stored is None or channel not in channels_again(subject, now=now):
        return Rejected(RejectReason.CHANNEL_NOT_ALLOWED)
    options = {**{name: stored[name] for name in ("slot", "number", "extension", "country")}, "channel": channel}
    return enrolment.start(subject, FactorKind.PHONE, options, origin=origin, now=now)


def _stored(subject: Holder) -> Mapping[str, str] | None:
    row = challenges.newest(subject, Purpose.REGISTER)
    if row is None or row.spent_at is not None or row.kind != FactorKind.PHONE:
        return None
    return challenges.state_of(row)
