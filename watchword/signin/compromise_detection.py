"""What codes that nobody types, or that may not be sent, say about whoever asks for them."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Count

from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.audit.record import Origin, record
from watchword.core.factors import RejectReason
from watchword.directory.models import User
from watchword.factors import vault
from watchword.messaging.gateway import Result
from watchword.messaging.limits import pumping
from watchword.messaging.limits.counters import REFUSALS_EACH_HOUR, Rule
from watchword.messaging.models import Delivery
from watchword.signin.models import Purpose

_TYPED_SHARE = 0.5
"""Of the codes to other people's proven numbers in the same hour, where no receipt says that anything arrived."""
_TYPED_OF = 5
"""Of fewer codes nothing can be said."""
_LOOKED_THROUGH = 100
"""Newest events of a person among which refusals are counted."""


def note_not_sent(user: User, rule: Rule | RejectReason, *, is_new: bool, origin: Origin, now: datetime) -> None:
    """A code was asked for and may not leave: remembered, but whoever goes on asking does not fill the log by it."""
    if rule in {Rule.DAY, Rule.NUMBER_DAY} and not is_new:
        suspect_password(user, origin=origin, now=now)
    events = Event.objects.filter(subject_id=user.pk).order_by("-id").values_list("kind", "at")[:_LOOKED_THROUGH]
    lately = sum(kind == EventKind.CODE_NOT_SENT and now - at < timedelta(hours=1) for kind, at in events)
    if lately < REFUSALS_EACH_HOUR:
        record(EventKind.CODE_NOT_SENT, now=now, subject=user, origin=origin, reason=rule)


def suspect_password(user: User, *, origin: Origin, now: datetime) -> None:
    """A day's codes were sent and none was typed: whoever asked knows the password and does not hold the phone.

    Only codes that arrived while they lived count, and only this person's: neither a carrier that is down or late nor a
    stranger who plays with the number makes anybody choose a new password. Where a carrier reports nothing, a text is
    taken for arrived if other people of the organisation typed theirs at about that time.
    """
    limits = user.organisation.policy.limits
    day = Delivery.objects.filter(user=user, purpose=Purpose.SIGN_IN, created_at__gt=now - timedelta(days=1))
    rows = list(day)
    if any(row.entered_at or row.typed_late_at for row in rows):
        return
    enough = min(limits.sends_each_day, limits.sends_each_number_and_day)
    if sum(row.result == Result.SENT or Result(row.result).has_arrived for row in rows) < enough:
        return
    lives = timedelta(seconds=limits.code_seconds)
    if sum(_arrived(row, lives, now) for row in rows) >= enough and vault.mark_known(user):
        record(EventKind.PASSWORD_MARKED_KNOWN, now=now, subject=user, origin=origin)


def _arrived(row: Delivery, lives: timedelta, now: datetime) -> bool:
    """Whether a code reached its telephone while it lived, as far as that can be known."""
    if row.result != Result.SENT:
        return pumping.had_its_time(row, lives)
    if row.gateway in pumping.gateways_with_receipts(row.organisation_id, row.country, now):
        return False
    half_an_hour = timedelta(minutes=30)
    others = Delivery.objects.filter(
        organisation=row.organisation_id,
        purpose=Purpose.SIGN_IN,
        created_at__gt=row.created_at - half_an_hour,
        created_at__lt=row.created_at + half_an_hour,
    ).exclude(user=row.user_id)
    counted = others.aggregate(sent=Count("pk"), typed=Count("entered_at"))
    return bool(counted["sent"] >= _TYPED_OF and counted["typed"] >= counted["sent"] * _TYPED_SHARE)
