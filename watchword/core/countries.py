"""Names of countries for display."""

from __future__ import annotations

import unicodedata
from functools import cache

import phonenumbers
from phonenumbers.geocoder import country_name_for_number

# Countries (ISO 3166-1) that share a calling code or have no example number: the library has no name for them.
_WITHOUT_NAME = {
    "AC": "Ascension Island",
    "BL": "Saint Barthélemy",
    "EH": "Western Sahara",
    "MF": "Saint Martin",
    "TA": "Tristan da Cunha",
    "XK": "Kosovo",
}


@cache
def country_name(code: str, language: str) -> str:
    """Return the name of a country (ISO 3166-1) in a language, or in English; empty where it isn't known."""
    example = phonenumbers.example_number(code) if code else None
    spoken = language.split("-", maxsplit=1)[0] or "en"
    return (country_name_for_number(example, spoken) if example is not None else "") or _WITHOUT_NAME.get(code, "")


def alphabetical(name: str) -> str:
    """Return the sort key of a name, in which Åland Islands sort under A."""
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().casefold()
