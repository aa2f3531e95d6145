"""Phone numbers: parses what people and spreadsheets write into E.164 (ITU-T), and classifies and groups numbers.

Only this module maps libphonenumber's types to our kinds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import phonenumbers
from phonenumbers import CountryCodeSource, PhoneMetadata, PhoneNumber, PhoneNumberFormat, PhoneNumberType

LONGEST_TYPED_NUMBER = 60
"""Characters; a longer text is not a number."""

NO_COUNTRY = "001"
"""The region of E.164 numbers (ITU-T) outside all countries: satellites, international networks, world-wide services.
"""
NEIGHBOURS_DIGITS = 4
"""Numbers that differ only in their last four digits are neighbours: one operator has such a block of 10,000."""

_MEXICO, _ARGENTINA = 52, 54


class NumberKind(StrEnum):
    """The kind of a number, as far as it decides whether anything is ever sent to it."""

    ORDINARY = "ordinary"
    PREMIUM = "premium"
    SHARED_COST = "shared_cost"
    SATELLITE = "satellite"
    PERSONAL = "personal"
    """Follow-me numbers (British 070, Swiss 0878): the caller pays a price that the holder sets."""
    SERVICE = "service"
    """Pagers, universal access numbers, voice mail boxes, and numbers of no country."""
    UNKNOWN = "unknown"

    @property
    def may_be_sent_to(self) -> bool:
        """Return whether codes may ever be sent to such a number."""
        return self is NumberKind.ORDINARY


class NumberProblem(StrEnum):
    """Why a text can't be read as one phone number."""

    NOT_A_NUMBER = "not_a_number"
    AMBIGUOUS = "ambiguous_number"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The text is not a phone number, or could be two of them."""

    problem: NumberProblem

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class TypedNumber:
    """A valid number: ``e164``, its region (ISO 3166-1), and what its numbering plan says about it."""

    e164: str
    region: str
    kind: NumberKind
    """From its range in the plan alone; ``classify`` also knows the calling codes with one purpose."""
    takes_texts: bool
    is_voip: bool = False
    """Whether it is in a range for Internet telephony: behind it is an account, neither a SIM card nor a fixed line."""
    is_argentine_mobile_without_9: bool = False
    """Whether it is a fixed line that would be a mobile number with a 9 after +54."""

    def __repr__(self) -> str:
        return f"TypedNumber(ending {self.e164[-2:]})"

    @property
    def international(self) -> str:
        """Return the number in international format: ``+49 1512 3456789``."""
        return phonenumbers.format_number(phonenumbers.parse(self.e164), PhoneNumberFormat.INTERNATIONAL)


@dataclass(frozen=True, slots=True)
class NumberType:
    """The country and the kind of a number, for the rate limits."""

    country: str
    kind: NumberKind


_KINDS = {
    PhoneNumberType.PREMIUM_RATE: NumberKind.PREMIUM,
    PhoneNumberType.SHARED_COST: NumberKind.SHARED_COST,
    PhoneNumberType.PERSONAL_NUMBER: NumberKind.PERSONAL,
    PhoneNumberType.PAGER: NumberKind.SERVICE,
    PhoneNumberType.UAN: NumberKind.SERVICE,
    PhoneNumberType.VOICEMAIL: NumberKind.SERVICE,
    PhoneNumberType.UNKNOWN: NumberKind.UNKNOWN,
}
_SATELLITES = frozenset({870, 881, 882, 883})
"""Inmarsat; the global mobile satellite system; international networks, which contain satellite and premium ranges."""
_PREMIUM = frozenset({979})
_SHARED_COST = frozenset({808})
_NATIONAL_SATELLITES = ("+6114",)
"""Satellite numbers within national plans: Australia's 014."""
_ONE_SPELLING = {"+549": "+54"}
"""Prefixes of one phone with two numbers: Argentina's mobile numbers with and without the 9."""
_NO_TEXTS = frozenset({PhoneNumberType.FIXED_LINE, PhoneNumberType.TOLL_FREE})


def parse_typed(typed: str, region: str) -> TypedNumber | Unreadable:
    """Return the number that a person typed or a file contains; ``region`` (ISO 3166-1) applies without + or 00.

    Spreadsheets drop the +, and the 0 too: in Germany ``4915123456789`` is a valid fixed line in the area 04915, and it
    is the mobile +49 151 23456789. Where both readings are valid, the mobile with its country code is chosen if the
    country writes a 0 before national numbers (a fixed line is hardly ever written without it); otherwise the result is
    ``AMBIGUOUS``, and the person has to choose.
    """
    if len(typed) > LONGEST_TYPED_NUMBER:
        return Unreadable(NumberProblem.NOT_A_NUMBER)
    try:
        number = phonenumbers.parse(typed, region or None, keep_raw_input=True)
    except phonenumbers.NumberParseException:
        return Unreadable(NumberProblem.NOT_A_NUMBER)
    number = _without_old_mexican_prefix(number)
    if number.country_code_source == CountryCodeSource.FROM_DEFAULT_COUNTRY:
        other = _with_lost_plus(number)
        if other is not None:
            if phonenumbers.is_valid_number(number) and not (_is_mobile(other) and _writes_trunk_prefix(region)):
                return Unreadable(NumberProblem.AMBIGUOUS)
            number = other
    if not phonenumbers.is_valid_number(number):
        return Unreadable(NumberProblem.NOT_A_NUMBER)
    number_type = phonenumbers.number_type(number)
    return TypedNumber(
        phonenumbers.format_number(number, PhoneNumberFormat.E164),
        phonenumbers.region_code_for_number(number) or "",
        _kind_of(number_type),
        takes_texts=number_type not in _NO_TEXTS,
        is_voip=number_type == PhoneNumberType.VOIP,
        is_argentine_mobile_without_9=number_type == PhoneNumberType.FIXED_LINE and _is_argentine_mobile_with_9(number),
    )


def _with_lost_plus(number: PhoneNumber) -> PhoneNumber | None:
    """Return the other reading of the same digits, as beginning with the country code; None if there is none."""
    digits = phonenumbers.normalize_digits_only(number.raw_input or "")
    if not digits.startswith(str(number.country_code)):
        return None
    try:
        other = phonenumbers.parse("+" + digits)
    except phonenumbers.NumberParseException:
        return None
    is_other = phonenumbers.is_valid_number(other) and other.national_number != number.national_number
    return other if is_other else None


def _is_mobile(number: PhoneNumber) -> bool:
    return phonenumbers.number_type(number) == PhoneNumberType.MOBILE


def _writes_trunk_prefix(region: str) -> bool:
    metadata = PhoneMetadata.metadata_for_region(region)
    return metadata is not None and bool(metadata.national_prefix)


def _without_old_mexican_prefix(number: PhoneNumber) -> PhoneNumber:
    # Mexico dropped 1 (after +52), 01, 044 and 045 in 2019; people and their address books have not.
    national = str(number.national_number)
    if number.country_code == _MEXICO and not phonenumbers.is_valid_number(number):
        for prefix in ("1", "44", "45"):
            shorter = PhoneNumber(country_code=_MEXICO, national_number=int(national.removeprefix(prefix) or 0))
            if national.startswith(prefix) and phonenumbers.is_valid_number(shorter):
                return shorter
    return number


def _is_argentine_mobile_with_9(number: PhoneNumber) -> bool:
    if number.country_code != _ARGENTINA:
        return False
    mobile = PhoneNumber(country_code=_ARGENTINA, national_number=int(f"9{number.national_number}"))
    return _is_mobile(mobile)


def classify(e164: str) -> NumberType:
    """Return the country and kind of a number (E.164); the kind of any other text is unknown."""
    try:
        number = phonenumbers.parse(e164)
    except phonenumbers.NumberParseException:
        return NumberType("", NumberKind.UNKNOWN)
    calling_code = number.country_code
    if calling_code in _SATELLITES or e164.startswith(_NATIONAL_SATELLITES):
        return NumberType(NO_COUNTRY, NumberKind.SATELLITE)
    if calling_code in _PREMIUM:
        return NumberType(NO_COUNTRY, NumberKind.PREMIUM)
    if calling_code in _SHARED_COST:
        return NumberType(NO_COUNTRY, NumberKind.SHARED_COST)
    country = phonenumbers.region_code_for_number(number) or ""
    if not phonenumbers.is_valid_number(number) or not country:
        return NumberType(country, NumberKind.UNKNOWN)
    kind = _kind_of(phonenumbers.number_type(number))
    if country == NO_COUNTRY and kind is NumberKind.ORDINARY:
        kind = NumberKind.SERVICE
    return NumberType(country, kind)


def counted_as(e164: str) -> str:
    """Return the number under which a phone is counted: the same one for all numbers of that phone."""
    for one, other in _ONE_SPELLING.items():
        if e164.startswith(one):
            return other + e164.removeprefix(one)
    return e164


def line_of(e164: str, extension: str) -> str:
    """Return the key under which a phone is counted: its number, behind a switchboard with the extension (RFC 3966).

    A mobile has no extension: one typed for a mobile must not bypass the limits of its number.
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
    """Return the block of neighbours to which a number belongs."""
    return e164[:-NEIGHBOURS_DIGITS]


def _kind_of(number_type: int) -> NumberKind:
    return _KINDS.get(number_type, NumberKind.ORDINARY)
