"""How sign-in names are normalised: every spelling of one name is one person."""

import re
import unicodedata

import idna

LONGEST_NAME = 254
"""Characters; RFC 5321 section 4.5.3.1.3 (a path of 256 octets less the angle brackets)."""


class NotASignInName(ValueError):
    """The text cannot be a sign-in name; ``reason`` is a machine word for the page to translate."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def name_key(name: str) -> str:
    """Return the one spelling under which a sign-in name is stored and found.

    Compatibility forms (full-width letters), case, surrounding blanks, a trailing dot of the domain and the two
    spellings of an international domain are the same name (Unicode NFKC, RFC 8265 section 3.3, RFC 5891).

    Raises NotASignInName with reason ``empty``, ``too_long``, ``control``, ``no_domain`` or ``domain``.
    """
    if len(name) > 4 * LONGEST_NAME:
        raise NotASignInName("too_long")
    if _PLAIN.fullmatch(name) and len(name) <= LONGEST_NAME:
        return name
    folded = _fold(name)
    if not folded:
        raise NotASignInName("empty")
    if len(folded) > LONGEST_NAME:
        raise NotASignInName("too_long")
    if any(unicodedata.category(character)[0] in "CZ" for character in folded) or _UNSEEN.search(folded):
        raise NotASignInName("control")
    local, at, domain = folded.rpartition("@")
    if not (local and at and domain) or "@" in local:
        raise NotASignInName("no_domain")
    return f"{local}@{domain_key(domain)}"


# Letters and marks by their categories of which nothing is seen (Default_Ignorable_Code_Point, and a blank).
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)

# Most names come in their normal form already: lower-case ASCII without anything to fold, and no IDNA label in it.
_PLAIN = re.compile(r"(?!.*(?:--|-\.|\.-))[a-z0-9._+-]+@[a-z0-9][a-z0-9-]{0,62}(?:\.[a-z0-9][a-z0-9-]{0,62})*(?<!-)")


def domain_key(domain: str) -> str:
    """Return a domain in its lower-case ASCII form (RFC 5891); raises NotASignInName with reason ``domain``."""
    bare = _fold(domain).removesuffix(".")
    try:
        key = idna.encode(bare, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise NotASignInName("domain") from None
    return key.lower()


def _fold(text: str) -> str:
    # Folding can undo normalisation and the other way round; this order is stable (Unicode 3.13, NFKC_Casefold).
    folded = unicodedata.normalize("NFKC", text.strip()).casefold()
    return unicodedata.normalize("NFKC", folded).strip()
