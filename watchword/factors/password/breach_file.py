"""Looks a password up in a local file of breached ones: SHA-1 hashes in hexadecimal, one on each line, sorted.

This is the format of the Pwned Passwords download (``HASH:count``, ordered by hash; 40 GB for all of them). A shorter
file of the most frequent ones works too.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

_HEX_DIGITS = 40


def is_breached(password: str, file: Path) -> bool:
    """Return whether the file contains the password: by binary search, about 40 reads. Raises OSError if it fails."""
    # SHA-1 protects no secret here: it is the format of the file.
    wanted = hashlib.sha1(password.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest().upper().encode()
    with file.open("rb") as lines:
        low, high = 0, file.stat().st_size
        # The wanted line, if it exists, begins after low (or at 0), and is at the latest the first that begins after
        # high.
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
    """Return what is wrong with the format of a file; empty if nothing is, as far as its first 100 lines show."""
    try:
        with file.open("rb") as lines:
            first = [lines.readline()[:_HEX_DIGITS].upper() for _ in range(100)]
    except OSError as error:
        return f"it can't be read ({type(error).__name__})"
    found = [line for line in first if line]
    if not found or any(len(line) != _HEX_DIGITS or set(line) - set(b"0123456789ABCDEF") for line in found):
        return "its lines don't begin with a SHA-1 in 40 hexadecimal digits"
    return "" if found == sorted(found) else "its lines are not sorted"
