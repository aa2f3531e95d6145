"""A client of the mail door: Dovecot's authentication client protocol, version 1.2, as any mail server speaks it."""

from __future__ import annotations

import base64
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path

TIMEOUT_SECONDS = 10


class CannotAsk(Exception):
    """The door is unreachable or reports a temporary failure: the result says nothing about the password."""


@dataclass(frozen=True, slots=True)
class Login:
    """The credentials that a mail program presented to a mail server."""

    name: str
    password: str = field(repr=False)
    service: str
    address: str = ""


def ask(door: Path, login: Login) -> str | None:
    """Return the canonical name of the person if the door accepts, None if it rejects; raise CannotAsk."""
    if "\0" in login.name + login.password:
        return None
    try:
        response = base64.b64encode(f"\0{login.name}\0{login.password}".encode()).decode()
    except UnicodeEncodeError:
        return None
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT_SECONDS)
            connection.connect(str(door))
            with connection.makefile("rwb") as stream:
                stream.write(f"VERSION\t1\t2\nCPID\t{os.getpid()}\n".encode())
                stream.flush()
                while (line := stream.readline()) != b"DONE\n":
                    if not line:
                        raise CannotAsk("the mail door hung up")
                where = f"\trip={login.address}" if login.address else ""
                stream.write(f"AUTH\t1\tPLAIN\tservice={login.service}{where}\tresp={response}\n".encode())
                stream.flush()
                return _read(stream.readline())
    except OSError as error:
        raise CannotAsk(type(error).__name__) from None


def _read(line: bytes) -> str | None:
    words = line.decode("utf-8", "replace").rstrip("\n").split("\t")
    match words:
        case ["OK", "1", *parameters]:
            return next((word[5:] for word in parameters if word.startswith("user=")), None)
        case ["FAIL", "1", *parameters]:
            if any(word == "temp" or word.startswith("code=temp") for word in parameters):
                raise CannotAsk("the mail door says: later")
            return None
        case _:
            raise CannotAsk("the mail door answered nothing that we know")
