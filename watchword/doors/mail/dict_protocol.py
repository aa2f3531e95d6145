"""Dovecot's dict protocol, as far as a password and user database needs it (dict protocol 3, Dovecot 2.3).

    H3 TAB 2 TAB 0 TAB user TAB dict name            once, first; no answer
    Lshared/KEY TAB user                             answered by  O value  |  N  not found  |  F  failed, try later
    IFLAGS TAB ROWS TAB shared/userdb/ TAB user      answered by  O key TAB value  for each person, then an empty line

The keys are Watchword's own, defined by ``server_config``; a double quote separates fields, and Dovecot's %E puts a
backslash before a quote or backslash within a field:

    sealed/KEY-ID/NAME"SEALED PASSWORD"SERVICE"ADDRESS
    passdb/NAME"PASSWORD"SERVICE"ADDRESS             the same unencrypted, for a Dovecot without its encryption plug-in
    userdb/SERVICE/NAME

Dovecot 2.4 has protocol 4, which does not differ in anything used here, but no longer asks a dict for passwords; our
Lua script asks for mailboxes by it.
Source: Dovecot's documentation, developers/design/dict_protocol.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from watchword.core.keyring import KeyRing
from watchword.core.negative_result import NegativeResult
from watchword.doors.mail.encryption import CannotOpen, open_sealed
from watchword.doors.mail.line_protocol import (
    LONGEST_NAME,
    Hangup,
    Line,
    TooLong,
    is_harmful,
    question,
    tab_escape,
    tab_unescape,
)
from watchword.signin.non_interactive import AuthRequest

VERSIONS = frozenset({3, 4})
"""Supported major versions; minor versions add nothing that a server must know."""

NOT_FOUND = b"N\n"
DEFERRED = b"Ftry again later\n"

END_OF_ROWS = b"\n"
"""The empty line after the last row of an iteration."""

_MAILBOXES = "shared/userdb/"
_ITERATE_FIELDS = 3
_ROWS_DIGITS = 18
_HELLO_FIELDS = 5
_PASSWORD_FIELDS = 4
_FIELD = re.compile(r'(?:[^"\\]|\\.)*', re.DOTALL)
_BACKSLASHED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Hello:
    """The client's handshake, with a supported version."""


@dataclass(frozen=True, slots=True)
class AskPassword:
    """The check of a name and password."""

    question: AuthRequest


@dataclass(frozen=True, slots=True)
class AskMailbox:
    """The look-up of a mailbox by name. ``service`` is Dovecot's; empty if its configuration is an older one."""

    name: str
    service: str = ""


@dataclass(frozen=True, slots=True)
class AskAll:
    """The list of all mailboxes (`doveadm -A`); ``most`` is the number of rows requested, or None for all."""

    most: int | None


@dataclass(frozen=True, slots=True)
class LookupRejected(NegativeResult):
    """A look-up that can match no person; answered like a wrong password."""


@dataclass(frozen=True, slots=True)
class LookupFailed(NegativeResult):
    """A look-up that can't be evaluated; answered with a temporary failure. ``why`` is for the daemon's log."""

    why: str


@dataclass(frozen=True, slots=True)
class Ignore:
    """A command of a transaction, which expects no answer; the dict is read-only, so it has no effect."""


type Found = Callable[[str], bytes]
"""A function that makes the answer from the name of a mailbox: ``let_in`` or ``mailbox_of``."""

type Command = Hello | AskPassword | AskMailbox | AskAll | LookupRejected | LookupFailed | Ignore | Hangup


def parse(line: Line | TooLong, ring: KeyRing) -> Command:
    """Return the command in a line. Never raises, whatever the line holds."""
    if isinstance(line, TooLong):
        return LookupRejected() if line.head[:1] == b"L" else Hangup("line too long")
    letter, octets = line.octets[:1], line.octets[1:]
    match letter:
        case b"H":
            return _hello(octets)
        case b"L":
            try:
                return _look_up(tab_unescape(octets.decode().partition("\t")[0]), ring)
            except UnicodeDecodeError:
                return LookupRejected()
        case b"I":
            return _iterate(octets)
        case b"C" | b"D":
            return LookupFailed("write command on a read-only dict")
        case b"B" | b"R" | b"S" | b"U" | b"A" | b"T":
            return Ignore()
        case _:
            return Hangup("unknown command")


def found(fields: dict[str, str | None]) -> bytes:
    """Return the answer to a look-up that found these fields."""
    # Letters stay letters: the script for Dovecot 2.4 reads the name without a JSON parser.
    return f"O{tab_escape(json.dumps(fields, ensure_ascii=False))}\n".encode()


def let_in(mailbox: str) -> bytes:
    """Return the answer for a right password: Dovecot compares no password itself, and takes over the name."""
    return found({"password": None, "nopassword": "y", "user": mailbox})


def mailbox_of(mailbox: str) -> bytes:
    """Return the answer for a name with a mailbox; user id, group id and home are set in Dovecot's configuration."""
    return found({"user": mailbox})


def mailboxes(names: Iterable[str]) -> bytes:
    """Return the rows of an iteration that found these mailboxes; ``END_OF_ROWS`` follows the last of them."""
    return "".join(f"O{tab_escape(_MAILBOXES + name)}\t\n" for name in names).encode()


def _iterate(octets: bytes) -> Command:
    fields = octets.split(b"\t")
    if len(fields) < _ITERATE_FIELDS or fields[2] != _MAILBOXES.encode() or not fields[1].isdigit():
        return LookupFailed("iteration over an unknown key: print Dovecot's configuration anew")
    return AskAll(int(fields[1][:_ROWS_DIGITS]) or None)


def _hello(octets: bytes) -> Command:
    fields = octets.split(b"\t")
    major = fields[0]
    if len(fields) < _HELLO_FIELDS or not major.isdigit() or len(major) > 1:
        return Hangup("no dict protocol handshake")
    if int(major) not in VERSIONS:
        return Hangup(f"unsupported dict protocol version {int(major)}")
    return Hello()


def _look_up(key: str, ring: KeyRing) -> Command:
    namespace, _, path = key.partition("/")
    kind, _, rest = path.partition("/")
    if namespace != "shared":
        return LookupRejected()
    match kind:
        case "sealed":
            key_id, _, rest = rest.partition("/")
            return _password(rest, ring, key_id)
        case "passdb":
            return _password(rest, None, "")
        case "userdb":
            # No service and no valid name contains a slash.
            service, _, name = rest.partition("/") if "/" in rest else ("", "", rest)
            return (
                AskMailbox(name, service)
                if 0 < len(name) <= LONGEST_NAME and not is_harmful(name)
                else LookupRejected()
            )
        case _:
            return LookupFailed("unknown key: print Dovecot's configuration anew")


def _password(rest: str, ring: KeyRing | None, key_id: str) -> Command:
    fields = _fields(rest)
    if fields is None or len(fields) != _PASSWORD_FIELDS:
        return LookupRejected()
    name, secret, service, address = fields
    if ring is not None:
        try:
            octets = open_sealed(ring, key_id, secret)
        except CannotOpen as error:
            return LookupFailed(str(error))
        try:
            secret = octets.decode()
        except UnicodeDecodeError:
            # A program that sends Latin-1 has a wrong password. After a temporary failure it would retry for ever and
            # never ask the person for another password.
            return LookupRejected()
    asked = question(name, secret, service, address)
    return AskPassword(asked) if asked is not None else LookupRejected()


def _fields(rest: str) -> list[str] | None:
    fields = []
    start = 0
    while True:
        match = _FIELD.match(rest, start)
        if match is None:
            return None
        fields.append(_BACKSLASHED.sub(r"\1", match[0]))
        if match.end() == len(rest):
            return fields
        if rest[match.end()] != '"':
            return None
        start = match.end() + 1
