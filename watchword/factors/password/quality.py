"""Estimates how easily a new password is guessed, also without the words that an attacker would try first.

zxcvbn splits a text into common passwords and words, names, keyboard rows, repeats, sequences, dates and substitutions
(``P@ssw0rd1``), and estimates how many guesses the cheapest attack needs.
"""

from __future__ import annotations

from collections.abc import Sequence

from zxcvbn_rs_py import zxcvbn

FEWEST_GUESSES = 10**8
"""As many as eight characters without any pattern need; sources are throttled after some ten guesses."""

FEWEST_GUESSES_ALONE = 10**10
"""For a password that is not combined with a second factor: typing a weak one twice doesn't make it strong."""

FEWEST_GUESSES_WITHOUT_CONTEXT = 10**6
"""For what remains of a password without the words of person and organisation."""

PRODUCT = "watchword"

_LONGEST_LOOKED_AT = 128
"""Characters that are analysed; repeats show long before."""

_SHORTEST_WORD = 4

# Characters that replace letters; i, l and their substitutes are one, as 1 stands for either.
_DRESSED = {
    "0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "@": "a", "$": "s", "!": "i", "|": "i",
    "l": "i", "€": "e", "ä": "a", "ö": "o", "ü": "u",
}  # fmt: skip


def is_too_common(password: str, context_words: Sequence[str], *, stands_alone: bool) -> bool:
    """Return whether a password is among the first that an attacker would try."""
    return _guesses(password, context_words) < (FEWEST_GUESSES_ALONE if stands_alone else FEWEST_GUESSES)


def is_mostly_context(password: str, context_words: Sequence[str]) -> bool:
    """Return whether little remains without the words of person, organisation and product, substitutions included."""
    rest = password
    for word in sorted({PRODUCT, *context_words}, key=len, reverse=True):
        if len(word) >= _SHORTEST_WORD:
            rest = _without(rest, word)
    return rest != password and _guesses(rest, context_words) < FEWEST_GUESSES_WITHOUT_CONTEXT


def _guesses(password: str, context_words: Sequence[str]) -> int:
    words = [PRODUCT, *(word.casefold() for word in context_words)]
    return zxcvbn(password[:_LONGEST_LOOKED_AT], words).guesses if password else 0


def _without(password: str, word: str) -> str:
    """Return a password without every occurrence of a word."""
    shown, looked_for = _undressed(password), _undressed(word)
    while (start := shown.find(looked_for)) >= 0:
        end = start + len(looked_for)
        password, shown = password[:start] + password[end:], shown[:start] + shown[end:]
    return password


def _undressed(text: str) -> str:
    """Return a text with one plain lower-case letter for each of its characters."""
    return "".join(_DRESSED.get(letter, letter) for letter in (character.lower()[:1] for character in text))
