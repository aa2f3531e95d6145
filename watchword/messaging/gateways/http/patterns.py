"""Match an operator's regular expressions by RE2, in linear time for every pattern and text.

The standard library can take hours for one line, and a provider's response is not under our control.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re2

LONGEST_PATTERN = 200
_MEMORY = 1 << 20


@cache
def compiled(pattern: str) -> re2._Regexp[str]:
    """Return a compiled pattern; raises ValueError in plain words."""
    # Installed by the extra `phones`; the web pages that take receipts work without it.
    import re2

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
    """Return whether a pattern matches anywhere in a text."""
    return compiled(pattern).search(text) is not None


def first_group(pattern: str, text: str) -> str:
    """Return the group of a pattern's first match; empty if there is none."""
    found = compiled(pattern).search(text)
    return (found.group(1) or "") if found is not None else ""


def check_pattern(name: str, pattern: str, *, groups: int | None = None) -> None:
    """Raise ValueError for an invalid pattern, or for a wrong number of groups."""
    try:
        read = compiled(pattern)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None
    if groups is not None and read.groups != groups:
        raise ValueError(f"{name} needs one group in parentheses: what is to be taken")
