"""Checks the page to go to after a sign-in, so that it is always a local one (no open redirect)."""

import unicodedata
from urllib.parse import unquote

from django.urls import reverse

LONGEST = 1_500


def safe_next(requested: str) -> str:
    """Return ``wished`` if it is a safe local path with its query, otherwise the portal's first page.

    Browsers take more texts for the URL of another host than RFC 3986 does: with backslashes, doubled slashes, control
    characters or blanks, all of them also percent-encoded.
    """
    home = reverse("portal:home")
    if not requested or len(requested) > LONGEST:
        return home
    for text in (requested, unquote(requested), unquote(unquote(requested))):
        path = text.split("?", maxsplit=1)[0]
        if not path.startswith("/") or path.startswith("//") or "\\" in text or "//" in path:
            return home
        if any(unicodedata.category(character)[0] in "CZ" for character in path):
            return home
    if any(ord(character) < ord("!") or character == "\x7f" for character in requested):
        return home
    return requested
