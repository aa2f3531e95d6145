"""A month of codes for the sample's people, as content for *Phone delivery*."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from watchword.core.policy import Channel, Limits
from watchword.directory.models import User
from watchword.messaging.config_file import SIMULATOR
from watchword.messaging.gateway import Result
from watchword.messaging.limits import counters, rules
from watchword.messaging.models import DailyTotal, Delivery

SEED = 1881
DAYS = 30
_WEEKEND = 5
_RESTS = 0.8
"""The share of weekend sign-ins that are moved to Monday."""
_FAILURES = {
    Channel.SMS: ((Result.DELIVERED, 95), (Result.SENT, 3), (Result.UNREACHABLE, 2)),
    Channel.VOICE: ((Result.DELIVERED, 88), (Result.NO_ANSWER, 7), (Result.BUSY, 3), (Result.HUNG_UP, 2)),
}
"""The percentage of each result."""
_GIVEN_UP = 0.04
"""The share of codes that arrived but were never typed."""
_REFUSED = ("+442079460958", "+499001234567", "+33639980123", "+881612345678")
"""Numbers to which no codes are sent: another country (numbers reserved for fiction), premium rate, satellite."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A person with a telephone."""

    user: User
    number: str = field(repr=False)
    channel: Channel
    since: datetime


def make(holders: Sequence[Holder], curious: Sequence[User], *, now: datetime) -> None:
    """Create the deliveries of a month, and refusals by the rate limits for people who try forbidden numbers."""
    random_source = random.Random(SEED)  # noqa: S311  (believable numbers, nothing secret)
    rows = [row for holder in holders for row in _codes(holder, random_source, now)]
    Delivery.objects.bulk_create(rows)
    _add_up(rows)
    for user in curious:
        _refuse(user, random_source, now)


def _codes(holder: Holder, random_source: random.Random, now: datetime) -> Iterator[Delivery]:
    """Yield the delivery of the code that proved the telephone, and those of later sign-ins."""
    telephone = counters.telephone_of(holder.number)
    at, purpose = holder.since, "register"
    while at < now - timedelta(minutes=10):
        if at > now - timedelta(days=DAYS):
            results, weights = zip(*_FAILURES[holder.channel], strict=True)
            result = Result.DELIVERED if purpose == "register" else random_source.choices(results, weights)[0]
            is_typed = not result.is_trouble and (purpose == "register" or random_source.random() > _GIVEN_UP)
            yield Delivery(
                organisation_id=holder.user.organisation_id,
                user=holder.user,
                channel=holder.channel,
                purpose=purpose,
                gateway=SIMULATOR,
                result=result,
                created_at=at,
                changed_at=at + timedelta(seconds=random_source.randrange(2, 9)),
                entered_at=at + timedelta(seconds=random_source.randrange(11, 50)) if is_typed else None,
                **telephone.row(),
            )
        purpose = "sign_in"
        at = _next_working_hour(at + timedelta(hours=random_source.randrange(20, 120)), random_source)


def _next_working_hour(at: datetime, random_source: random.Random) -> datetime:
    at = at.replace(hour=min(18, int(random_source.triangular(6, 19, 8))), minute=random_source.randrange(60))
    return at + timedelta(days=7 - at.weekday()) if at.weekday() >= _WEEKEND and random_source.random() < _RESTS else at


def _add_up(rows: Sequence[Delivery]) -> None:
    counted: dict[tuple[object, ...], Counter[str]] = {}
    for row in rows:
        result = Result(row.result)
        key = (
            row.organisation_id,
            row.created_at.astimezone(UTC).date(),
            row.country,
            row.channel,
            row.purpose == "register",
        )
        is_typed = row.entered_at is not None
        counted.setdefault(key, Counter()).update(
            asked=1, sent=1, arrived=result.has_arrived or is_typed, entered=is_typed
        )
    names = ("organisation_id", "day", "country", "channel", "is_new")
    DailyTotal.objects.bulk_create(
        [DailyTotal(**dict(zip(names, key, strict=True)), **sums) for key, sums in counted.items()]
    )


def _refuse(user: User, random_source: random.Random, now: datetime) -> None:
    """Let the real rate limits refuse a number that a person tried to register."""
    at = now - timedelta(minutes=random_source.randrange(60, DAYS * 24 * 60))
    telephone = counters.telephone_of(random_source.choice(_REFUSED))
    asked = rules.Asked(now=at, kind=telephone.kind, country=telephone.country, is_new=True)
    verdict = rules.evaluate(asked, Limits(), counters.budget_of(user.organisation))
    if isinstance(verdict, rules.SendThrottled):
        counters.note_refusal(user, telephone, Channel.SMS, verdict, is_new=True, now=at)
