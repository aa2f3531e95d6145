"""Phone numbers as people, address books and spreadsheets write them: parsed to the right number, or refused."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from watchword.core.phone_numbers import NumberKind, NumberProblem, TypedNumber, Unreadable, classify, parse_typed

TYPES = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
EXAMPLES = [
    (region, example)
    for region in sorted(phonenumbers.SUPPORTED_REGIONS)
    for number_type in TYPES
    if (example := phonenumbers.example_number_for_type(region, number_type)) is not None
]


def e164(typed: str, region: str) -> str:
    number = parse_typed(typed, region)
    assert isinstance(number, TypedNumber), number
    return number.e164


@pytest.mark.parametrize(
    ("region", "typed"),
    [
        ("DE", "4915123456789"),
        ("DE", "49 151 23456789"),
        ("DE", "0151 23456789"),
        ("DE", "151 23456789"),
        ("DE", "+49 (0)151 23456789"),
        ("DE", "0049 151 23456789"),
        ("DE", "=+4915123456789"),
        ("AT", "+49 151 23456789"),
    ],
)
def test_a_german_mobile_is_the_same_number_in_every_dress(region: str, typed: str) -> None:
    assert e164(typed, region) == "+4915123456789"


@given(st.integers(150, 179), st.integers(0, 99_999_999))
def test_no_german_mobile_without_its_plus_is_read_as_another_number(network: int, rest: int) -> None:
    digits = f"49{network}{rest:08d}"
    number = parse_typed(digits, "DE")
    if phonenumbers.number_type(phonenumbers.parse("+" + digits)) == PhoneNumberType.MOBILE:
        assert isinstance(number, TypedNumber)
        assert number.e164 == "+" + digits


def test_a_fixed_line_whose_area_begins_with_the_country_s_code_is_read_with_its_zero() -> None:
    assert e164("04915 123456", "DE") == "+494915123456"
    assert e164("4915 1234", "DE") == "+4949151234", "no valid number is left behind a country's code here"


@pytest.mark.parametrize(("region", "example"), EXAMPLES, ids=[f"{r}-{n.national_number}" for r, n in EXAMPLES])
def test_every_country_s_number_without_its_plus_is_itself_or_asked_about(region: str, example: object) -> None:
    assert isinstance(example, phonenumbers.PhoneNumber)
    right = phonenumbers.format_number(example, PhoneNumberFormat.E164)
    read = parse_typed(right.removeprefix("+"), region)
    assert isinstance(read, Unreadable) or read.e164 == right
    assert e164(right, region) == right
    assert e164(phonenumbers.format_number(example, PhoneNumberFormat.NATIONAL), region) == right


@pytest.mark.parametrize(
    ("region", "digits", "other"),
    [
        ("DE", "4921123456", "04921 123456 in Emden, or +49 211 23456 in Düsseldorf"),
        ("IT", "390791212", "the mobile 390 791212, or +39 079 1212 in Sassari"),
        ("PL", "486453964", "48 645 39 64 in Radom, or +48 645 39 64"),
    ],
)
def test_digits_that_could_be_two_numbers_are_asked_about(region: str, digits: str, other: str) -> None:
    national = phonenumbers.parse("0" + digits if region == "DE" else digits, region)
    international = phonenumbers.parse("+" + digits)
    if not (phonenumbers.is_valid_number(national) and phonenumbers.is_valid_number(international)):
        pytest.fail(f"no longer two numbers: {other}")
    assert parse_typed(digits, region) == Unreadable(NumberProblem.AMBIGUOUS)


@pytest.mark.parametrize("typed", ["+52 1 55 1234 5678", "044 55 1234 5678", "01 55 1234 5678", "55 1234 5678"])
def test_a_mexican_number_with_its_old_prefix_is_read(typed: str) -> None:
    assert e164(typed, "MX") == "+525512345678"


def test_an_argentine_number_tells_whether_the_mobile_s_nine_is_missing() -> None:
    without, whole = parse_typed("+54 11 2345 6789", "AR"), parse_typed("011 15 2345 6789", "AR")
    assert isinstance(without, TypedNumber)
    assert isinstance(whole, TypedNumber)
    assert (without.e164, without.is_argentine_mobile_without_9) == ("+541123456789", True)
    assert (whole.e164, whole.is_argentine_mobile_without_9) == ("+5491123456789", False)


@pytest.mark.parametrize("typed", ["4,91512E+12", "call me", "", "+49", "0151", "1" * 61, "+49 151 1; +49 152 2"])
def test_what_is_no_number_is_no_number(typed: str) -> None:
    assert parse_typed(typed, "DE") == Unreadable(NumberProblem.NOT_A_NUMBER)


def test_a_number_shows_only_its_end_where_it_is_printed() -> None:
    number = parse_typed("0151 23456789", "DE")
    assert repr(number) == "TypedNumber(ending 89)"
    assert isinstance(number, TypedNumber)
    assert number.international == "+49 1512 3456789"


def test_the_numbering_plan_and_the_guard_agree_on_the_kind_of_a_number() -> None:
    """Only for whole calling codes do the rate limits know a more specific kind."""
    looked = 0
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for number_type in phonenumbers.PhoneNumberType.values():
            example = phonenumbers.example_number_for_type(region, number_type)
            if example is None:
                continue
            number = parse_typed(phonenumbers.format_number(example, PhoneNumberFormat.E164), region)
            assert isinstance(number, TypedNumber), region
            seen = classify(number.e164)
            assert seen.kind in {number.kind, NumberKind.SATELLITE, NumberKind.SERVICE}, (region, number_type)
            looked += 1
    assert looked > 1000
