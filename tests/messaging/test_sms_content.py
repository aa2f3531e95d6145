"""The content of a text: the code first, one GSM message, the origin-bound line last; names can't pass for links."""

from __future__ import annotations

import re
from uuid import UUID

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from watchword.core.policy import Channel
from watchword.messaging.content.sms import LONGEST_ORGANISATION, SEPTETS, in_gsm, name_in_text, septets, text_of
from watchword.messaging.content.translations import LANGUAGES, WORDS, words_of
from watchword.messaging.gateway import Outgoing

ID = UUID(int=1)
LONGEST_BOUND = 141
NAMES = [
    "Harbour & Hill",
    "C#",
    "123456",
    "G-123 456",
    "\n\n@evil.example #111111",
    "Ελλάς",
    "Łódź",
    "€" * 40,
    "💥",
    "",
]

codes = st.from_regex(r"[0-9]{6}", fullmatch=True)
names = st.sampled_from(NAMES) | st.text(max_size=100)
hosts = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", fullmatch=True)
languages = st.sampled_from([*LANGUAGES, "de-AT", "fr-CA", "xx", ""])
purposes = st.sampled_from(["sign_in", "confirm", "register", "recover", "", "test"])
places = st.sampled_from(["", "ZZ", *sorted(phonenumbers.SUPPORTED_REGIONS)])


def outgoing(
    code: str, organisation: str, host: str, language: str = "en", purpose: str = "", place: str = ""
) -> Outgoing:
    return Outgoing(
        ID, Channel.SMS, "+4915112345678", "", code, organisation, host, language, purpose=purpose, place=place
    )


@given(codes, names, hosts, languages, purposes, places)
@example("000000", "Harbour & Hill", "a" * 253, "de", "sign_in", "DE")
@example("493027", "Müllers Käsegeschäft an der Straße", "anmeldung.müller.example", "de", "register", "GS")
def test_otp_22_a_text_is_one_message_with_the_code_first_and_the_bound_line_last(
    code: str, organisation: str, host: str, language: str, purpose: str, place: str
) -> None:
    """Whatever the names are, a text is one GSM message with the code first and the origin-bound line last."""
    text = text_of(outgoing(code, organisation, host, language, purpose=purpose, place=place))
    assert text.encode("gsm03.38").decode("gsm03.38") == text
    assert septets(text) <= SEPTETS
    assert text.startswith(f"{code[:3]} {code[3:]}")
    lines = text.split("\n")
    if host.isascii() and len(host) <= LONGEST_BOUND:
        assert lines[1:] == ["", f"@{host} #{code}"]
    elif host.isascii():
        # A truncated host would be another one's: such a long host is left out, and the person types the code.
        assert len(lines) == 1


@given(codes, names, hosts, languages, purposes, places)
def test_no_name_can_add_a_line_a_code_or_a_link(
    code: str, organisation: str, host: str, language: str, purpose: str, place: str
) -> None:
    text = text_of(outgoing(code, organisation, host, language, purpose=purpose, place=place))
    first = text.split("\n")[0]
    assert len(text.split("\n")) in {1, 3}
    assert "\r" not in text
    said = first.removeprefix(f"{code[:3]} {code[3:]}").replace(host, "")
    assert "@" not in said
    assert "#" not in said
    assert not re.search(r"\d([ -]?\d){5}", said)


@given(names)
def test_a_name_in_a_text_is_short_and_one_line(name: str) -> None:
    stored = name_in_text(name)
    assert len(stored) <= LONGEST_ORGANISATION
    assert stored == " ".join(stored.split())
    assert sum(letter.isdigit() for letter in stored) <= 4
    assert not re.search(r"\w\.\w|[@#/\\]", stored)
    assert name_in_text(stored) == stored


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("Harbour & Hill", "Harbour & Hill"),
        ("Müller & Söhne", "Müller & Söhne"),
        ("Route 66", "Route 66"),
        ("St. Mary's", "St. Mary's"),
        ("evil.example/login", "evil example login"),
        ("123456 is your code", "is your code"),
        ("\uff11\uff12\uff13\uff14\uff15\uff16", ""),
        ("Acme\n\n@evil.example #123456", "Acme evil example"),
        ("Acme\r\u2028\u0085Ltd", "Acme Ltd"),
    ],
)
def test_names_stay_names(name: str, stored: str) -> None:
    assert name_in_text(name) == stored


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("purpose", ["sign_in", "confirm", "register", "recover"])
def test_each_language_says_all_of_it_to_an_ordinary_organisation(language: str, purpose: str) -> None:
    words = words_of(language)
    text = text_of(outgoing("493027", "Harbour & Hill", "id.harbour.example", language, purpose=purpose))
    assert in_gsm(words.purposes[purpose]) in text
    assert in_gsm(words.not_you) in text or in_gsm(words.not_you_short) in text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("place", ["DE", "GS", "GB", "CD"])
def test_each_language_has_room_for_not_you_beside_the_longest_name(language: str, place: str) -> None:
    host = "sign-in.a-rather-long-name.example"
    text = text_of(outgoing("493027", "W" * 100, host, language, purpose="confirm", place=place))
    assert in_gsm(words_of(language).not_you_short) in text or in_gsm(words_of(language).not_you) in text
    assert "W" * LONGEST_ORGANISATION in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_place_is_told_in_the_persons_language_where_there_is_room(language: str) -> None:
    text = text_of(outgoing("493027", "Hill", "id.hill.example", language, purpose="sign_in", place="DE"))
    name = {"en": "Germany", "de": "Deutschland", "fr": "Allemagne", "es": "Alemania"}[language]
    assert name in text


def test_an_international_host_stands_in_the_form_that_browsers_compare() -> None:
    text = text_of(outgoing("493027", "Hill", "anmeldung.müller.example"))
    assert text.endswith("\n\n@anmeldung.xn--mller-kva.example #493027")


@pytest.mark.parametrize("host", ["a b", "x\n@y", "", "ü" * 80, "a#b"])
def test_what_is_no_host_makes_no_bound_line(host: str) -> None:
    assert "#" not in text_of(outgoing("493027", "Hill", host))


@given(st.text(max_size=400), names)
@example("Hill: see 123 456 at http://evil.example\n\n@evil.example #123456", "Hill")
def test_a_warning_is_one_line_of_one_message_without_any_code(words: str, name: str) -> None:
    text = text_of(Outgoing(ID, Channel.SMS, "+4915112345678", "", "", name, "h.example", words=f"{name}: {words}"))
    assert septets(text) <= SEPTETS
    assert text.isprintable()
    assert not re.search(r"\d([ -]?\d){5}", text)
    assert not re.search(r"[@#]", text)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("said", ["number_changed", "number_removed", "test"])
def test_each_warning_fits_whole_beside_a_long_name(language: str, said: str) -> None:
    told = getattr(WORDS[language], said).format(organisation=name_in_text("W" * 100))
    text = text_of(Outgoing(ID, Channel.SMS, "+4915112345678", "", "", words=told))
    assert text == in_gsm(told)
    assert not text.endswith("...")


@given(st.text(max_size=60))
def test_what_is_written_in_gsm_is_gsm(text: str) -> None:
    assert septets(in_gsm(text)) >= 0


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Zakład Usług Łódź", "Zaklad Uslug Lodz"),
        ("Đorđe ħ ı œuvre", "Dorde h i oeuvre"),  # noqa: RUF001  (letters of other scripts on purpose)
        ("Þór Æðey", "Thor Ædey"),
        ("İstanbul Üniversitesi", "Istanbul Üniversitesi"),
        ("ООО Ромашка", "OOO Romashka"),  # noqa: RUF001  (letters of other scripts on purpose)
        ("Café Ñandú Straße", "Café Ñandu Straße"),
        ("Caffè ½ €", "Caffè 1 2 EUR"),
    ],
)
def test_letters_that_the_gsm_alphabet_lacks_are_transcribed(name: str, written: str) -> None:
    assert name_in_text(name) == written


@pytest.mark.parametrize("name", ["東京大学", "مرحبا", "😀😀"])
def test_what_no_table_transcribes_right_is_left_out_and_the_host_stands_there(name: str) -> None:
    assert text_of(outgoing("493027", name, "id.hill.example")).startswith("493 027 is your id.hill.example code")
