"""Postfix's socketmap protocol (socketmap_table(5)): the names that may send as an address, and its ASCII form.

    C: netstring of  sender_logins ADDRESS  |  ascii_addresses ADDRESS
    S: netstring of  OK name,name…  |  OK address  |  NOTFOUND  |  TEMP reason  |  PERM reason

A netstring is its length in octets, a colon, the octets and a comma: `5:hello,` (https://cr.yp.to/proto/netstrings.txt).
``Netstrings`` and ``parse`` are pure: octets go in, requests come out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from watchword.core.usernames import is_printable
from watchword.doors.mail.line_protocol import LONGEST_LINE, LONGEST_NAME, Hangup, Line, Reply, TooLong

MAP = "sender_logins"
"""The map from an envelope sender to the sign-in names that may use it (Postfix: smtpd_sender_login_maps)."""

ASCII_MAP = "ascii_addresses"
"""The map from an address with letters outside ASCII to its ASCII form (Postfix: virtual_alias_maps)."""

LONGEST_REQUEST = LONGEST_LINE

_DIGITS = len(str(LONGEST_REQUEST))
_BETWEEN_NAMES = frozenset(", \t\r\n")
"""The separators of names in an answer for Postfix, which would read a name that contains one as two names."""


@dataclass(frozen=True, slots=True)
class AskSenders:
    """The look-up of the names that may send as this address."""

    address: str


@dataclass(frozen=True, slots=True)
class AskAscii:
    """The look-up of this address's ASCII form."""

    address: str


class Netstrings:
    """A parser that splits a stream of octets into netstrings and never buffers more than one.

    After malformed or too long input it stays in its error state and reads nothing more.
    """

    __slots__ = ("_is_lost", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._is_lost = False

    def feed(self, octets: bytes) -> list[Line | TooLong]:
        """Add received octets and return the requests that they completed, in order; ``TooLong`` for invalid input."""
        self._rest += octets
        whole: list[Line | TooLong] = []
        start = 0
        while not self._is_lost and start < len(self._rest):
            colon = self._rest.find(b":", start, start + _DIGITS + 1)
            digits = self._rest[start : colon if colon >= 0 else start + _DIGITS + 1]
            if not _is_length(digits) or (colon < 0 and len(digits) > _DIGITS):
                self._is_lost = True
            elif colon < 0:
                break
            else:
                end = colon + 1 + int(digits)
                if len(self._rest) <= end:
                    break
                self._is_lost = self._rest[end : end + 1] != b","
                if not self._is_lost:
                    whole.append(Line(self._rest[colon + 1 : end]))
                    start = end + 1
        if self._is_lost:
            self._rest = b""
            return [*whole, TooLong(b"")]
        self._rest = self._rest[start:]
        return whole


def parse(request: Line | TooLong) -> AskSenders | AskAscii | Reply | Hangup:
    """Return the step for a request. Never raises, whatever it holds."""
    if isinstance(request, TooLong):
        return Hangup("no netstring, or too long a one")
    name, _, key = request.octets.partition(b" ")
    if name not in (MAP.encode(), ASCII_MAP.encode()):
        return Reply(unknown_map())
    try:
        address = key.decode()
    except UnicodeDecodeError:
        return Reply(not_found())
    if not 0 < len(address) <= LONGEST_NAME or not is_printable(address):
        return Reply(not_found())
    return AskSenders(address) if name == MAP.encode() else AskAscii(address)


def senders(names: Sequence[str]) -> bytes:
    """Return the answer that lists the names that may send as an address."""
    listed = [name for name in names if not _BETWEEN_NAMES & set(name) and is_printable(name)]
    return _netstring(f"OK {','.join(listed)}") if listed else not_found()


def ascii_address(address: str | None) -> bytes:
    """Return the answer with the ASCII form of an address; Postfix leaves an address without one as it is."""
    return not_found() if address is None else _netstring(f"OK {address}")


def not_found() -> bytes:
    """Return the answer for an address that is not in the map."""
    return _netstring("NOTFOUND ")


def later() -> bytes:
    """Return the answer that makes Postfix refuse the sender temporarily (451)."""
    return _netstring("TEMP try again later")


def unknown_map() -> bytes:
    """Return the answer for an unknown map, which means that Postfix is configured wrongly."""
    return _netstring(f"PERM only {MAP} and {ASCII_MAP} are answered here")


def _is_length(digits: bytes) -> bool:
    if not digits.isdigit() or (digits.startswith(b"0") and digits != b"0"):
        return False
    return int(digits) <= LONGEST_REQUEST


def _netstring(text: str) -> bytes:
    octets = text.encode()
    return b"%d:%s," % (len(octets), octets)
