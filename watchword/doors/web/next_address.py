"""Where to go after a sign-in: a page of ours, whatever the address of the page before says."""

import unicodedata
from urllib.parse import unquote

from django.urls import reverse

LONGEST = 1_500


def safe_next(wished: str) -> str:
    """Return a local path with its query; the portal's first page for everything else.

    Browsers read more as an address of another host than RFC 3986 does: backslashes, doubled slashes, control
    characters and blanks, all of them also once decoded.
    """
    home = reverse("portal:home")
    if not wished or len(wished) > LONGEST:
        return home
    for text in (wished, unquote(wished), unquote(unquote(wished))):
        path = text.split("?", maxsplit=1)[0]
        if not path.startswith("/") or path.startswith("//") or "\\" in text or "//" in path:
            return home
        if any(unicodedata.category(character)[0] in "CZ" for character in path):
            return home
    if any(ord(character) < ord("!") or character == "\x7f" for character in wished):
        return home
    return wished
