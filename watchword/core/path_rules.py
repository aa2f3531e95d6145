"""Rules for the paths of an app behind a proxy: what a request needs before the proxy lets it through.

One rule is one line, ``NEEDS [METHODS] PATH``, and the first that fits a request decides::

    public GET,HEAD /health
    public /static/
    group:Accounting /books/
    fresh:10 POST /admin/
    signed-in /

A path that ends with a slash stands for everything below it, any other for itself alone. What no rule fits needs a
sign-in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote_to_bytes

MOST_RULES = 100
LONGEST_RULE = 500
LONGEST_PATH = 8_000
LONGEST_FRESH_MINUTES = 7 * 24 * 60
_METHOD = re.compile(r"[A-Z]{3,20}")
_AMBIGUOUS = re.compile(r"%(?:2f|5c|00|25|3b|2e)", re.IGNORECASE)
"""Encoded slashes, backslashes, NUL, percent signs, semicolons and dots: servers disagree about what they stand for."""


class Needs(StrEnum):
    """What a request needs."""

    PUBLIC = "public"
    SIGNED_IN = "signed-in"
    GROUP = "group"
    FRESH = "fresh"


@dataclass(frozen=True, slots=True)
class PathRule:
    """One rule; ``group`` and ``minutes`` belong to the needs of the same name."""

    needs: Needs
    path: str
    methods: frozenset[str] = frozenset()
    """Empty: every method."""
    group: str = ""
    minutes: int = 0

    def fits(self, method: str, path: str) -> bool:
        """Return whether this rule is about a request."""
        if self.methods and method not in self.methods:
            return False
        return path.startswith(self.path) if self.path.endswith("/") else path == self.path


class InvalidRule(ValueError):
    """A line that is no rule: its number from 1, and why, in one word."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(f"line {number}: {why}")
        self.number = number
        self.why = why


SIGNED_IN = PathRule(Needs.SIGNED_IN, "/")
"""What a request needs that no rule fits."""


def read_rules(text: str) -> tuple[PathRule, ...]:
    """Return the rules of a text, one on each line; raise InvalidRule for the first line that is none."""
    rules: list[PathRule] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if len(rules) >= MOST_RULES:
            raise InvalidRule(number, "too_many")
        rules.append(_read(number, line))
    return tuple(rules)


def rule_for(rules: Sequence[PathRule], method: str, path: str) -> PathRule | None:
    """Return the rule that decides about a request; None if the path can be read in several ways.

    Where there are no rules the path makes no difference.
    """
    if not rules:
        return SIGNED_IN
    plain = plain_path(path)
    if plain is None:
        return None
    return next((rule for rule in rules if rule.fits(method, plain)), SIGNED_IN)


def plain_path(target: str) -> str | None:
    """Return the decoded path of a request target (RFC 9112 section 3.2.1); None if it has more than one reading.

    Proxies, app servers and apps differ in how they treat encoded slashes, dot segments, doubled slashes, backslashes
    and path parameters. A request that has any of them could be public to us and secret to the app.
    """
    path = target.partition("?")[0].partition("#")[0]
    if not path.startswith("/") or len(path) > LONGEST_PATH or _AMBIGUOUS.search(path):
        return None
    if "//" in path or "\\" in path or ";" in path:
        return None
    try:
        decoded = unquote_to_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        return None
    if not decoded.isprintable() or {".", ".."} & set(decoded.split("/")):
        return None
    return decoded


def _read(number: int, line: str) -> PathRule:
    words = line.split()
    if len(line) > LONGEST_RULE or len(words) not in {2, 3}:
        raise InvalidRule(number, "form")
    needs, path = words[0], words[-1]
    methods = frozenset(words[1].split(",")) if len(words) == 3 else frozenset()  # noqa: PLR2004  (needs, methods, path)
    if not all(_METHOD.fullmatch(method) for method in methods):
        raise InvalidRule(number, "methods")
    if plain_path(path) != path:
        raise InvalidRule(number, "path")
    word, _, value = needs.partition(":")
    match word:
        case Needs.PUBLIC | Needs.SIGNED_IN if not value:
            return PathRule(Needs(word), path, methods)
        case Needs.GROUP if value:
            return PathRule(Needs.GROUP, path, methods, group=value.replace("_", " "))
        case Needs.FRESH if value.isascii() and value.isdecimal() and 0 < int(value) <= LONGEST_FRESH_MINUTES:
            return PathRule(Needs.FRESH, path, methods, minutes=int(value))
        case _:
            raise InvalidRule(number, "needs")
