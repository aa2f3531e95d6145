"""Regular expressions of an operator, read by RE2: they take time in proportion to the text, whatever is in either.

The standard library's can take hours for one line, and what a provider answers is not ours to choose.
"""

from __future__ import annotations

from functools import cache

import re2

LONGEST_PATTERN = 200
_MEMORY = 1 << 20


@cache
def compiled(pattern: str) -> re2._Regexp[str]:
    """Return a pattern that can be searched for; raises ValueError in plain words."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"has more than {LONGEST_PATTERN} characters")
    try:
        return re2.compile(pattern, options=options)
    except re2.error:
        raise ValueError("is no regular expression of RE2 (which has neither look-ahead nor back-references)") from None


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern is somewhere in a text."""
    return compiled(pattern).search(text) is not None


def first_group(pattern: str, text: str) -> str:
    """Return what the group of a pattern holds; empty where the text has none."""
    found = compiled(pattern).search(text)
    return (found.group(1) or "") if found is not None else ""


def check_pattern(name: str, pattern: str, *, groups: int | None = None) -> None:
    """Refuse what is no pattern, or has another number of groups; raises ValueError."""
    try:
        read = compiled(pattern)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None
    if groups is not None and read.groups != groups:
        raise ValueError(f"{name} needs one group in parentheses: what is to be taken")
