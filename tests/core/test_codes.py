"""The format of codes and app passwords."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.core.codes import (
    new_app_password,
    new_code,
    normal_app_password,
    normal_code,
    shown_app_password,
    shown_code,
)


class Dice:
    """A random source that a seed makes repeatable."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def below(self, bound: int) -> int:
        return self._random.randrange(bound)

    def octets(self, length: int) -> bytes:
        return self._random.randbytes(length)


@given(st.integers())
def test_a_code_has_six_digits_and_survives_being_shown(seed: int) -> None:
    code = new_code(Dice(seed))
    assert len(code) == 6
    assert normal_code(code) == normal_code(shown_code(code)) == code


def test_otp_20_leading_zeros_are_as_likely_as_other_digits() -> None:
    dice = Dice(1)
    first = Counter(new_code(dice)[0] for _ in range(20_000))
    assert all(1_750 < first[digit] < 2_250 for digit in "0123456789")


@pytest.mark.parametrize(
    "typed",
    [
        "123456",
        " 123 456 ",
        "123-456",
        "G-123456",
        "Harbour: g-123 456.",
        "1 2 3 4 5 6",
        "\uff11\uff12\uff13\uff14\uff15\uff16",
        "١٢٣٤٥٦",
    ],
)
def test_every_spelling_of_a_code_has_one_normal_form(typed: str) -> None:
    assert normal_code(typed) == "123456"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "12345",
        "1234567",
        "+123456",
        "1e5000",
        "0x1e24",
        "abcdef",
        "12345\0",
        "G-1234567",
        "GG-123456",
        "G--123456",
        "1" * 2000,
        "½23456",
    ],
)
def test_what_is_not_six_digits_is_no_code(typed: str) -> None:
    assert normal_code(typed) is None


@given(st.text(max_size=40))
def test_normalising_a_code_twice_changes_nothing(typed: str) -> None:
    once = normal_code(typed)
    assert once is None or normal_code(once) == once


@given(st.integers())
def test_an_app_password_has_24_letters_and_survives_being_shown(seed: int) -> None:
    letters = new_app_password(Dice(seed))
    shown = shown_app_password(letters)
    assert len(letters) == 24
    assert [len(group) for group in shown.split(" ")] == [4] * 6
    assert normal_app_password(shown) == normal_app_password(shown.upper()) == letters
    assert normal_app_password(shown.replace(" ", "-")) == letters


@pytest.mark.parametrize(
    "typed", ["", "a" * 23, "a" * 25, "a" * 23 + "1", "a" * 23 + "é", "a" * 23 + "_", "a" * 24 + "\0", "a" * 24 + "b"]
)
def test_nothing_else_is_ignored_in_an_app_password(typed: str) -> None:
    assert normal_app_password(typed) is None
