"""The format of security codes and app passwords, and how they are made, shown, normalised and compared."""

from __future__ import annotations

import hmac
import re
import string
import unicodedata
from typing import Protocol

CODE_DIGITS = 6
"""Digits of a security code: 19.9 bits, for which only a few tries are ever allowed."""

APP_PASSWORD_LETTERS = 24
"""Letters of an app password: 24 x log2(26) = 112.8 bits, so that a fast keyed hash may store it (ASVS 5.0, 6.5.2)."""

ACCESS_PASS_LETTERS = 12
"""Characters of a Temporary Access Pass: 12 x log2(30) = 58.9 bits, for which a few tries are allowed."""

LINK_CODE_LETTERS = 24
"""Characters of the code in a one-time link: 24 x log2(30) = 117.8 bits, so that a fast hash may store it."""

_LINK_MAC_LETTERS = 16
"""Those of them that are a MAC where the code also says which row it is about: 78.5 bits, and nothing stored to try."""

LONGEST_TYPED = 1024
"""Characters; a longer text was not typed by a person and is refused before any work is done."""

_LETTERS = frozenset(string.ascii_lowercase)
_UNMISTAKABLE = "abcdefghjkmnpqrstuvwxyz2345678"
"""Characters that are not confused with one another when read out or written down."""


class RandomSource(Protocol):
    """A source of unpredictable values: the system's generator, or a fixed list in a test."""

    def below(self, bound: int) -> int:
        """Return a uniform number from 0 to ``bound`` - 1."""

    def octets(self, length: int) -> bytes:
        """Return ``length`` unpredictable octets."""


def new_code(random_source: RandomSource, digits: int = CODE_DIGITS) -> str:
    """Return a security code; leading zeros are retained, and every value is equally likely."""
    return f"{random_source.below(10**digits):0{digits}d}"


def normal_code(typed: str) -> str | None:
    """Return the digits of a typed code, or None if it doesn't have the form of a code.

    Blanks, dashes and the digits of other scripts are accepted: there is one normal form, made before any comparison or
    record, so that a used code has no second spelling (PyPI audit 2026, TOTP replay). If a whole message was pasted,
    the code is its only run of six digits, optionally after a letter and a dash (``G-123456``).
    """
    if len(typed) > LONGEST_TYPED:
        return None
    folded = unicodedata.normalize("NFKC", typed)
    digits = _digits(folded)
    if digits is None:
        runs = {_digits(run) for run in _RUNS.findall(folded)}
        found = {run for run in runs if run is not None and len(run) == CODE_DIGITS}
        digits = found.pop() if len(found) == 1 else ""
    return digits if len(digits) == CODE_DIGITS else None


# Digits, optionally with single blanks or dashes between them, separate from other words and from what makes them
# another number (+49…, 1/2, 3.5); messages end with the code after "#", which phones recognise (origin-bound codes).
_RUNS = re.compile(
    r"""(?<![^\s#:("'„“«\u2018>\[])(?:[A-Za-z]-)?(\d(?:[ \-\u2010-\u2014]?\d)*)(?![^\s.,;:!?)"'“”»\u2019<\]])"""
)


def _digits(text: str) -> str | None:
    """Return the digits of a text that otherwise has only blanks and dashes; None for any other text."""
    digits = []
    for character in text:
        if character.isspace() or unicodedata.category(character) == "Pd":
            continue
        value = unicodedata.decimal(character, None)
        if value is None:
            return None
        digits.append(str(int(value)))
    return "".join(digits)


def shown_code(code: str) -> str:
    """Return a code in the form for display: ``123 456``."""
    return f"{code[:3]} {code[3:]}"


def new_app_password(random_source: RandomSource) -> str:
    """Return the letters of a new app password, in their normal form."""
    return "".join(string.ascii_lowercase[random_source.below(26)] for _ in range(APP_PASSWORD_LETTERS))


def normal_app_password(typed: str) -> str | None:
    """Return the letters of a typed app password, or None if it doesn't have the form of one.

    Only case, blanks and hyphens are ignored. A text of this form is looked up and never reaches the slow hash of
    account passwords.
    """
    if len(typed) > LONGEST_TYPED:
        return None
    letters = "".join(typed.split()).replace("-", "").lower()
    if len(letters) != APP_PASSWORD_LETTERS or not _LETTERS.issuperset(letters):
        return None
    return letters


def shown_app_password(letters: str) -> str:
    """Return an app password as it is shown once: six groups of four letters."""
    return " ".join(letters[start : start + 4] for start in range(0, len(letters), 4))


def new_access_pass(random_source: RandomSource, length: int = ACCESS_PASS_LETTERS) -> str:
    """Return a new Temporary Access Pass in its normal form."""
    return "".join(_UNMISTAKABLE[random_source.below(len(_UNMISTAKABLE))] for _ in range(length))


def normal_access_pass(typed: str) -> str | None:
    """Return the characters of a typed Temporary Access Pass, or None if it doesn't have the form of one.

    Case, blanks and hyphens are ignored, as in app passwords.
    """
    if len(typed) > LONGEST_TYPED:
        return None
    signs = "".join(typed.split()).replace("-", "").lower()
    is_shaped = len(signs) in {ACCESS_PASS_LETTERS, LINK_CODE_LETTERS} and set(_UNMISTAKABLE).issuperset(signs)
    return signs if is_shaped else None


def shown_access_pass(signs: str) -> str:
    """Return a Temporary Access Pass as it is shown once: three groups of four."""
    return "-".join(signs[start : start + 4] for start in range(0, len(signs), 4))


def new_link_code(random_source: RandomSource) -> str:
    """Return the code of a new one-time link in its normal form."""
    return new_access_pass(random_source, LINK_CODE_LETTERS)


def numbered_link_code(number: int, mac: bytes) -> str:
    """Return a link's code that holds the number of a row and a MAC of it; raise OverflowError if it is too large."""
    letters = []
    base = len(_UNMISTAKABLE)
    if not 0 <= number < base ** (LINK_CODE_LETTERS - _LINK_MAC_LETTERS):
        raise OverflowError(number)
    # A MAC of 256 bits is so much longer than the letters hold that the remainder is practically uniform.
    value = number * base**_LINK_MAC_LETTERS + int.from_bytes(mac) % base**_LINK_MAC_LETTERS
    for _ in range(LINK_CODE_LETTERS):
        value, letter = divmod(value, base)
        letters.append(_UNMISTAKABLE[letter])
    return "".join(reversed(letters))


def number_in_link_code(code: str) -> int:
    """Return the number in a code of this kind, given in its normal form. The caller compares the whole code."""
    number = 0
    for letter in code[: LINK_CODE_LETTERS - _LINK_MAC_LETTERS]:
        number = number * len(_UNMISTAKABLE) + _UNMISTAKABLE.index(letter)
    return number


def normal_link_code(typed: str) -> str | None:
    """Return the characters of a link's code, or None if a text doesn't have the form of one.

    Case, blanks and hyphens are ignored, as in passes. If a whole link was pasted, the code is what follows its "#".
    """
    signs = normal_access_pass(typed[:LONGEST_TYPED].rpartition("#")[2])
    return signs if signs is not None and len(signs) == LINK_CODE_LETTERS else None


def shown_link_code(code: str) -> str:
    """Return a link's code as links and messages show it: six groups of four, joined by hyphens."""
    return shown_access_pass(code)


def same(known: bytes, shown: bytes) -> bool:
    """Compare two values in constant time."""
    return hmac.compare_digest(known, shown)
