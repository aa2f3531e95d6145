"""The filters of the message log and of the blocked attempts, paged by time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.utils.dateparse import parse_datetime

from watchword.admincenter.reports.filters import EARLIEST, LATEST, QueryFilter, day_of, people_named
from watchword.directory.models import User
from watchword.messaging.gateway import Result
from watchword.messaging.limits.rules import LimitRule
from watchword.messaging.models import Delivery, DeniedMessage

PAGE = 100
UNKNOWN = "unknown"
"""The value in a query string for numbers without a country."""


@dataclass(frozen=True, slots=True)
class LogFilter(QueryFilter):
    """The filter fields that both lists share."""

    moment: ClassVar[str]

    person: str = ""
    country: str = ""

    def condition(self, by: User) -> Q:
        """Return the condition of this filter, limited to the administrator's organisation."""
        condition = Q(organisation_id=by.organisation_id)
        if self.person:
            condition &= Q(user_id__in=people_named(self.person, by))
        if self.country:
            condition &= Q(country="" if self.country == UNKNOWN else self.country)
        since, until = day_of(self.since), day_of(self.until)
        if since is not None:
            condition &= Q(**{f"{self.moment}__gte": since})
        if until is not None:
            condition &= Q(**{f"{self.moment}__lt": until + timedelta(days=1)})
        return condition


@dataclass(frozen=True, slots=True)
class MessageFilter(LogFilter):
    """The filter of the message log."""

    moment: ClassVar[str] = "created_at"

    result: str = ""
    gateway: str = ""

    def rows(self, by: User) -> QuerySet[Delivery]:
        """Return the matching messages, unordered."""
        condition = self.condition(by)
        if self.result == "entered":
            condition &= Q(entered_at__isnull=False)
        elif self.result in set(Result):
            condition &= Q(result=self.result)
        if self.gateway:
            condition &= Q(gateway=self.gateway)
        return Delivery.objects.filter(condition).select_related("user")


@dataclass(frozen=True, slots=True)
class BlockedFilter(LogFilter):
    """The filter of the blocked attempts."""

    moment: ClassVar[str] = "at"

    rule: str = ""

    def rows(self, by: User) -> QuerySet[DeniedMessage]:
        """Return the matching attempts, unordered."""
        condition = self.condition(by)
        if self.rule in set(LimitRule):
            condition &= Q(rule=self.rule)
        return DeniedMessage.objects.filter(condition).select_related("user")


@dataclass(frozen=True, slots=True)
class LogPage[Row: Model]:
    """One page, the newest rows first, and the query string of the page with older ones."""

    rows: list[Row]
    older: str


def page_of[Row: Model](rows: QuerySet[Row], chosen: LogFilter, before: str) -> LogPage[Row]:
    """Return the page before the key of a row; the first page if the key is invalid."""
    moment = chosen.moment
    key = _read_key(before)
    if key is not None:
        at, pk = key
        try:
            # The first condition is redundant, but lets the database start in the index at the beginning of the page.
            rows = rows.filter(Q(**{f"{moment}__lte": at}) & (Q(**{f"{moment}__lt": at}) | Q(pk__lt=pk)))
        except (ValueError, ValidationError):
            rows = rows.all()
    found = list(rows.order_by(f"-{moment}", "-pk")[: PAGE + 1])
    older = ""
    if len(found) > PAGE:
        last: Any = found[PAGE - 1]
        key_words = urlencode({"before": f"{getattr(last, moment).isoformat()}|{last.pk}"})
        older = "&".join(part for part in (chosen.query_string(), key_words) if part)
    return LogPage(found[:PAGE], older)


def _read_key(before: str) -> tuple[datetime, str] | None:
    at, bar, pk = before.partition("|")
    if not bar or not pk or not pk.isascii() or not pk.isprintable() or len(pk) > 36:  # noqa: PLR2004  (a UUID's)
        return None
    if pk.isdecimal() and len(pk) > 18:  # noqa: PLR2004  (more than a column holds)
        return None
    try:
        moment = parse_datetime(at)
    except ValueError:
        return None
    if moment is None or moment.tzinfo is None or not EARLIEST.year <= moment.year <= LATEST.year:
        return None
    return moment, pk
