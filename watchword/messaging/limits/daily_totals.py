"""Daily totals by country: counted on each send, so that limits and charts are cheap."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from django.db.models import F

from watchword.core.policy import Channel
from watchword.messaging.models import DailyTotal, Delivery


def today(organisation_id: int, country: str, now: datetime) -> dict[str, int]:
    """Return an organisation's totals of the day (UTC) of ``now``, under the field names of ``rules.Asked``."""
    rows = DailyTotal.objects.filter(organisation_id=organisation_id, day=now.astimezone(UTC).date())
    # A few rows, one for each country and channel: adding them up here is faster than by SQL.
    today = list(rows.values_list("country", "is_new", "asked", "cost_micros"))
    return {
        "organisation_today": sum(asked for _country, _is_new, asked, _cost in today),
        "new_today": sum(asked for _country, is_new, asked, _cost in today if is_new),
        "new_in_country_today": sum(asked for where, is_new, asked, _cost in today if is_new and where == country),
        "cost_micros_today": sum(cost for _country, _is_new, _asked, cost in today),
    }


def note_entered(delivery_id: UUID, *, now: datetime) -> None:
    """Record that the code of a delivery was typed, or approved by keys: the one proof that it arrived."""
    if Delivery.objects.filter(pk=delivery_id, entered_at=None).update(entered_at=now):
        count(Delivery.objects.get(pk=delivery_id), entered=1)


def note_typed_late(delivery_id: UUID, *, now: datetime) -> None:
    """Record that an expired code of a delivery was typed: it was invalid, but a person reads the messages there."""
    Delivery.objects.filter(pk=delivery_id, entered_at=None, typed_late_at=None).update(typed_late_at=now)


def count(delivery: Delivery, **more: int) -> None:
    """Add to the totals of the day and the country of a delivery."""
    is_new = delivery.purpose == "register"
    add(
        delivery.organisation_id,
        delivery.created_at,
        delivery.country,
        Channel(delivery.channel),
        is_new=is_new,
        **more,
    )


def add(organisation_id: int, at: datetime, country: str, channel: Channel, /, *, is_new: bool, **more: int) -> None:
    """Add to the totals of one day (UTC), country and channel."""
    day = at.astimezone(UTC).date()
    key = {"organisation_id": organisation_id, "day": day, "country": country, "channel": channel, "is_new": is_new}
    added = {name: F(name) + number for name, number in more.items()}
    if not DailyTotal.objects.filter(**key).update(**added):
        DailyTotal.objects.bulk_create([DailyTotal(**key)], ignore_conflicts=True)
        DailyTotal.objects.filter(**key).update(**added)
