"""What the filters of all logs share: their query string, and people, days and words in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Self
from urllib.parse import urlencode
from uuid import UUID

from django.utils import timezone

from watchword.directory.actions import find_by_name
from watchword.directory.models import User
from watchword.directory.search import found_by

MOST_PEOPLE = 100
EARLIEST, LATEST = date(2000, 1, 1), date(2999, 12, 31)
LONGEST = 254


@dataclass(frozen=True, slots=True)
class QueryFilter:
    """A filter whose fields are the parameters of a query string, two days among them; empty ones select everything."""

    since: str = ""
    until: str = ""

    @classmethod
    def read(cls, values: Mapping[str, str]) -> Self:
        """Read the filter from the query string."""
        return cls(**{one.name: printable(values.get(one.name, "")) for one in dataclasses.fields(cls)})

    def query_string(self) -> str:
        """Return the query string of this filter."""
        return urlencode({name: value for name, value in dataclasses.asdict(self).items() if value})

    def wrong(self) -> str:
        """Return the name of the first field with an invalid day, or an empty string."""
        days = {"since": self.since, "until": self.until}
        return next((name for name, typed in days.items() if typed and day_of(typed) is None), "")


def printable(text: str) -> str:
    """Return the typed text without characters that can't be shown or stored."""
    return "".join(character for character in text if character.isprintable()).strip()[:LONGEST]


def day_of(text: str) -> datetime | None:
    """Return the beginning of a day (``2026-05-03``) in the local time zone; None for an invalid date."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    if not EARLIEST <= day <= LATEST:
        return None
    return timezone.make_aware(datetime.combine(day, time.min))


def people_named(typed: str, by: User) -> list[UUID]:
    """Return the person with exactly this name, in any spelling; else all people whose names contain the words."""
    user = find_by_name(typed)
    if user is not None and user.organisation_id == by.organisation_id:
        return [user.pk]
    found = found_by(User.objects.filter(organisation=by.organisation), typed).order_by("display_name", "pk")
    return list(found.values_list("pk", flat=True)[:MOST_PEOPLE])
