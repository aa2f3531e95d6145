"""Sends the code for a new telephone once more, or by the other way, without its number being typed again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from watchword.audit.record import Origin
from watchword.core.factors import Reason, Rejected
from watchword.core.policy import FactorKind, Way
from watchword.factors.phone.factor import Slot
from watchword.messaging.limits.rules import Rule
from watchword.signin import enrolment
from watchword.signin.models import Purpose
from watchword.signin.otp import challenges
from watchword.signin.otp.challenges import CodeSent, Holder, NotSent


def ways_again(subject: Holder, *, now: datetime) -> list[Way]:
    """Return the ways by which the telephone that is being added can get another code; none if it can't now."""
    kept = _kept(subject)
    if kept is None or subject.user is None or challenges.is_spent(subject, Purpose.REGISTER, now=now):
        return []
    takes_texts = bool(kept["texts"]) and kept["slot"] != Slot.OFFICE
    return [way for way in Way if way in subject.user.organisation.policy.ways and (way is Way.CALL or takes_texts)]


def send_again(subject: Holder, way: str, *, origin: Origin, now: datetime) -> CodeSent | NotSent | Rejected:
    """Send another code to the telephone that is being added; raises ProofNeeded as ``enrolment.start`` does."""
    kept = _kept(subject)
    if challenges.is_spent(subject, Purpose.REGISTER, now=now):
        return NotSent(None, Rule.ATTEMPT)
    if kept is None or way not in ways_again(subject, now=now):
        return Rejected(Reason.WAY_NOT_ALLOWED)
    wish = {**{name: kept[name] for name in ("slot", "number", "extension", "country")}, "way": way}
    return enrolment.start(subject, FactorKind.PHONE, wish, origin=origin, now=now)


def _kept(subject: Holder) -> Mapping[str, str] | None:
    row = challenges.newest(subject, Purpose.REGISTER)
    if row is None or row.spent_at is not None or row.kind != FactorKind.PHONE:
        return None
    return challenges.kept_of(row)
