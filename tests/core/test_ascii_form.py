"""A name with letters outside ASCII and its ASCII form are one name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.core.usernames import InvalidSignInName, ascii_name, name_key


@pytest.mark.parametrize(
    ("name", "in_ascii"),
    [
        ("\u00e9lodie@harbour.example", "xn--lodie-9ra@harbour.example"),
        ("\u00e9lodie.l\u00e9ger+news@harbour.example", "xn--lodie-9ra.xn--lger-bpa+news@harbour.example"),
        ("jean.\u00e9.dupont@harbour.example", "jean.xn--9ca.dupont@harbour.example"),
        ("alice@harbour.example", "alice@harbour.example"),
    ],
)
def test_the_ascii_form_is_written_part_by_part_and_has_the_same_key(name: str, in_ascii: str) -> None:
    assert ascii_name(name) == in_ascii
    assert name_key(in_ascii) == name_key(in_ascii.upper()) == name


LETTERS = st.characters(categories=["Ll", "Lo", "Mn", "Mc", "Nd"]) | st.sampled_from("ab.+-_'xn\u200c\u00e9")


@given(st.text(LETTERS, min_size=1, max_size=20) | st.text(LETTERS, max_size=8).map(lambda rest: f"xn--{rest}"))
def test_every_name_has_the_key_of_its_ascii_form(local: str) -> None:
    try:
        key = name_key(f"{local}@harbour.example")
    except InvalidSignInName:
        return
    assert ascii_name(key).isascii()
    assert name_key(ascii_name(key)) == name_key(key) == key


def encoded(part: str) -> str:
    return "xn--" + part.encode("punycode").decode()


@pytest.mark.parametrize("part", ["\u00c9lodie", "e\u0301lodie", "\uff41lice", "stra\u00dfe"])
def test_the_ascii_form_of_another_spelling_is_no_name(part: str) -> None:
    with pytest.raises(InvalidSignInName) as caught:
        name_key(f"{encoded(part)}@harbour.example")
    assert caught.value.reason == "alphabet"


@pytest.mark.parametrize("part", ["\u202e\u00e9", "\u2215\u00e9", "\u0301", "\u200c\u00e9"])
def test_the_ascii_form_brings_nothing_in_that_the_alphabet_keeps_out(part: str) -> None:
    with pytest.raises(InvalidSignInName):
        name_key(f"{encoded(part)}@harbour.example")


@pytest.mark.parametrize("local", ["xn--", "xn--a-", "xn--99999999999", "xn--\u00e9"])
def test_what_only_begins_like_an_ascii_form_stays_what_it_is(local: str) -> None:
    assert name_key(f"{local}@harbour.example") == f"{local}@harbour.example"


def test_a_name_whose_ascii_form_is_too_long_for_mail_is_refused() -> None:
    with pytest.raises(InvalidSignInName) as caught:
        name_key("".join(chr(0x4E00 + 197 * number) for number in range(40)) + "@harbour.example")
    assert caught.value.reason == "too_long"
