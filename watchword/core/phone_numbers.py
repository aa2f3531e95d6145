"""Reads telephone numbers as people and spreadsheets write them, and returns them in E.164 (ITU-T)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import phonenumbers
from phonenumbers import CountryCodeSource, PhoneMetadata, PhoneNumber, PhoneNumberFormat, PhoneNumberType

LONGEST_TYPED_NUMBER = 60
"""Characters; what is longer is no number."""

_MEXICO, _ARGENTINA = 52, 54


class NumberProblem(StrEnum):
    """Why a text can't be read as one telephone number."""

    NOT_A_NUMBER = "not_a_number"
    AMBIGUOUS = "ambiguous_number"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The text is no telephone number, or could be two of them."""

    problem: NumberProblem

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class TypedNumber:
    """A valid number: ``e164``, the region it belongs to (ISO 3166-1), and its type as libphonenumber knows it.

    ``is_argentine_mobile_without_9`` tells a fixed line that is a mobile's number but for the 9 after +54.
    """

    e164: str
    region: str
    number_type: int
    is_argentine_mobile_without_9: bool = False

    def __repr__(self) -> str:
        return f"TypedNumber(ending {self.e164[-2:]})"

    @property
    def international(self) -> str:
        """The number as it is printed: ``+49 1512 3456789``."""
        return phonenumbers.format_number(phonenumbers.parse(self.e164), PhoneNumberFormat.INTERNATIONAL)


def parse_typed(typed: str, region: str) -> TypedNumber | Unreadable:
    """Return the number that somebody typed or a file holds; ``region`` (ISO 3166-1) is meant where no + or 00 stands.

    Spreadsheets take the + away, and the 0 too: in Germany ``4915123456789`` is a valid fixed line in the area 04915,
    and it is the mobile +49 151 23456789. Where both readings are valid, the mobile with its country's code is meant if
    the country writes a 0 before national numbers (a fixed line is hardly written without it); else the answer is
    ``AMBIGUOUS``, and the person is asked.
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
        number_type,
        number_type == PhoneNumberType.FIXED_LINE and _is_argentine_mobile_with_9(number),
    )


def _with_lost_plus(number: PhoneNumber) -> PhoneNumber | None:
    """Return the other reading of the same digits: the first ones are the country's code."""
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
