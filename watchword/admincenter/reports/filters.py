"""What the filters of all logs have in common: people, days and words that were typed into an address."""

from __future__ import annotations

from datetime import date, datetime, time
from uuid import UUID

from django.utils import timezone

from watchword.directory.actions import find_by_name
from watchword.directory.models import User
from watchword.directory.search import found_by

MOST_PEOPLE = 100
EARLIEST, LATEST = date(2000, 1, 1), date(2999, 12, 31)
LONGEST = 254


def printable(text: str) -> str:
    """Return what was typed without characters that can't be shown or stored."""
    return "".join(character for character in text if character.isprintable()).strip()[:LONGEST]


def day_of(text: str) -> datetime | None:
    """Return the moment at which a day (``2026-05-03``) begins here; None for what is no day."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    if not EARLIEST <= day <= LATEST:
        return None
    return timezone.make_aware(datetime.combine(day, time.min))


def people_named(typed: str, by: User) -> list[UUID]:
    """Return who is meant: by a whole name, in any spelling; else everybody in whose names the words occur."""
    user = find_by_name(typed)
    if user is not None and user.organisation_id == by.organisation_id:
        return [user.pk]
    found = found_by(User.objects.filter(organisation=by.organisation), typed).order_by("display_name", "pk")
    return list(found.values_list("pk", flat=True)[:MOST_PEOPLE])
