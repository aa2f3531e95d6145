"""How much may be sent: to one person, to one number, to how many people at one number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from watchword.core.policy import Limits
from watchword.delivery.models import Delivery
from watchword.directory.models import User

DAY = timedelta(days=1)
QUARTER = timedelta(minutes=15)


class Rule(StrEnum):
    """Which limit decided; the administrator reads it, the person hears only when to try again."""

    ATTEMPT = "sends_each_attempt"
    PAUSE = "resend_seconds"
    QUARTER_HOUR = "sends_each_quarter_hour"
    DAY = "sends_each_day"
    NUMBER_DAY = "sends_each_number_and_day"
    NUMBER_PEOPLE = "people_each_number_and_day"


@dataclass(frozen=True, slots=True)
class Free:
    """One more may be sent now."""


@dataclass(frozen=True, slots=True)
class NotBefore:
    """One more may be sent at that time, or never in this attempt where ``until`` is None."""

    until: datetime | None
    rule: Rule


def may_send(
    user: User, number_key: bytes, *, sends_in_attempt: int, limits: Limits, now: datetime
) -> Free | NotBefore:
    """Judge one more code to one number. The caller holds the lock on the person's row."""
    if sends_in_attempt >= limits.sends_each_attempt:
        return NotBefore(None, Rule.ATTEMPT)
    mine = list(
        Delivery.objects.filter(user=user, created_at__gt=now - DAY)
        .order_by("-created_at")
        .values_list("created_at", flat=True)[: limits.sends_each_day]
    )
    lately = [at for at in mine if now - at < QUARTER]
    if len(mine) >= limits.sends_each_day:
        return NotBefore(mine[limits.sends_each_day - 1] + DAY, Rule.DAY)
    if len(lately) >= limits.sends_each_quarter_hour:
        return NotBefore(lately[limits.sends_each_quarter_hour - 1] + QUARTER, Rule.QUARTER_HOUR)
    pause = timedelta(seconds=limits.resend_seconds)
    if sends_in_attempt and mine and now - mine[0] < pause:
        return NotBefore(mine[0] + pause, Rule.PAUSE)
    return _number_may_get(user, number_key, limits, now)


def _number_may_get(user: User, number_key: bytes, limits: Limits, now: datetime) -> Free | NotBefore:
    to_number = list(
        Delivery.objects.filter(number_key=number_key, created_at__gt=now - DAY)
        .order_by("-created_at")
        .values_list("created_at", "user_id")
    )
    if len(to_number) >= limits.sends_each_number_and_day:
        return NotBefore(to_number[limits.sends_each_number_and_day - 1][0] + DAY, Rule.NUMBER_DAY)
    others = {user_id for _at, user_id in to_number} - {user.id}
    if len(others) >= limits.people_each_number_and_day:
        return NotBefore(to_number[-1][0] + DAY, Rule.NUMBER_PEOPLE)
    return Free()
