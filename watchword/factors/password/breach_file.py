"""Looks a password up in a file of known ones, without asking anybody else: SHA-1 in hexadecimal, one a line, sorted.

That is the form in which Pwned Passwords can be downloaded (``HASH:count``, ordered by hash; 40 GB for all of them). A
shorter file of the most frequent ones does as well.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

_HEX_DIGITS = 40


def is_breached(password: str, file: Path) -> bool:
    """Whether the file has the password; about 40 reads, found by bisection. Raises OSError where it can't be read."""
    # Not to keep a secret: it is the form of the file.
    wanted = hashlib.sha1(password.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest().upper().encode()
    with file.open("rb") as lines:
        low, high = 0, file.stat().st_size
        # The line that begins at or behind low is the first that may be the one; none that begins behind high is.
        while low < high:
            middle = (low + high) // 2
            lines.seek(middle)
            if middle:
                lines.readline()
            line = lines.readline()
            if line and line[:_HEX_DIGITS].upper() < wanted:
                low = middle + 1
            else:
                high = middle
        lines.seek(low)
        if low:
            lines.readline()
        return lines.readline()[:_HEX_DIGITS].upper() == wanted


def why_not_usable(file: Path) -> str:
    """Return what is wrong with the form of a file; empty where nothing is, as far as its beginning shows."""
    try:
        with file.open("rb") as lines:
            first = [lines.readline()[:_HEX_DIGITS].upper() for _ in range(100)]
    except OSError as error:
        return f"it can't be read ({type(error).__name__})"
    found = [line for line in first if line]
    if not found or any(len(line) != _HEX_DIGITS or set(line) - set(b"0123456789ABCDEF") for line in found):
        return "its lines don't begin with a SHA-1 in 40 hexadecimal digits"
    return "" if found == sorted(found) else "its lines are not sorted"
