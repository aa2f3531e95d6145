"""Compare message ids, which a gateway may write differently in its response and in its receipt. Pure."""

from __future__ import annotations

LONGEST = 100


def as_stored(reference: str) -> str:
    """Return a message id as it is stored: without unprintable characters, which a database may reject, and cut."""
    return "".join(sign for sign in reference if sign.isprintable())[:LONGEST]


def key_of(reference: str) -> str:
    """Return the form in which two spellings are equal: letter case and leading zeros are ignored."""
    return as_stored(reference).casefold().lstrip("0")[:LONGEST]


def keys_of(reference: str) -> set[str]:
    """Return the keys of a message id and of its hexadecimal or decimal equivalent; several SMSCs mix the two."""
    key = key_of(reference)
    keys = {key}
    if key.isascii() and key.isdecimal():
        keys.add(f"{int(key):x}")
    if key and all(sign in "0123456789abcdef" for sign in key):
        keys.add(str(int(key, 16))[:LONGEST])
    keys.discard("")
    return keys
