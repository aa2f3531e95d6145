"""Mail addresses to which a mail can be sent: those of RFC 5321, and those outside ASCII of RFC 6531 (SMTPUTF8)."""

import re

from watchword.core.usernames import InvalidSignInName, domain_key

LONGEST_LOCAL_PART = 64
"""Octets; RFC 5321 section 4.5.3.1.1."""

# atext of RFC 5322 section 3.2.3 with the UTF-8 of RFC 6532 section 3.2.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_QUOTED = r'"(?:[!#-\[\]-~\u0080-\U0010ffff]|\\[!-~])*"'
_LOCAL_PART = re.compile(rf"{_ATOM}(?:\.{_ATOM})*|{_QUOTED}")


def is_mail_address(text: str) -> bool:
    """Return whether some mail server can accept this address; one outside ASCII needs a server with SMTPUTF8."""
    local, at, domain = text.rpartition("@")
    if not at or not _LOCAL_PART.fullmatch(local) or len(local.encode("utf-8", "replace")) > LONGEST_LOCAL_PART:
        return False
    # RFC 5321 section 4.1.2 allows a quoted blank, but such an address is a mistake or an attack.
    if not text.isprintable() or any(character.isspace() for character in local):
        return False
    try:
        domain_key(domain)
    except InvalidSignInName:
        return False
    return True


def needs_smtputf8(address: str) -> bool:
    """Return whether the local part is outside ASCII; a domain always has an ASCII form (RFC 5891)."""
    return not address.rpartition("@")[0].isascii()
