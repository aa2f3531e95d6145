"""The content of a text message, and what the IVR speaks in each state of a call."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import cache

import gsm0338  # noqa: F401  (registers the codec)
from anyascii import anyascii
from django.conf import settings

from watchword.core.codes import shown_code
from watchword.core.countries import country_name
from watchword.messaging.content.translations import words_of
from watchword.messaging.gateway import Outgoing
from watchword.messaging.voice.ivr import Call, CallState

SEPTETS = 160
"""Length of one text message in the GSM 7-bit alphabet (3GPP TS 23.038)."""
LONGEST_ORGANISATION = 30
MOST_DIGITS = 4
"""Most digits in a name: Route 66 and Studio 1920 are names, more digits could be taken for a code."""
_NEVER_IN_NAMES = dict.fromkeys(map(ord, "@#/\\"), " ")


def text_of(outgoing: Outgoing) -> str:
    """Return the text: the code first, its purpose and origin, "not you?", and the origin-bound last line.

    By the last line telephones offer the code to this host only (WICG, origin-bound one-time codes). The whole fits
    into one text message: parts that don't fit are left out, but never the code. The last line is left out only where
    the host is so long (more than 141 letters) that even the code alone would not fit beside it: a truncated host
    would be another host.
    """
    if outgoing.words:
        return _cut(_without_codes(_one_line(outgoing.words)))
    words = words_of(outgoing.language)
    code = shown_code(outgoing.code)
    first = words.text.format(code=code, organisation=name_in_text(outgoing.organisation) or outgoing.host)
    short = words.text_short.format(code=code)
    purpose = words.purposes.get(outgoing.purpose, "")
    place_name = country_name(outgoing.place, outgoing.language)
    place = words.place.format(place=place_name) if place_name else ""
    last = _bound_line(outgoing.host, outgoing.code)
    for parts in (
        (first, purpose, place, words.not_you),
        (first, place, words.not_you),
        (first, purpose, words.not_you),
        (first, words.not_you),
        (first, words.not_you_short),
        (short, words.not_you_short),
        (short,),
    ):
        text = _one_line(" ".join(part for part in parts if part)) + last
        if septets(text) <= SEPTETS:
            return text
    return f"{code}{last}"


def name_in_text(name: str) -> str:
    """Return an organisation's name as it may appear in a text: short, and never a line, a code or a link."""
    stored = _one_line(name).translate(_NEVER_IN_NAMES)
    # Telephones turn words with a dot between letters into links.
    stored = re.sub(r"(?<=\w)\.(?=\w)", " ", stored)
    if sum(letter.isdigit() for letter in stored) > MOST_DIGITS:
        stored = re.sub(r"\d", "", stored)
    return " ".join(stored.split())[:LONGEST_ORGANISATION].strip()


def _one_line(text: str) -> str:
    return " ".join(in_gsm(" ".join(text.split())).split())


def _without_codes(line: str) -> str:
    """Return a line without codes, so that a telephone offers none to type."""
    return " ".join(re.sub(r"\d(?:[ -]?\d){4,}", "", line.translate(_NEVER_IN_NAMES)).split())


def _cut(line: str) -> str:
    if septets(line) <= SEPTETS:
        return line
    while septets(line) > SEPTETS - 3:
        line = line[:-1]
    return (line.rpartition(" ")[0] or line).rstrip(" .,:;") + "..."


def _bound_line(host: str, code: str) -> str:
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            return ""
    line = f"\n\n@{host} #{code}"
    is_host = re.fullmatch(r"[A-Za-z0-9._:-]+", host) is not None
    return line if is_host and len(shown_code(code)) + septets(line) <= SEPTETS else ""


def septets(text: str) -> int:
    """Return the length of a text in septets; the text must consist of GSM letters."""
    return len(text.encode("gsm03.38"))


def in_gsm(text: str) -> str:
    """Return a text in letters of the GSM alphabet: accents are dropped where necessary, other letters transcribed.

    A letter that can't be transcribed is dropped.
    """
    return "".join(_letter(letter) for letter in unicodedata.normalize("NFC", text))


@cache
def _letter(letter: str) -> str:
    if letter in _TYPED_SO:
        return _TYPED_SO[letter]
    apart = unicodedata.normalize("NFKD", letter)
    # Without its bar, a fraction would become another number.
    plain = "" if "\N{FRACTION SLASH}" in apart else apart.encode("ascii", "ignore").decode()
    is_read_so = unicodedata.name(letter, "").startswith(_TRANSCRIBED) or letter in _CURRENCIES
    transcribed = anyascii(letter) if is_read_so else ""
    for form in (letter, plain, transcribed):
        if form and all(_is_gsm(sign) for sign in form):
            return form
    return ""


_TRANSCRIBED = ("LATIN ", "CYRILLIC ", "GREEK ", "GEORGIAN ", "ARMENIAN ", "VULGAR FRACTION ")
"""Letters with one usual transcription. Other scripts are left out: their letters lack vowels or vary by language."""
_CURRENCIES = frozenset("\u20ac\u20b9\u20ba\u20bd\u20b4")
"""Euro, rupee, lira, rouble and hryvnia; the euro takes two septets of the alphabet, which would make names longer."""
_TYPED_SO = {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-", "\u00a0": " "}


def _is_gsm(sign: str) -> bool:
    try:
        return len(sign.encode("gsm03.38")) == 1 and (sign.isprintable() or sign == "\n")
    except UnicodeEncodeError:
        return False


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence of the IVR: the name of its recording, and its words; a digit is named after itself."""

    name: str
    words: str = field(repr=False)


def said_at(outgoing: Outgoing, call: Call) -> list[Said]:
    """Return the sentences for this state of a call; each digit of the code is one item."""
    words = words_of(outgoing.language)
    digits = [Said(digit, digit) for digit in outgoing.code]
    fraud_key = Said("fraud_key", words.fraud_key)
    hello = [Said("greeting", words.greeting.format(organisation=outgoing.organisation))]
    if outgoing.purpose in words.spoken_purposes:
        hello.append(Said(f"purpose_{outgoing.purpose}", words.spoken_purposes[outgoing.purpose]))
    match call.state:
        case CallState.GREETING if outgoing.words:
            return [*hello[:1], Said("test", outgoing.words)]
        case CallState.GREETING if outgoing.match:
            first = [Said("mismatch", words.mismatch)] if call.wrong else hello
            return [*first, Said("match", words.match), fraud_key]
        case CallState.GREETING:
            return [*hello, Said("press_one", words.press_one), fraud_key]
        case CallState.CODE:
            again, once_more = Said("again", words.again), Said("once_more", words.once_more)
            return [Said("code", words.code), *digits, again, *digits, once_more, fraud_key]
        case CallState.APPROVED:
            return [Said("approved", words.approved)]
        case CallState.MISMATCHED:
            return [Said("goodbye", words.goodbye)]
        case CallState.FRAUD:
            # The sentence promises a mail to the administrators only if mail can be sent at all.
            can_mail = settings.WATCHWORD_CAN_MAIL
            return [Said("thanks", words.thanks) if can_mail else Said("thanks_unmailed", words.thanks_unmailed)]
        case _:
            return []


def spoken_at(outgoing: Outgoing, call: Call) -> list[str]:
    """Return the words of all sentences for this state of a call."""
    return [said.words for said in said_at(outgoing, call)]
