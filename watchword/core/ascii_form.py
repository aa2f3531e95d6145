"""The ASCII form of a local part, for programs that accept only ASCII (Dovecot 2.3's delivery agents).

Each part between dots and plus signs that holds other letters is encoded like a domain label: ``xn--`` and its Punycode
(RFC 3492). No standard defines this for local parts; only the mail servers of one site see it.
"""

from __future__ import annotations

import re

PREFIX = "xn--"

_BETWEEN = re.compile(r"([.+])")


def ascii_form(local: str) -> str:
    """Return the ASCII form of a normalised local part; an ASCII local part is its own form."""
    return "".join(_encoded(part) for part in _BETWEEN.split(local))


def from_ascii_form(local: str) -> str:
    """Return the local part whose parts were encoded in the ASCII form; a part in any other form stays as it is."""
    return "".join(_decoded(part) for part in _BETWEEN.split(local))


def _encoded(part: str) -> str:
    return part if part.isascii() else PREFIX + part.encode("punycode").decode("ascii")


def _decoded(part: str) -> str:
    if not part.startswith(PREFIX) or not part.isascii():
        return part
    try:
        decoded = part.removeprefix(PREFIX).encode("ascii").decode("punycode")
        # Several spellings can decode to the same text; only the one that ``ascii_form`` makes is valid.
        return decoded if _encoded(decoded) == part else part
    except (ValueError, OverflowError, IndexError):
        return part
