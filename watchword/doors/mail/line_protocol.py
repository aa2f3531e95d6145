"""The common part of Dovecot's two line protocols: lines of limited length, tab escaping, and checks of fields."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

from watchword.core.codes import LONGEST_TYPED
from watchword.core.policy import Door
from watchword.signin.non_interactive import AuthRequest, Secret

LONGEST_LINE = 16 * 1024
"""Octets without the LF, as in Dovecot's own auth server (AUTH_CLIENT_MAX_LINE_LENGTH since 2.3).

Dovecot allows 64 KiB in the dict protocol, but no acceptable name and secret need a quarter of that.
"""

LONGEST_NAME = 320
"""Characters: 64 for the local part, 255 for the domain (RFC 5321 section 4.5.3.1) and the at sign."""

HEAD_OF_A_LONG_LINE = 256
"""Octets retained of a line that is too long: enough for its command and request id."""

_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SERVICE = re.compile(r"[a-z][a-z0-9-]{0,31}")
_SAME_SERVICE = {"submission": "smtp", "smtps": "smtp", "managesieve": "sieve", "imaps": "imap", "pop3s": "pop3"}

_ESCAPES = {"\x00": "\x010", "\x01": "\x011", "\t": "\x01t", "\r": "\x01r", "\n": "\x01n"}
_UNESCAPES = {escape[1]: plain for plain, escape in _ESCAPES.items()}
_ESCAPED = re.compile("\x01(.?)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reply:
    """The step: send these octets."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Hangup:
    """The step after a protocol error: close the connection. ``why`` is for the daemon's log."""

    why: str


@dataclass(frozen=True, slots=True)
class Line:
    """A whole line without its LF."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class TooLong:
    """A line of more than LONGEST_LINE octets, of which only the head was retained."""

    head: bytes


class Lines:
    """A parser that splits a stream of octets into lines and never buffers more than one line."""

    __slots__ = ("_head", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._head: bytes | None = None

    def feed(self, octets: bytes) -> list[Line | TooLong]:
        """Add received octets and return the lines that they completed, in order."""
        *whole, rest = (self._rest + octets).split(b"\n")
        lines: list[Line | TooLong] = []
        for line in whole:
            if self._head is not None:
                lines.append(TooLong(self._head))
                self._head = None
            elif len(line) > LONGEST_LINE:
                lines.append(TooLong(line[:HEAD_OF_A_LONG_LINE]))
            else:
                lines.append(Line(line))
        if self._head is None and len(rest) > LONGEST_LINE:
            self._head = rest[:HEAD_OF_A_LONG_LINE]
        self._rest = rest if self._head is None else b""
        return lines


def tab_escape(text: str) -> str:
    """Return text with NUL, SOH, TAB, CR and LF escaped as Dovecot does (str_tabescape)."""
    # The fast path for nearly every text: printable characters are never escaped.
    if text.isprintable():
        return text
    return "".join(_ESCAPES.get(character, character) for character in text)


def tab_unescape(text: str) -> str:
    """Return the unescaped text; an unknown escape becomes its second character, a lone SOH at the end is dropped."""
    if "\x01" not in text:
        return text
    return _ESCAPED.sub(lambda match: _UNESCAPES.get(match[1], match[1]), text)


def question(name: str, secret: str, service: str, address: str) -> AuthRequest | None:
    """Return the authentication request, or None for a name or secret that no person can have.

    A name with control characters could forge fields and log lines further on, and a NUL cannot be stored.
    """
    if not 0 < len(name) <= LONGEST_NAME or not 0 < len(secret) <= LONGEST_TYPED:
        return None
    if is_harmful(name) or "\x00" in secret:
        return None
    return AuthRequest(
        door=Door.MAIL,
        name=name,
        secret=Secret(secret),
        service=known_service(service),
        address=known_address(address),
    )


def is_harmful(name: str) -> bool:
    """Return whether a name contains characters that could forge a field or a line: controls and line separators.

    Other invisible characters pass: they surround names that were copied, and are stripped with the blanks later.
    """
    return not name.isprintable() and _HARMFUL.search(name) is not None


def known_service(service: str) -> str:
    """Return the canonical name of a service, such as smtp for submission; empty if it is not a service's name."""
    service = service.lower()
    return _SAME_SERVICE.get(service, service) if _SERVICE.fullmatch(service) else ""


@lru_cache(maxsize=4096)
def known_address(address: str) -> str:
    """Return an IP address in its canonical form; empty if it is not an IP address."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return ""
