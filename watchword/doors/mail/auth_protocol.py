"""Dovecot's authentication protocol 1.2 (server side), which Postfix, Exim and others speak as clients.

    S: VERSION 1 2 / MECH … / SPID / CUID / COOKIE / DONE       C: VERSION 1 0 / CPID pid
    C: AUTH id mechanism service=… [rip=…] [resp=base64]         fields are separated by TABs
    S: CONT id base64      C: CONT id base64      C: CANCEL id
    S: OK id user=…   |   FAIL id [user=…] [temp] [code=temp_fail]

``AuthSession`` is pure: lines go in, steps come out. Source: Dovecot's documentation, developers/design/auth_protocol;
mechanisms by RFC 4616 (PLAIN) and draft-murchison-sasl-login (LOGIN).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from watchword.doors.mail.line_protocol import Hangup, Line, TooLong, question, tab_escape, tab_unescape
from watchword.signin.non_interactive import AuthRequest, Secret

MAJOR, MINOR = 1, 2
MOST_CONVERSATIONS = 64
"""Incomplete and unanswered requests of one connection; a mail server's process has one at a time."""

_LARGEST_ID = 2**32 - 1


class Mechanism(StrEnum):
    """The SASL mechanisms that need nothing but a name and a password."""

    PLAIN = "PLAIN"
    LOGIN = "LOGIN"


@dataclass(frozen=True, slots=True)
class Send:
    """The step: send these octets."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Ask:
    """The step: have a request answered, then send ``allowed``, ``refused`` or ``later``."""

    request: int
    question: AuthRequest
    name: str


type Step = Send | Ask | Hangup


@dataclass(frozen=True, slots=True)
class _Half:
    """A request whose name or secret has not arrived yet."""

    mechanism: Mechanism
    service: str
    address: str
    name: str | None = None


def greeting(process_id: int, connection: int, cookie: bytes) -> bytes:
    """Return the server's handshake, sent first on each connection; ``cookie`` is 16 random octets."""
    mechanisms = "".join(f"MECH\t{mechanism}\tplaintext\n" for mechanism in Mechanism)
    return (
        f"VERSION\t{MAJOR}\t{MINOR}\n{mechanisms}SPID\t{process_id}\nCUID\t{connection}\nCOOKIE\t{cookie.hex()}\nDONE\n"
    ).encode()


def allowed(request: int, mailbox: str) -> bytes:
    """Return the answer for an allowed sign-in; the mail server continues with this name."""
    return f"OK\t{request}\tuser={tab_escape(mailbox)}\n".encode()


def refused(request: int, name: str = "") -> bytes:
    """Return the answer for a denied sign-in; it is the same whatever the reason."""
    return f"FAIL\t{request}{f'\tuser={tab_escape(name)}' if name else ''}\n".encode()


def later(request: int) -> bytes:
    """Return the answer "temporary failure", which says nothing about the secret, for clients that understand it."""
    return f"FAIL\t{request}\ttemp\tcode=temp_fail\n".encode()


class AuthSession:
    """The protocol state of one connection."""

    __slots__ = ("_asked", "_halves", "_is_introduced", "minor", "process")

    def __init__(self) -> None:
        self.minor = 0
        """The client's minor version. Postfix and Exim say 0, and Postfix then reads every FAIL as a wrong password."""
        self.process = 0
        """The client's process id, or 0 until the client has sent it."""
        self._is_introduced = False
        self._halves: dict[int, _Half] = {}
        self._asked: set[int] = set()

    @property
    def understands_later(self) -> bool:
        """Whether the client understands FAIL with a temporary code; if not, only closing the connection means that."""
        return self.minor > 0

    def answered(self, request: int) -> bool:
        """Mark a request as answered; return False if the client has cancelled it and expects no answer."""
        if request not in self._asked:
            return False
        self._asked.discard(request)
        return True

    def receive(self, line: Line | TooLong) -> Step | None:
        """Return the next step after a line, or None. Never raises, whatever the line holds."""
        if isinstance(line, TooLong):
            return self._give_up(_request_in(line.head)) or Hangup("line too long")
        try:
            command, *fields = line.octets.decode().split("\t")
        except UnicodeDecodeError:
            return self._give_up(_request_in(line.octets)) or Hangup("line is not UTF-8")
        if command == "VERSION":
            return self._version(fields)
        if not self._is_introduced:
            return Hangup("command before the version handshake")
        match command:
            case "CPID":
                self.process = _request(fields[0] if fields else "") or 0
                return None
            case "AUTH":
                return self._begin(fields)
            case "CONT":
                return self._go_on(fields)
            case "CANCEL":
                request = _request(fields[0] if fields else "")
                if request is not None:
                    self._halves.pop(request, None)
                    self._asked.discard(request)
                return None
            case _:
                return Hangup("unknown command")

    def _version(self, fields: list[str]) -> Step | None:
        numbers = [field for field in fields[:2] if field.isascii() and field.isdigit() and len(field) < 4]
        if len(numbers) < 2 or int(numbers[0]) != MAJOR:  # major and minor
            return Hangup("unsupported protocol version")
        self.minor = int(numbers[1])
        self._is_introduced = True
        return None

    def _begin(self, fields: list[str]) -> Step:
        request = _request(fields[0] if fields else "")
        if request is None:
            return Hangup("AUTH without a request id")
        if request in self._halves or request in self._asked:
            return Hangup("AUTH with a duplicate request id")
        if len(self._halves) + len(self._asked) >= MOST_CONVERSATIONS:
            return Hangup("too many requests at once")
        try:
            mechanism = Mechanism(fields[1].upper() if len(fields) > 1 else "")
        except ValueError:
            return Send(refused(request))
        parameters, response = _parameters(fields[2:])
        half = _Half(mechanism, parameters.get("service", ""), parameters.get("rip", ""))
        if response is not None:
            return self._take(request, half, response)
        self._halves[request] = half
        return Send(_prompt(request, "Username:" if mechanism is Mechanism.LOGIN else ""))

    def _go_on(self, fields: list[str]) -> Step:
        request = _request(fields[0] if fields else "")
        if request is None:
            return Hangup("CONT without a request id")
        half = self._halves.pop(request, None)
        if half is None:
            return Send(refused(request))
        return self._take(request, half, fields[1] if len(fields) > 1 else "")

    def _take(self, request: int, half: _Half, response: str) -> Step:
        shown = _decode(response)
        if shown is None:
            return Send(refused(request))
        if half.mechanism is Mechanism.LOGIN and half.name is None:
            self._halves[request] = _Half(half.mechanism, half.service, half.address, shown.reveal())
            return Send(_prompt(request, "Password:"))
        name, secret = _name_and_secret(half, shown.reveal())
        asked = question(name, secret.reveal(), half.service, half.address)
        if asked is None:
            return Send(refused(request))
        self._asked.add(request)
        return Ask(request, asked, name)

    def _give_up(self, request: int | None) -> Step | None:
        if request is None or not self._is_introduced:
            return None
        self._halves.pop(request, None)
        return Send(refused(request))


def _request(field: str) -> int | None:
    if not (field.isascii() and field.isdigit()) or len(field) > 10:  # digits of 2**32
        return None
    number = int(field)
    return number if number <= _LARGEST_ID else None


def _request_in(head: bytes) -> int | None:
    parts = head.split(b"\t", 2)
    if len(parts) < 2 or parts[0] not in (b"AUTH", b"CONT"):  # command and id
        return None
    return _request(parts[1].decode("ascii", "replace"))


def _parameters(fields: Iterable[str]) -> tuple[dict[str, str], str | None]:
    parameters: dict[str, str] = {}
    for field in fields:
        name, _, value = field.partition("=")
        if name == "resp":
            # The protocol makes resp the last parameter; fields after it may be forged. Exim always sends it, empty if
            # the program sent no initial response (RFC 4954 section 4); Dovecot's own server reads it the same way.
            return parameters, value or None
        parameters.setdefault(name, tab_unescape(value))
    return parameters, None


def _prompt(request: int, text: str) -> bytes:
    return f"CONT\t{request}\t{base64.b64encode(text.encode()).decode()}\n".encode()


def _decode(response: str) -> Secret | None:
    try:
        return Secret(base64.b64decode(response, validate=True).decode())
    except (binascii.Error, ValueError):
        return None


def _name_and_secret(half: _Half, shown: str) -> tuple[str, Secret]:
    """Return both; the name is empty if the message is malformed or its authzid is another person's (RFC 4616)."""
    if half.mechanism is Mechanism.LOGIN:
        return half.name or "", Secret(shown)
    parts = shown.split("\x00")
    if len(parts) != 3 or parts[0] not in ("", parts[1]):  # authzid, authcid, passwd
        return "", Secret("")
    return parts[1], Secret(parts[2])
