"""An SMSC on a bare socket, for behaviour that no other peer of the tests has. It shares no code with the client."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.phones.smsc import free_port

HEADER = struct.Struct("!IIII")


def octets(command: int, sequence: int, body: bytes = b"", status: int = 0) -> bytes:
    """Return one PDU."""
    return HEADER.pack(16 + len(body), command, status, sequence) + body


def tlv(tag: int, value: bytes) -> bytes:
    """Return one optional parameter."""
    return struct.pack("!HH", tag, len(value)) + value


def data_sm(number: str, tags: bytes, sequence: int = 77) -> bytes:
    """Return a data_sm as sent from a telephone."""
    return octets(0x103, sequence, b"\0\1\1" + number.encode() + b"\0\5\0Harbour\0\4\0\0" + tags)


def deliver_sm(number: str, words: bytes, *, esm_class: int = 4, sequence: int = 78) -> bytes:
    """Return a deliver_sm as sent from a telephone."""
    head = b"\0\1\1" + number.encode() + b"\0\5\0Harbour\0" + bytes((esm_class, 0, 0)) + b"\0\0\0\0\0\0"
    return octets(0x05, sequence, head + bytes((len(words),)) + words)


@dataclass
class BareSmsc:
    """An SMSC with configured responses and recorded requests."""

    port: int = field(default_factory=free_port)
    bind_status: int = 0
    submit_status: int = 0
    name: str = "abc1"
    nacks: bool = False
    """Answer submissions with generic_nack."""
    after_submission: Callable[[], bytes] = bytes
    """Return the octets to send after a submission was accepted."""
    binds: list[bytes] = field(default_factory=list)
    submissions: list[bytes] = field(default_factory=list)
    answers: list[tuple[int, int, int]] = field(default_factory=list)
    """Command, status and sequence number of the responses received."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                length, command, status, sequence = HEADER.unpack(await reader.readexactly(16))
                body = await reader.readexactly(length - 16)
                writer.write(self._answer(command, status, sequence, body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    def _answer(self, command: int, status: int, sequence: int, body: bytes) -> bytes:
        if command & 0x8000_0000:
            self.answers.append((command, status, sequence))
            return b""
        if command == 0x09:
            self.binds.append(body)
            return octets(0x8000_0009, sequence, b"smsc\0", self.bind_status)
        if command == 0x04:
            self.submissions.append(body)
            if self.nacks:
                return octets(0x8000_0000, sequence, status=0x03)
            if self.submit_status:
                return octets(0x8000_0004, sequence, status=self.submit_status)
            return octets(0x8000_0004, sequence, self.name.encode() + b"\0") + self.after_submission()
        return octets(command | 0x8000_0000, sequence)


@asynccontextmanager
async def bare_smsc(**habits: Any) -> AsyncIterator[BareSmsc]:
    """Run an SMSC, and close it."""
    smsc = BareSmsc(**habits)
    server = await asyncio.start_server(smsc.serve, "127.0.0.1", smsc.port)
    try:
        yield smsc
    finally:
        server.close()
