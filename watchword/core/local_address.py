"""Whether a text is an address of the same site, as browsers read it (no open redirect)."""

import unicodedata
from urllib.parse import unquote

LONGEST = 1_500


def is_local_address(requested: str) -> bool:
    """Return whether a text is a local path with its query.

    Browsers take more texts for the URL of another host than RFC 3986 does: with backslashes, doubled slashes, control
    characters or blanks, all of them also percent-encoded.
    """
    if not requested or len(requested) > LONGEST:
        return False
    for text in (requested, unquote(requested), unquote(unquote(requested))):
        path = text.split("?", maxsplit=1)[0]
        if not path.startswith("/") or path.startswith("//") or "\\" in text or "//" in path:
            return False
        if any(unicodedata.category(character)[0] in "CZ" for character in path):
            return False
    return not any(ord(character) < ord("!") or character == "\x7f" for character in requested)
