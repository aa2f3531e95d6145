"""Rows of phone delivery for the admin center's tests, and a phones file without any real gateway."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from watchword.core.policy import Channel
from watchword.directory.models import User
from watchword.messaging.config_file import ConfiguredGateway, Phones
from watchword.messaging.gateway import Result
from watchword.messaging.limits.counters import telephone_of
from watchword.messaging.models import DailyTotal, Delivery, DeniedMessage
from watchword.messaging.worker.route_selection import Route

NUMBER = "+4915112345678"
PHONES = Phones(
    gateways=(
        ConfiguredGateway(
            Route("north", frozenset({Channel.SMS}), 3, ("+49", "+43"), 5_000, {"DE": 70_000, "*": 120_000}),
            "smpp",
            None,
        ),
        ConfiguredGateway(Route("exchange", frozenset({Channel.VOICE})), "sip", None),
    ),
    currency="EUR",
)


def delivery(user: User, at: datetime, **more: Any) -> Delivery:
    """Store and return the delivery of a text to a person's number."""
    number = more.pop("number", NUMBER)
    given = {"channel": Channel.SMS, "purpose": "sign_in", "result": Result.SENT, "gateway": "north"}
    return Delivery.objects.create(
        organisation=user.organisation,
        user=user,
        created_at=at,
        changed_at=at,
        **{**given, **telephone_of(number).row(), **more},
    )


def daily_total(user: User, days_ago: int, **counts: Any) -> DailyTotal:
    """Store and return the daily total of a day."""
    day = datetime.now(UTC).date() - timedelta(days=days_ago)
    given = {"day": day, "country": "DE", "channel": Channel.SMS, "is_new": False}
    return DailyTotal.objects.create(organisation=user.organisation, **{**given, **counts})


def refusal(user: User, rule: str, at: datetime, **more: Any) -> DeniedMessage:
    """Store and return the refusal of a message by a rule."""
    given = {"channel": Channel.SMS, "country": "DE", "ends": "78"}
    return DeniedMessage.objects.create(
        organisation=user.organisation, user=user, at=at, rule=rule, **{**given, **more}
    )
