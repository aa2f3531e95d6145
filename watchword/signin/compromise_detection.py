"""Compromise detection: what unused or refused codes reveal about the person who requests them."""

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
from watchword.messaging.limits.counters import REFUSALS_EACH_HOUR, LimitRule
from watchword.messaging.models import Delivery
from watchword.signin.models import Purpose

_TYPED_SHARE = 0.5
"""The share of codes to other people that must have been typed within the same hour, so that a code without a delivery
receipt counts as arrived."""
_TYPED_OF = 5
"""The smallest number of codes from which that share is computed."""
_LOOKED_THROUGH = 100
"""How many of the person's newest events are searched for refusals."""


def note_not_sent(user: User, rule: LimitRule | RejectReason, *, is_new: bool, origin: Origin, now: datetime) -> None:
    """Record that a requested code may not be sent, a limited number of times per hour, so that the log can't fill."""
    if rule in {LimitRule.DAY, LimitRule.NUMBER_DAY} and not is_new:
        suspect_password(user, origin=origin, now=now)
    events = Event.objects.filter(subject_id=user.pk).order_by("-id").values_list("kind", "at")[:_LOOKED_THROUGH]
    lately = sum(kind == EventKind.CODE_NOT_SENT and now - at < timedelta(hours=1) for kind, at in events)
    if lately < REFUSALS_EACH_HOUR:
        record(EventKind.CODE_NOT_SENT, now=now, subject=user, origin=origin, reason=rule)


def suspect_password(user: User, *, origin: Origin, now: datetime) -> None:
    """Mark the password as known to an attacker after a day of codes that were sent and never typed.

    A person who requests so many codes knows the password and doesn't have the phone. Only codes that arrived while
    they were valid count, and only this person's: neither a gateway that is down or late, nor a stranger who misuses
    the number, forces a new password on anyone. Where a gateway reports nothing, a text counts as arrived if other
    people of the organisation typed theirs at about that time.
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
    """Return whether a code reached its phone while it was valid, as far as that can be known."""
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
