"""What a text message says, and what the voice attendant speaks at each point of a call."""

from __future__ import annotations

import unicodedata
from functools import cache

import gsm0338  # noqa: F401  (registers the codec)
import phonenumbers
from phonenumbers.geocoder import country_name_for_number

from watchword.core.codes import shown_code
from watchword.delivery.channel import Outgoing
from watchword.delivery.voice.attendant import Call, CallState
from watchword.delivery.words import words_of

SEPTETS = 160
"""What one text message holds in the GSM alphabet (3GPP TS 23.038)."""
LONGEST_ORGANISATION = 30


def text_of(outgoing: Outgoing) -> str:
    """Return the text: the code first, what it is for and where it was asked for, "not you?", the bound last line.

    The last line lets telephones offer the code to this host only (WICG, origin-bound one-time codes). The whole fits
    into one text message: what there is no room for is left out, the code and the bound line never.
    """
    if outgoing.words:
        return in_gsm(outgoing.words)
    words = words_of(outgoing.language)
    organisation = " ".join(in_gsm(outgoing.organisation).split())[:LONGEST_ORGANISATION].strip()
    code = shown_code(outgoing.code)
    first = words.text.format(code=code, organisation=organisation or outgoing.host)
    purpose = words.purposes.get(outgoing.purpose, "")
    place_name = country_name(outgoing.place, outgoing.language)
    place = words.place.format(place=place_name) if place_name else ""
    last = f"\n\n@{outgoing.host} #{outgoing.code}"
    for parts in (
        (first, purpose, place, words.not_you),
        (first, place, words.not_you),
        (first, purpose, words.not_you),
        (first, words.not_you),
        (first, words.not_you_short),
        (words.text.format(code=code, organisation="").replace("  ", " "), words.not_you_short),
        (f"{code}.",),
    ):
        text = in_gsm(" ".join(part for part in parts if part)) + last
        if septets(text) <= SEPTETS:
            return text
    return f"{code}{last}"


def septets(text: str) -> int:
    """Return how many septets a text takes in the GSM alphabet, which it must be written in."""
    return len(text.encode("gsm03.38"))


def in_gsm(text: str) -> str:
    """Return the text in letters of the GSM alphabet: accents go where they must, what is left over is dropped."""
    return "".join(_letter(letter) for letter in unicodedata.normalize("NFC", text))


@cache
def _letter(letter: str) -> str:
    if letter in _TYPED_SO:
        return _TYPED_SO[letter]
    for form in (letter, unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()):
        if form and all(_is_gsm(sign) for sign in form):
            return form
    return ""


_TYPED_SO = {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-", "\u00a0": " "}


def _is_gsm(sign: str) -> bool:
    try:
        return len(sign.encode("gsm03.38")) == 1 and (sign.isprintable() or sign == "\n")
    except UnicodeEncodeError:
        return False


@cache
def country_name(code: str, language: str) -> str:
    """Return the name of a country (ISO 3166-1) in a language; empty where it isn't known."""
    example = phonenumbers.example_number(code) if code else None
    return country_name_for_number(example, language.split("-", maxsplit=1)[0] or "en") if example is not None else ""


def spoken_at(outgoing: Outgoing, call: Call) -> list[str]:
    """Return what the attendant says at this point of a call, sentence by sentence; a digit stands alone."""
    words = words_of(outgoing.language)
    digits = list(outgoing.code)
    hello = words.greeting.format(organisation=outgoing.organisation)
    match call.state:
        case CallState.GREETING if outgoing.match:
            return [words.mismatch if call.wrong else hello, words.match, words.fraud_key]
        case CallState.GREETING:
            return [hello, words.press_one, words.fraud_key]
        case CallState.CODE:
            return [words.code, *digits, words.again, *digits, words.once_more, words.fraud_key]
        case CallState.APPROVED:
            return [words.approved]
        case CallState.MISMATCHED:
            return [words.goodbye]
        case CallState.FRAUD:
            return [words.thanks]
        case _:
            return []
