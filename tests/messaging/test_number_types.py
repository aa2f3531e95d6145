"""Classification of a number for the rate limits: its country, its type, its neighbours, and its one spelling."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.core.phone_numbers import NO_COUNTRY, NumberKind, NumberType, block_of, classify, counted_as
from watchword.messaging.limits.counters import telephone_of


@pytest.mark.parametrize(
    ("number", "seen"),
    [
        ("+4915112345678", NumberType("DE", NumberKind.ORDINARY)),
        ("+4930901820", NumberType("DE", NumberKind.ORDINARY)),
        ("+12025550123", NumberType("US", NumberKind.ORDINARY)),
        ("+18005551234", NumberType("US", NumberKind.ORDINARY)),
    ],
)
def test_ordinary_numbers_are_ordinary(number: str, seen: NumberType) -> None:
    assert classify(number) == seen


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("+14165550123", "CA"),
        ("+18765551234", "JM"),
        ("+16847331234", "AS"),
        ("+447797123456", "JE"),
        ("+447911123456", "GG"),
        ("+447624123456", "IM"),
        ("+77011234567", "KZ"),
        ("+79161234567", "RU"),
        ("+3581845700", "AX"),
        ("+4779123456", "SJ"),
        ("+262692123456", "RE"),
        ("+59995181234", "CW"),
    ],
)
def test_islands_and_neighbours_under_a_shared_calling_code_are_countries_of_their_own(
    number: str, country: str
) -> None:
    """Allowing the United Kingdom does not allow Jersey, nor the United States Jamaica."""
    assert classify(number) == NumberType(country, NumberKind.ORDINARY)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        ("+870773111632", NumberKind.SATELLITE),
        ("+881612345678", NumberKind.SATELLITE),
        ("+88216123456", NumberKind.SATELLITE),
        ("+8835100123456", NumberKind.SATELLITE),
        ("+61147100000", NumberKind.SATELLITE),
        ("+979123456789", NumberKind.PREMIUM),
        ("+80812345678", NumberKind.SHARED_COST),
        ("+80012345678", NumberKind.SERVICE),
        ("+878101234567890", NumberKind.SERVICE),
    ],
)
def test_satellites_and_what_belongs_to_no_country_are_never_sent_to(number: str, kind: NumberKind) -> None:
    seen = classify(number)
    assert seen.kind is kind
    assert not seen.kind.may_be_sent_to
    assert seen.country == NO_COUNTRY


_EXAMPLES = {
    phonenumbers.PhoneNumberType.PREMIUM_RATE: NumberKind.PREMIUM,
    phonenumbers.PhoneNumberType.SHARED_COST: NumberKind.SHARED_COST,
    phonenumbers.PhoneNumberType.PERSONAL_NUMBER: NumberKind.PERSONAL,
    phonenumbers.PhoneNumberType.PAGER: NumberKind.SERVICE,
    phonenumbers.PhoneNumberType.UAN: NumberKind.SERVICE,
    phonenumbers.PhoneNumberType.VOICEMAIL: NumberKind.SERVICE,
}


@pytest.mark.parametrize("kind", _EXAMPLES, ids=phonenumbers.PhoneNumberType.to_string)
def test_dear_ranges_of_every_country_are_known(kind: int) -> None:
    looked = 0
    for region in phonenumbers.SUPPORTED_REGIONS:
        example = phonenumbers.example_number_for_type(region, kind)
        if example is None:
            continue
        seen = classify(phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164))
        # Some numbering plans give one number two types; then the dearer one counts.
        assert not seen.kind.may_be_sent_to, region
        looked += 1
    assert looked > 2


def test_mobiles_of_every_country_are_ordinary() -> None:
    refused, looked = set(), 0
    for region in phonenumbers.SUPPORTED_REGIONS:
        example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        if example is None:
            continue
        looked += 1
        # The country can be a neighbour with the same calling code: Finland's mobiles serve Åland too.
        if (
            classify(phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)).kind
            is not NumberKind.ORDINARY
        ):
            refused.add(region)
    assert refused == set()
    assert looked > 200


@pytest.mark.parametrize("text", ["", "+", "+0", "abc", "+999123456", "+491", "+" + "1" * 40, "\0", "٣"])
def test_what_is_no_number_is_of_unknown_kind(text: str) -> None:
    assert classify(text).kind is NumberKind.UNKNOWN


@given(st.text(max_size=30) | st.from_regex(r"\+[0-9]{1,18}", fullmatch=True))
def test_whatever_is_looked_at_is_something(text: str) -> None:
    seen = classify(text)
    assert seen.country or not seen.kind.may_be_sent_to


def test_numbers_that_differ_in_their_last_four_digits_are_neighbours() -> None:
    one, other, far = (telephone_of(f"+49151123{end}") for end in ("45678", "40000", "50000"))
    assert one.range_keys == other.range_keys != far.range_keys
    assert one.number_keys != other.number_keys
    assert block_of("+4915112345678") == "+491511234"


def test_a_telephone_with_two_spellings_is_counted_once() -> None:
    with_nine, without = "+5491123456789", "+541123456789"
    assert counted_as(with_nine) == counted_as(without)
    assert telephone_of(with_nine).number_keys == telephone_of(without).number_keys
    assert counted_as("+4915112345678") == "+4915112345678"


def test_a_telephone_shows_nothing_of_its_number() -> None:
    assert "5678" not in repr(telephone_of("+4915112345678"))
