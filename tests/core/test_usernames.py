"""Every spelling of one name is one person; an invalid name is refused as invalid."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.core.usernames import InvalidSignInName, name_key


@pytest.mark.parametrize(
    "spelling",
    [
        "alice@harbour.example",
        "ALICE@Harbour.Example",
        "  alice@harbour.example ",
        "alice@harbour.example.",
        "\uff41\uff4c\uff49\uff43\uff45@harbour.example",
        "alice\uff20harbour.example",
    ],
)
def test_uni_01_spellings_of_one_name_are_one_person(spelling: str) -> None:
    assert name_key(spelling) == "alice@harbour.example"


def test_uni_01_composed_and_decomposed_letters_are_one_name() -> None:
    assert name_key("zo\u00eb@harbour.example") == name_key("zoe\u0308@harbour.example")


def test_an_international_domain_has_one_form() -> None:
    assert name_key("anna@b\u00fccher.example") == name_key("anna@xn--bcher-kva.example")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("alice", "no_domain"),
        ("@harbour.example", "no_domain"),
        ("alice@", "no_domain"),
        ("a@b@harbour.example", "no_domain"),
        ("ali\0ce@harbour.example", "control"),
        ("ali ce@harbour.example", "control"),
        ("a\u202elice@harbour.example", "control"),
        ("alice@-.example", "domain"),
        ("a" * 250 + "@harbour.example", "too_long"),
        ("a" * 100_000, "too_long"),
    ],
)
def test_what_is_no_name_says_why(text: str, reason: str) -> None:
    with pytest.raises(InvalidSignInName) as caught:
        name_key(text)
    assert caught.value.reason == reason


@given(st.text(max_size=60))
def test_any_text_is_a_name_or_none_and_its_key_is_stable(text: str) -> None:
    try:
        key = name_key(f"{text}@harbour.example")
    except InvalidSignInName:
        return
    assert name_key(key) == key
