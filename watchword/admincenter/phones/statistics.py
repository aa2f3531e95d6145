"""Numbers of messages sent, delivered, entered and paid, by day and country, from the daily totals."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models import Count, Sum

from watchword.directory.models import Organisation
from watchword.messaging.models import DailyTotal, Delivery

SEEN_LATELY = timedelta(days=90)
_COUNTED = ("asked", "sent", "arrived", "entered", "refused", "cost_micros")


@dataclass(frozen=True, slots=True)
class Counts:
    """The counters of a group of messages."""

    asked: int = 0
    sent: int = 0
    arrived: int = 0
    entered: int = 0
    refused: int = 0
    cost_micros: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Return the sum of both."""
        return Counts(*(getattr(self, name) + getattr(other, name) for name in _COUNTED))

    @property
    def share(self) -> int | None:
        """Return the share of sent codes that were entered, in per cent; None if none was sent."""
        return round(100 * self.entered / self.sent) if self.sent else None


NONE = Counts()


@dataclass(frozen=True, slots=True)
class Country:
    """One country during the period of the page."""

    code: str
    all: Counts = NONE
    new: Counts = NONE
    """To numbers that no person had proven."""
    proven: Counts = NONE


@dataclass(frozen=True, slots=True)
class Figures:
    """All numbers of the page. ``days`` contains every day, also those without messages."""

    days: dict[date, Counts]
    countries: list[Country]
    """The countries with most messages first."""
    new: Counts
    proven: Counts
    today: Counts
    month: Counts
    month_by_country: dict[str, int] = field(default_factory=dict)
    """The cost of this month, in millionths of the currency, the most expensive country first."""


def figures_of(organisation: Organisation, *, days: int, now: datetime) -> Figures:
    """Return the numbers of the last days (UTC, including today), with one query."""
    today = now.astimezone(UTC).date()
    since, month = today - timedelta(days=days - 1), today.replace(day=1)
    rows = DailyTotal.objects.filter(organisation=organisation, day__gte=min(since, month), day__lte=today)
    sums: Any = rows.values("day", "country", "is_new").annotate(**{f"sum_{name}": Sum(name) for name in _COUNTED})
    by_day = {since + timedelta(days=number): NONE for number in range(days)}
    countries: dict[str, Country] = {}
    this_month: dict[str, Counts] = {}
    for row in sums.order_by("day"):
        counts = Counts(*(row[f"sum_{name}"] for name in _COUNTED))
        code = row["country"]
        if row["day"] >= month:
            this_month[code] = this_month.get(code, NONE) + counts
        if row["day"] >= since:
            by_day[row["day"]] += counts
            countries[code] = _with(countries.get(code, Country(code)), counts, is_new=row["is_new"])
    listed = sorted(countries.values(), key=lambda one: (-one.all.sent, -one.all.refused, one.code))
    costs = {code: counts.cost_micros for code, counts in this_month.items() if counts.cost_micros}
    return Figures(
        days=by_day,
        countries=listed,
        new=_sum(one.new for one in listed),
        proven=_sum(one.proven for one in listed),
        today=by_day[today],
        month=_sum(this_month.values()),
        month_by_country=dict(sorted(costs.items(), key=lambda cost: (-cost[1], cost[0]))),
    )


def month_by_gateway(organisation: Organisation, *, now: datetime) -> list[tuple[str, int, int]]:
    """Return each gateway with its number of messages this month and their cost, the most expensive first."""
    month = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    rows = Delivery.objects.filter(organisation=organisation, created_at__gte=month).exclude(gateway="")
    sums = rows.values_list("gateway").annotate(number=Count("pk"), cost=Sum("cost_micros")).order_by()
    return sorted(sums, key=lambda row: (-row[2], row[0]))


def countries_seen(organisation: Organisation, *, now: datetime) -> list[str]:
    """Return the code of every country for which a message was requested in the last 90 days."""
    since = now.astimezone(UTC).date() - SEEN_LATELY
    seen = DailyTotal.objects.filter(organisation=organisation, day__gte=since).order_by("country")
    return list(seen.values_list("country", flat=True).distinct())


def _with(country: Country, counts: Counts, *, is_new: bool) -> Country:
    if is_new:
        return dataclasses.replace(country, all=country.all + counts, new=country.new + counts)
    return dataclasses.replace(country, all=country.all + counts, proven=country.proven + counts)


def _sum(several: Iterable[Counts]) -> Counts:
    return sum(several, NONE)
