"""Country blocks: countries to whose new numbers no codes are sent, as too few codes were entered there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from watchword.admincenter.phones.labels import country_words
from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.directory.models import Organisation, User
from watchword.directory.permissions import demand
from watchword.directory.roles import Act
from watchword.messaging.models import CountryBlock

MOST = 20


@dataclass(frozen=True, slots=True)
class CountryBlockRow:
    """One country block as pages show it."""

    country_block: CountryBlock
    country: str
    is_open: bool
    """Whether it still blocks codes."""


def open_country_blocks_of(organisation: Organisation, *, now: datetime) -> list[CountryBlockRow]:
    """Return the active country blocks."""
    return [row for row in country_blocks_of(organisation, now=now) if row.is_open]


def country_blocks_of(organisation: Organisation, *, now: datetime) -> list[CountryBlockRow]:
    """Return the newest country blocks, also those that are over."""
    rows = (
        CountryBlock.objects.filter(organisation=organisation).select_related("reopened_by").order_by("-until", "-pk")
    )
    return [_row(country_block, now) for country_block in rows[:MOST]]


def find_country_block(organisation: Organisation, country_block_id: int, *, now: datetime) -> CountryBlockRow | None:
    """Return one country block of this organisation."""
    if country_block_id > 2**63 - 1:
        return None
    country_block = CountryBlock.objects.filter(pk=country_block_id, organisation=organisation).first()
    return _row(country_block, now) if country_block is not None else None


def reopen(country_block: CountryBlock, *, by: User, origin: Origin, now: datetime) -> bool:
    """Allow codes to new numbers of a country again; return False if it was open already. Raise PermissionDenied."""
    with transaction.atomic():
        demand(by, Act.CHANGE_SETTINGS)
        mine = CountryBlock.objects.filter(organisation=by.organisation_id, country=country_block.country)
        # Reopening concerns the country, not one of two country blocks that overlap.
        if not mine.filter(until__gt=now, reopened_at=None).update(reopened_at=now, reopened_by=by):
            return False
        details = {"country": country_block.country, "sent": country_block.sent, "entered": country_block.entered}
        record(EventKind.COUNTRY_REOPENED, now=now, by=by, origin=origin, details=details)
        return True


def _row(country_block: CountryBlock, now: datetime) -> CountryBlockRow:
    is_open = country_block.until > now and country_block.reopened_at is None
    return CountryBlockRow(country_block, country_words(country_block.country), is_open)
