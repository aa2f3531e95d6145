"""What codes that nobody types, or that may not be sent, say about whoever asks for them."""

from __future__ import annotations

from datetime import datetime, timedelta

from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.audit.record import Origin, record
from watchword.core.factors import Reason
from watchword.delivery.budget import REFUSALS_EACH_HOUR, Rule
from watchword.delivery.channel import Result
from watchword.delivery.models import Delivery
from watchword.directory.models import User
from watchword.factors import vault
from watchword.signin.models import Purpose

_TAKEN = frozenset(result for result in Result if result is Result.SENT or result.has_arrived)

_LOOKED_THROUGH = 100
"""Newest events of a person among which refusals are counted."""


def note_not_sent(user: User, rule: Rule | Reason, *, is_new: bool, origin: Origin, now: datetime) -> None:
    """A code was asked for and may not leave: remembered, but whoever goes on asking does not fill the log by it."""
    if rule in {Rule.DAY, Rule.NUMBER_DAY} and not is_new:
        suspect_password(user, origin=origin, now=now)
    events = Event.objects.filter(subject_id=user.pk).order_by("-id").values_list("kind", "at")[:_LOOKED_THROUGH]
    lately = sum(kind == EventKind.CODE_NOT_SENT and now - at < timedelta(hours=1) for kind, at in events)
    if lately < REFUSALS_EACH_HOUR:
        record(EventKind.CODE_NOT_SENT, now=now, subject=user, origin=origin, reason=rule)


def suspect_password(user: User, *, origin: Origin, now: datetime) -> None:
    """A day's codes were sent and none was typed: whoever asked knows the password and does not hold the phone.

    Only codes that a carrier took count, and only this person's: neither a carrier that is down nor a stranger who
    plays with the number makes anybody choose a new password.
    """
    limits = user.organisation.policy.limits
    day = Delivery.objects.filter(user=user, purpose=Purpose.SIGN_IN, created_at__gt=now - timedelta(days=1))
    rows = list(day.values_list("result", "entered_at"))
    taken = sum(Result(result) in _TAKEN for result, _entered_at in rows)
    if any(entered_at for _result, entered_at in rows):
        return
    if taken < min(limits.sends_each_day, limits.sends_each_number_and_day):
        return
    if vault.mark_known(user):
        record(EventKind.PASSWORD_MARKED_KNOWN, now=now, subject=user, origin=origin)
