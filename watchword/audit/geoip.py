"""Looks up the country of an IP address in the operator's own file in MaxMind's format, without network access.

GeoLite2 Country and DB-IP Country Lite have this layout. Without a file no address has a country.
"""

from __future__ import annotations

import logging
from functools import cache
from ipaddress import ip_address
from itertools import islice
from pathlib import Path

import maxminddb
from django.conf import settings
from maxminddb import InvalidDatabaseError, Reader

from watchword.core.log_events import log_event

RECORDS_LOOKED_AT = 1000
"""How many records are read to check a file: the first records show whether it holds countries or something else."""
_DAMAGED = (InvalidDatabaseError, ValueError, TypeError, KeyError, RecursionError)
"""The exceptions that the reader raises for a damaged database."""

logger = logging.getLogger(__name__)


def country_of(address: str) -> str:
    """Return the ISO 3166-1 code of the country of an address; empty if it is unknown."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    mapped = getattr(parsed, "ipv4_mapped", None)
    reader = _reader(settings.WATCHWORD_COUNTRIES_FILE)
    if reader is None:
        return ""
    try:
        return _country_in(reader.get(str(mapped or parsed)))
    except _DAMAGED as error:
        # The country is only a hint: a file whose damage the check at the start missed must not fail a sign-in.
        _say_once(type(error).__name__)
        return ""


def why_not_usable(file: Path) -> str:
    """Return what is wrong with a countries file, as text for the operator; empty if nothing is wrong."""
    try:
        with _opened(file) as reader:
            found = any(_country_in(record) for _network, record in islice(reader, RECORDS_LOOKED_AT))
    except OSError as error:
        return f"it can't be read ({error.strerror or type(error).__name__})"
    except _DAMAGED:
        return "it is not a whole MaxMind DB file (.mmdb, unpacked)"
    return "" if found else "it names no countries, as GeoLite2 Country and DB-IP Country Lite do (country, iso_code)"


def _opened(file: Path) -> Reader:
    # In memory: overwriting a mapped file in place would kill the process (SIGBUS), and the file has only 10 MB.
    return maxminddb.open_database(file, maxminddb.MODE_MEMORY)


@cache
def _reader(file: str) -> Reader | None:
    """Return the reader of a file, opened once for each process; None if no file is set or it is unusable."""
    if not file:
        return None
    try:
        return _opened(Path(file))
    except (OSError, *_DAMAGED) as error:
        logger.warning("countries file unusable", extra=log_event("geoip.unusable", trouble=type(error).__name__))
        return None


@cache
def _say_once(trouble: str) -> None:
    logger.warning("countries file damaged", extra=log_event("geoip.damaged", trouble=trouble))


def _country_in(record: object) -> str:
    country = record.get("country") if isinstance(record, dict) else None
    code = country.get("iso_code") if isinstance(country, dict) else None
    if isinstance(code, str) and len(code) == 2 and code.isascii() and code.isalpha():  # noqa: PLR2004  (ISO 3166-1)
        return code.upper()
    return ""
