"""Telephone numbers as the guard sees them: which country, which kind of range, which neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import phonenumbers
from phonenumbers import PhoneNumberType

NO_COUNTRY = "001"
"""What ITU-T E.164 numbers outside all countries carry: satellites, international networks, world-wide services."""
NEIGHBOURS_DIGITS = 4
"""Numbers that differ in their last four digits only are neighbours: one operator owns such a block of 10,000."""


class Kind(StrEnum):
    """What a number is, as far as that decides whether anything is ever sent to it."""

    ORDINARY = "ordinary"
    PREMIUM = "premium"
    SHARED_COST = "shared_cost"
    SATELLITE = "satellite"
    PERSONAL = "personal"
    """Follow-me numbers (British 070, Swiss 0878): who calls them pays what their holder likes."""
    SERVICE = "service"
    """Pagers, universal access numbers, voice mail boxes, and what belongs to no country."""
    UNKNOWN = "unknown"

    @property
    def may_be_sent_to(self) -> bool:
        """Whether codes may ever go there."""
        return self is Kind.ORDINARY


@dataclass(frozen=True, slots=True)
class NumberType:
    """One number as the guard sees it."""

    country: str
    kind: Kind


_KINDS = {
    PhoneNumberType.PREMIUM_RATE: Kind.PREMIUM,
    PhoneNumberType.SHARED_COST: Kind.SHARED_COST,
    PhoneNumberType.PERSONAL_NUMBER: Kind.PERSONAL,
    PhoneNumberType.PAGER: Kind.SERVICE,
    PhoneNumberType.UAN: Kind.SERVICE,
    PhoneNumberType.VOICEMAIL: Kind.SERVICE,
    PhoneNumberType.UNKNOWN: Kind.UNKNOWN,
}
_SATELLITES = frozenset({870, 881, 882, 883})
"""Inmarsat; the global mobile satellite system; international networks, which hold satellite and premium ranges."""
_PREMIUM = frozenset({979})
_SHARED_COST = frozenset({808})
_NATIONAL_SATELLITES = ("+6114",)
"""Within national plans: Australia's 014."""
_ONE_SPELLING = {"+549": "+54"}
"""The same telephone under two numbers: Argentina's mobile lines with and without the 9."""


def look_at(e164: str) -> NumberType:
    """Return what a number (E.164) is; anything that isn't one is of unknown kind."""
    try:
        number = phonenumbers.parse(e164)
    except phonenumbers.NumberParseException:
        return NumberType("", Kind.UNKNOWN)
    calling_code = number.country_code
    if calling_code in _SATELLITES or e164.startswith(_NATIONAL_SATELLITES):
        return NumberType(NO_COUNTRY, Kind.SATELLITE)
    if calling_code in _PREMIUM:
        return NumberType(NO_COUNTRY, Kind.PREMIUM)
    if calling_code in _SHARED_COST:
        return NumberType(NO_COUNTRY, Kind.SHARED_COST)
    country = phonenumbers.region_code_for_number(number) or ""
    if not phonenumbers.is_valid_number(number) or not country:
        return NumberType(country, Kind.UNKNOWN)
    kind = _KINDS.get(phonenumbers.number_type(number), Kind.ORDINARY)
    if country == NO_COUNTRY and kind is Kind.ORDINARY:
        kind = Kind.SERVICE
    return NumberType(country, kind)


def counted_as(e164: str) -> str:
    """Return the number under which a telephone is counted: one, however many numbers lead to it."""
    for one, other in _ONE_SPELLING.items():
        if e164.startswith(one):
            return other + e164.removeprefix(one)
    return e164


def line_of(e164: str, extension: str) -> str:
    """Return under what a telephone is counted: a desk behind a switchboard apart from the others (RFC 3966's form).

    Nobody has an extension behind a mobile: what somebody types there is no way round the limits of that number.
    """
    number = counted_as(e164)
    digits = "".join(sign for sign in extension if sign.isdecimal())
    return f"{number};ext={digits}" if digits and _may_be_switchboard(e164) else number


def _may_be_switchboard(e164: str) -> bool:
    try:
        return phonenumbers.number_type(phonenumbers.parse(e164)) != PhoneNumberType.MOBILE
    except phonenumbers.NumberParseException:
        return False


def block_of(e164: str) -> str:
    """Return the block of neighbours that a number belongs to."""
    return e164[:-NEIGHBOURS_DIGITS]
