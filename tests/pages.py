"""The visible text of a page, without its markup."""

import html
import re


def text(content: bytes) -> str:
    """Return the words of a page with single blanks."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", content.decode())))
