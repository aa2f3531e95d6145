"""Normalisation of sign-in names: every spelling of a name is the same person, and the alphabet is closed."""

import re
import unicodedata
from functools import lru_cache

import idna

from watchword.core.ascii_form import ascii_form, from_ascii_form
from watchword.core.confusables import looks

LONGEST_NAME = 254
"""Characters; RFC 5321 section 4.5.3.1.3 (a path of 256 octets less the angle brackets)."""

LONGEST_LOCAL_PART = 64
"""Characters, also of the ASCII form; RFC 5321 section 4.5.3.1.1. Short enough for a folder name, in any script."""

SIGNS = "._-+'&=~^#"
"""What a local part may contain besides letters, their marks and digits; see ADR 0045."""

DELIMITER = "+"
"""Mail for ``alice+news`` goes to ``alice`` (RFC 5233), so the part before it must not belong to another person."""

RESERVED = frozenset(
    {"postmaster", "abuse", "hostmaster", "webmaster", "mailer-daemon", "noc", "security", "admin", "administrator"}
)
"""Local parts with authority over a whole domain: RFC 2142, RFC 5321 section 4.5.1, and those to which a certificate
authority writes before it issues for the domain (CA/Browser Forum, Baseline Requirements 3.2.2.4.4)."""


class InvalidSignInName(ValueError):
    """The text cannot be a sign-in name; ``reason`` is a code for the page to translate."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def name_key(name: str) -> str:
    """Return the normal form under which a sign-in name is stored and found.

    Compatibility forms (full-width letters), case, a trailing dot of the domain and the two spellings of an
    international domain are the same name (Unicode NFKC, RFC 8265 section 3.3, RFC 5891); so are the ASCII form of a
    local part, and anything that ``without_wrapping`` removes.

    Raises InvalidSignInName, reason ``empty``, ``too_long``, ``control``, ``alphabet``, ``no_domain`` or ``domain``.
    """
    if len(name) > 4 * LONGEST_NAME:
        raise InvalidSignInName("too_long")
    if _PLAIN.fullmatch(name) and len(name) <= LONGEST_NAME:
        return name
    unfolded = unicodedata.normalize("NFKC", without_wrapping(name))
    if not unfolded:
        raise InvalidSignInName("empty")
    if len(unfolded) > LONGEST_NAME:
        raise InvalidSignInName("too_long")
    if any(_is_unseen(character) and character not in JOINERS for character in unfolded):
        raise InvalidSignInName("control")
    local, at, domain = unfolded.rpartition("@")
    if not (local and at and domain) or "@" in local:
        raise InvalidSignInName("no_domain")
    local = from_ascii_form(_fold(local))
    if len(local) > LONGEST_LOCAL_PART or len(ascii_form(local)) > LONGEST_LOCAL_PART:
        raise InvalidSignInName("too_long")
    # The ASCII form can encode unfolded text; a key must always be in normal form.
    if local != _fold(local) or not _is_in_alphabet(local):
        raise InvalidSignInName("alphabet")
    return f"{local}@{domain_key(domain)}"


def domain_key(domain: str) -> str:
    """Return a domain in its lower-case ASCII form (IDNA 2008, RFC 5891), equal for A-label and Unicode form.

    The sharp s is not converted to ss here, nor the final sigma to a sigma: those are other domains. Raises
    InvalidSignInName with reason ``domain``.
    """
    try:
        key = idna.encode(without_wrapping(domain), uts46=True, transitional=False).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        raise InvalidSignInName("domain") from None
    key = key.removesuffix(".")
    if not _HOST.fullmatch(key):
        raise InvalidSignInName("domain")
    return key


def without_wrapping(typed: str) -> str:
    """Return a typed or pasted name without the decoration that address books and mail programs add.

    That is: blanks and invisible characters, ``<>`` with the display name before it (RFC 5322 section 3.4),
    ``mailto:``, and the separator of addresses after the only one.
    """
    start, end = 0, len(typed)
    while True:
        while start < end and _is_unseen(typed[start]):
            start += 1
        while start < end and (_is_unseen(typed[end - 1]) or typed[end - 1] in _BETWEEN_ADDRESSES):
            end -= 1
        opening = typed.rfind("<", start, end)
        if typed[start:end][:7].casefold() == "mailto:":
            start += 7
        elif opening >= 0 and typed[end - 1] == ">" and not {"<", "@"} & set(typed[start:opening]):
            # Refuse a display name that looks like an address itself: it would be a guess which address was meant.
            start, end = opening + 1, end - 1
        else:
            return typed[start:end]


def with_domain(name: str, default: str) -> str:
    """Return a typed name with the default domain if it has none; unchanged if there is no default."""
    typed = without_wrapping(name)
    return f"{typed}@{default}" if default and typed and "@" not in typed else name


def shown_name(name: str) -> str:
    """Return a sign-in name as it is stored for display: as typed, without wrapping, composed (NFC)."""
    return unicodedata.normalize("NFC", without_wrapping(name))


@lru_cache(maxsize=8192)
def is_name_key(name: str) -> bool:
    """Return whether a name is in normal form, and thus safe as a mailbox, a folder or a command's argument."""
    try:
        return name_key(name) == name
    except InvalidSignInName:
        return False


@lru_cache(maxsize=8192)
def can_be_name(name: str) -> bool:
    """Return whether a name, in any spelling, consists of the alphabet alone: mail servers are given no other.

    A path, a wildcard or a variable in a name would work as one there.
    """
    try:
        return without_wrapping(name) == name and bool(name_key(name))
    except InvalidSignInName:
        return False


def ascii_name(key: str) -> str:
    """Return a normalised name in ASCII, for programs that accept nothing else; it has the same key."""
    local, _, domain = key.rpartition("@")
    return f"{ascii_form(local)}@{domain}"


def without_detail(key: str) -> str:
    """Return the name to which mail for a normalised name goes: without the detail after the delimiter (RFC 5233)."""
    local, _, domain = key.rpartition("@")
    return f"{local.partition(DELIMITER)[0]}@{domain}"


def speaks_for_the_domain(key: str) -> bool:
    """Return whether a normalised name is, or looks like, one with authority over the whole domain; see RESERVED."""
    return looks(without_detail(key).rpartition("@")[0]) in _RESERVED_LOOKS


def is_printable(text: str) -> bool:
    """Return whether every character is visible, apart from joiners where a script needs them (RFC 5892 A.1, A.2)."""
    return text.isprintable() or all(
        character.isprintable() or (character in JOINERS and _joins(text, place))
        for place, character in enumerate(text)
    )


_BETWEEN_ADDRESSES = ";,"

JOINERS = "\u200c\u200d"
"""Zero width non-joiner and joiner: invisible themselves, they change how the letters beside them are written."""

# Invisible characters in the categories of letters and marks (Default_Ignorable_Code_Point, and a blank).
_UNSEEN = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
    + "".join(map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
)

# Most names are already in normal form: lower-case ASCII with nothing to fold and without an IDNA label.
_PLAIN = re.compile(
    r"(?!.*(?:--|-\.|\.-|\.\.|\.@))(?=[^@]{1,64}@)[a-z0-9_][a-z0-9._+-]*"
    r"@[a-z0-9][a-z0-9-]{0,62}(?:\.[a-z0-9][a-z0-9-]{0,62})*(?<!-)"
)
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
_NEVER_FIRST = (".", "-", DELIMITER)
_RESERVED_LOOKS = frozenset(looks(name) for name in RESERVED)


def _is_in_alphabet(local: str) -> bool:
    if local.startswith(_NEVER_FIRST) or local.endswith(".") or ".." in local:
        return False
    before = ""
    for place, character in enumerate(local):
        category = unicodedata.category(character)
        if category in ("Mn", "Mc"):
            # A mark belongs to a letter; without one it is displayed on the character before it.
            if before not in ("L", "M"):
                return False
        elif character in JOINERS:
            if not _joins(local, place):
                return False
            category = "M"
        elif not (category[0] == "L" or category == "Nd" or character in SIGNS):
            return False
        before = category[0]
    return True


def _joins(text: str, place: int) -> bool:
    # The library knows the joining type of every letter; it raises ValueError for a character without combining class.
    try:
        return idna.valid_contextj(text, place)
    except ValueError:
        return False


def _is_unseen(character: str) -> bool:
    return character in _UNSEEN or unicodedata.category(character)[0] in "CZ"


def _fold(text: str) -> str:
    # Folding can undo normalisation and vice versa; this order is stable (Unicode 3.13, NFKC_Casefold).
    folded = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", folded)
