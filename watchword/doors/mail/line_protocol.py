"""What both of Dovecot's line protocols share: lines of a bounded length, tab escaping, and what a field may hold."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

from watchword.core.codes import LONGEST_TYPED
from watchword.core.policy import Door
from watchword.signin.non_interactive import AuthRequest, Secret

LONGEST_LINE = 16 * 1024
"""Octets without the LF: what Dovecot's own auth server reads (AUTH_CLIENT_MAX_LINE_LENGTH since 2.3).

Dovecot allows 64 KiB in the dict protocol, but no name and secret that we would accept need a quarter of it.
"""

LONGEST_NAME = 320
"""Characters: 64 for the local part, 255 for the domain (RFC 5321 section 4.5.3.1) and the at sign."""

HEAD_OF_A_LONG_LINE = 256
"""Octets kept of a line that is too long: enough for its command and request id."""

_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SERVICE = re.compile(r"[a-z][a-z0-9-]{0,31}")
_SAME_SERVICE = {"submission": "smtp", "smtps": "smtp", "managesieve": "sieve", "imaps": "imap", "pop3s": "pop3"}

_ESCAPES = {"\x00": "\x010", "\x01": "\x011", "\t": "\x01t", "\r": "\x01r", "\n": "\x01n"}
_UNESCAPES = {escape[1]: plain for plain, escape in _ESCAPES.items()}
_ESCAPED = re.compile("\x01(.?)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reply:
    """Send these octets."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Hangup:
    """Not our protocol; the connection has to end. ``why`` is for our log."""

    why: str


@dataclass(frozen=True, slots=True)
class Line:
    """A whole line without its LF."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class TooLong:
    """A line of more than LONGEST_LINE octets; only its head was kept."""

    head: bytes


class Lines:
    """Cuts a stream of octets into lines and never keeps more than one line's worth of them."""

    __slots__ = ("_head", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._head: bytes | None = None

    def feed(self, octets: bytes) -> list[Line | TooLong]:
        """Take what arrived and return the lines that it completed, in order."""
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
    """Return text without NUL, TAB, CR and LF, as Dovecot escapes them (str_tabescape)."""
    # Nearly every text: nothing printable is ever escaped.
    if text.isprintable():
        return text
    return "".join(_ESCAPES.get(character, character) for character in text)


def tab_unescape(text: str) -> str:
    """Return what was escaped; an unknown escape stands for its own character, a lone one at the end for nothing."""
    if "\x01" not in text:
        return text
    return _ESCAPED.sub(lambda match: _UNESCAPES.get(match[1], match[1]), text)


def question(name: str, secret: str, service: str, address: str) -> AuthRequest | None:
    """Return the question, or None for a name or secret that nobody can have.

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
    """Whether a name holds what could forge a field or a line further on: control characters and ends of lines.

    Other unseen signs are let through: they come round a name that was copied, and are taken off with the blanks.
    """
    return not name.isprintable() and _HARMFUL.search(name) is not None


def known_service(service: str) -> str:
    """Return the service by its one name; nothing for what is no name of a service."""
    service = service.lower()
    return _SAME_SERVICE.get(service, service) if _SERVICE.fullmatch(service) else ""


@lru_cache(maxsize=4096)
def known_address(address: str) -> str:
    """Return an IP address in its usual form; nothing for what is none."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return ""
