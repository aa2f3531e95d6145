"""The letters of a sign-in name, the spellings of one domain, and the characters stripped from a copied name."""

import unicodedata

import pytest

from watchword.core.usernames import (
    RESERVED,
    SIGNS,
    InvalidSignInName,
    domain_key,
    is_name_key,
    is_printable,
    name_key,
    speaks_for_the_domain,
    without_detail,
)

ALIREZA = "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627"
"""A Persian given name, spelt with a zero width non-joiner."""


def reason(name: str) -> str:
    with pytest.raises(InvalidSignInName) as caught:
        name_key(name)
    return caught.value.reason


@pytest.mark.parametrize("sign", SIGNS)
def test_each_sign_of_the_alphabet_may_stand_inside_a_name(sign: str) -> None:
    assert name_key(f"a{sign}b@harbour.example") == f"a{sign}b@harbour.example"


@pytest.mark.parametrize(
    "local",
    [
        "o'brien",
        "\u00e9lodie.l\u00e9ger",
        "\u5c71\u7530",
        "\u0430\u043d\u043d\u0430",
        ALIREZA,
        "\u0915\u094d\u200d\u0937",
        "agent007",
        "\u0e2a\u0e21\u0e28\u0e23\u0e35",
    ],
)
def test_letters_of_any_script_with_their_marks_and_joiners_are_names(local: str) -> None:
    assert name_key(f"{local}@harbour.example") == f"{local}@harbour.example"


@pytest.mark.parametrize(
    "sign",
    sorted(
        set(map(chr, range(0x21, 0x7F)))
        - set(SIGNS)
        - {"@"}
        - set(map(chr, (*range(0x30, 0x3A), *range(0x41, 0x5B), *range(0x61, 0x7B))))
    ),
)
def test_no_other_sign_of_ascii_is_in_the_alphabet(sign: str) -> None:
    assert reason(f"a{sign}b@harbour.example") == "alphabet"


@pytest.mark.parametrize(
    "local",
    [
        "../harbour.example/root",
        "*",
        "?oot",
        "-f",
        ".alice",
        "alice.",
        "al..ice",
        "+news",
        "%d",
        "\u0301alice",
        "a\u20dd",
        "a1\u0301",
        "\U0001f600",
        "\u2460\u20e3",
        "al\u200cice",
        "al\u200dice",
        "\u2044etc",
        "a\uff0fb",
        "a\u2025b",
    ],
)
def test_paths_masks_variables_and_lonely_marks_are_no_names(local: str) -> None:
    assert reason(f"{local}@harbour.example") == "alphabet"


def test_a_local_part_has_at_most_64_characters() -> None:
    assert name_key(f"{'a' * 64}@harbour.example")
    assert reason(f"{'a' * 65}@harbour.example") == "too_long"
    assert reason(f"{chr(0x5C71) * 65}@harbour.example") == "too_long"


@pytest.mark.parametrize(
    "domain",
    [
        "stra\u00dfe.example",
        "\u03bb\u03cc\u03b3\u03bf\u03c2.example",
        "b\u00fccher.example",
        "\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.example",
    ],
)
def test_the_unicode_form_and_the_a_label_of_a_domain_have_one_key(domain: str) -> None:
    key = domain_key(domain)
    assert key.startswith("xn--")
    assert domain_key(key) == domain_key(key.upper()) == domain_key(unicodedata.normalize("NFD", domain)) == key


def test_a_sharp_s_is_not_ss_in_a_domain() -> None:
    assert domain_key("stra\u00dfe.example") == "xn--strae-oqa.example"
    assert domain_key("strasse.example") == "strasse.example"


@pytest.mark.parametrize(
    "domain", ["a\u200cb.example", "harbour..example", "har_bour.example", ".example", "-a.example", "[127.0.0.1]"]
)
def test_what_dns_can_not_have_is_no_domain(domain: str) -> None:
    assert reason(f"alice@{domain}") == "domain"


@pytest.mark.parametrize(
    "typed",
    [
        "\u200balice@harbour.example",
        "\u202aalice@harbour.example\u202c",
        "\ufeffalice@harbour.example",
        "<alice@harbour.example>",
        "mailto:alice@harbour.example",
        " <MAILTO:alice@harbour.example>\u2069 ",
        "Alice Ahlberg <alice@harbour.example>",
        '"Ahlberg, Alice" <alice@harbour.example>;',
        "alice@harbour.example;",
        "alice@harbour.example, ",
        "\u00a0alice@harbour.example\u3000",
    ],
)
def test_what_came_along_with_a_copied_name_is_taken_off(typed: str) -> None:
    assert name_key(typed) == "alice@harbour.example"


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("ali\u200bce@harbour.example", "control"),
        ("ali<ce@harbour.example", "alphabet"),
        ("<alice@harbour.example", "alphabet"),
        ("<>", "empty"),
        (";", "empty"),
        ("alice@harbour.example <mallory@harbour.example>", "control"),
        ("alice@harbour.example; bob@harbour.example", "control"),
        ("Alice <ali<ce@harbour.example>", "control"),
        ("mailto:", "empty"),
    ],
)
def test_unseen_signs_and_brackets_inside_a_name_are_refused(typed: str, why: str) -> None:
    assert reason(typed) == why


def test_a_name_is_in_its_one_spelling_or_not() -> None:
    assert is_name_key("alice@harbour.example")
    for other in ("Alice@harbour.example", "<alice@harbour.example>", "*@harbour.example", "alice", ""):
        assert not is_name_key(other)


def test_what_stands_before_the_delimiter_is_whose_mail_it_is() -> None:
    assert without_detail("alice+news+more@harbour.example") == "alice@harbour.example"
    assert without_detail("alice@harbour.example") == "alice@harbour.example"


def test_names_that_speak_for_a_domain_are_known_in_every_dress() -> None:
    for local in (*RESERVED, "postmaster+x", "p\u043estmaster", "abu5e".replace("5", "s")):
        assert speaks_for_the_domain(f"{local}@harbour.example")
    for local in ("root", "alice", "postmasters", "my-abuse"):
        assert not speaks_for_the_domain(f"{local}@harbour.example")


def test_a_joiner_can_be_shown_where_the_script_needs_it_only() -> None:
    assert is_printable(f"{ALIREZA} \u0627\u062d\u0645\u062f\u06cc")
    for text in ("al\u200cice", "\u200d", "a\u200bb", "a\u202eb", "tab\t"):
        assert not is_printable(text)
