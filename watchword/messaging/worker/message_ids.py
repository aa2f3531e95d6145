"""The ways in which carriers write one message's name in their answer and in their receipt. Pure."""

from __future__ import annotations

LONGEST = 100


def as_stored(reference: str) -> str:
    """Return a carrier's name for a message as it is stored: a database would choke on what a carrier can send."""
    return "".join(sign for sign in reference if sign.isprintable())[:LONGEST]


def key_of(reference: str) -> str:
    """Return what two spellings have in common: neither letter case nor zeros in front count."""
    return as_stored(reference).casefold().lstrip("0")[:LONGEST]


def keys_of(reference: str) -> set[str]:
    """Return the key of a reference, and of the same number in hexadecimal and in decimal; several SMSCs mix them."""
    key = key_of(reference)
    keys = {key}
    if key.isascii() and key.isdecimal():
        keys.add(f"{int(key):x}")
    if key and all(sign in "0123456789abcdef" for sign in key):
        keys.add(str(int(key, 16))[:LONGEST])
    keys.discard("")
    return keys
