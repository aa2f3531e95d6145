"""Postfix's policy delegation protocol (SMTPD_POLICY_README): whether a message is accepted.

    C: name=value, one in each line, then an empty line
    S: action=…, then an empty line

Postfix asks at each message of a program that has signed in. ``PolicySession`` is pure: lines go in, steps come out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from watchword.core.usernames import is_printable
from watchword.doors.mail.line_protocol import LONGEST_NAME, Hangup, Line, Reply, TooLong, known_address

MOST_ATTRIBUTES = 200
"""Lines of one request; Postfix 3.7 sends some 30."""

_STORED = frozenset({"request", "sasl_username", "sasl_method", "client_address", "instance", "process"})
_REQUEST = "smtpd_access_policy"
_PROCESS_DIGITS = 10
_INSTANCE = re.compile(r"([0-9a-f]{1,8})\.[0-9a-f.]+")


@dataclass(frozen=True, slots=True)
class AskGoOn:
    """The check whether a program that signed in under this name may send another message.

    ``process`` is the process id of the smtpd, or 0 if it is unknown; ``address`` is the mail program's IP address.
    """

    name: str
    process: int
    address: str


type Step = AskGoOn | Reply | Hangup


class PolicySession:
    """The protocol state of one connection: the attributes received so far of the current request."""

    __slots__ = ("_attributes", "_number")

    def __init__(self) -> None:
        self._attributes: dict[str, str] = {}
        self._number = 0

    def receive(self, line: Line | TooLong) -> Step | None:
        """Return the next step after a line, or None. Never raises, whatever the line holds."""
        if isinstance(line, TooLong):
            return Hangup("line too long")
        if not line.octets:
            attributes, self._attributes, self._number = self._attributes, {}, 0
            return _step(attributes)
        self._number += 1
        if self._number > MOST_ATTRIBUTES:
            return Hangup("too many lines in a request")
        name, equals, value = line.octets.decode("utf-8", "replace").partition("=")
        if not equals:
            return Hangup("attribute without an equals sign")
        if name in _STORED:
            # The first value counts: a later line of the same name can't replace it.
            self._attributes.setdefault(name, value)
        return None


def no_opinion() -> bytes:
    """Return the answer that leaves a message to Postfix's other rules."""
    return b"action=DUNNO\n\n"


def ended() -> bytes:
    """Return the answer that ends the session: the program may sign in again if it still can (RFC 5321 3.8)."""
    return b"action=421 4.7.0 Your sign-in has ended, sign in again\n\n"


def later() -> bytes:
    """Return the answer that refuses one message for now."""
    return b"action=451 4.3.0 Your sign-in can't be checked now, try again later\n\n"


def _step(attributes: dict[str, str]) -> Step:
    if attributes.get("request") != _REQUEST:
        return Hangup("not a Postfix policy request")
    name = attributes.get("sasl_username", "")
    if not name:
        return Reply(no_opinion())
    if len(name) > LONGEST_NAME or not is_printable(name) or "\ufffd" in name:
        # No sign-in under such a name was ever allowed.
        return Reply(ended())
    return AskGoOn(name, _process(attributes), known_address(attributes.get("client_address", "")))


def _process(attributes: dict[str, str]) -> int:
    """Return the id of the smtpd process, the same as in its authentication request, or 0 if it is unknown."""
    told = attributes.get("process", "")
    if told.isascii() and told.isdigit() and len(told) <= _PROCESS_DIGITS:
        # Watchword's own attribute, for mail servers that can send a process id but no instance as Postfix does.
        return int(told)
    # Postfix builds the instance from its process id and the time and number of the message.
    instance = _INSTANCE.fullmatch(attributes.get("instance", ""))
    return int(instance[1], 16) if instance is not None else 0
