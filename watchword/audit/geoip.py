"""The country of an address, from a file on this machine; nothing is asked over the network."""

from __future__ import annotations

from functools import cache
from ipaddress import ip_address
from typing import Any


def country_of(address: str) -> str:
    """Return the ISO 3166-1 code of the country of an address as far as the file knows it, else nothing."""
    try:
        if not ip_address(address).is_global:
            return ""
    except ValueError:
        return ""
    code: str = _table().lookup(address).country_code
    return code if len(code) == 2 and code.isalpha() else ""  # noqa: PLR2004  (ISO 3166-1 alpha-2)


@cache
def _table() -> Any:
    from django.conf import settings
    from geoip2fast import GeoIP2Fast

    return GeoIP2Fast(geoip2fast_data_file=settings.WATCHWORD_COUNTRIES_FILE or "geoip2fast-ipv6.dat.gz")
