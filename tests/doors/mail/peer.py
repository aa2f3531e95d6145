"""The mail server's end of a connection to the daemon, and the requests that it sends."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
from pathlib import Path
from typing import ClassVar

from tests.doors.mail.fake_backend import ALICE
from watchword.doors.mail.line_protocol import tab_escape
from watchword.doors.mail.sockets import AUTH_SOCKET, DICT_SOCKET

HELLO = b"H3\t2\t0\t\twatchword\n"
INTRODUCTION = b"VERSION\t1\t0\nCPID\t1\n"
OF_TODAY = b"VERSION\t1\t2\nCPID\t1\n"


class Peer:
    """The mail server's end of one connection."""

    everybody: ClassVar[list[Peer]] = []

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.everybody.append(self)

    @classmethod
    async def leave(cls) -> None:
        """Close every connection that a scene has opened."""
        while cls.everybody:
            writer = cls.everybody.pop().writer
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    @classmethod
    async def of_dict(cls, folder: Path) -> Peer:
        peer = cls(*await asyncio.open_unix_connection(folder / DICT_SOCKET))
        peer.write(HELLO)
        return peer

    @classmethod
    async def of_auth(cls, folder: Path, introduction: bytes = OF_TODAY) -> Peer:
        peer = cls(*await asyncio.open_unix_connection(folder / AUTH_SOCKET))
        peer.write(introduction)
        while await peer.read() != "DONE":
            pass
        return peer

    def write(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def read(self) -> str:
        async with asyncio.timeout(20):
            return (await self.reader.readline()).decode().rstrip("\n")

    async def ask(self, octets: bytes) -> str:
        self.write(octets)
        return await self.read()

    async def is_hung_up(self) -> bool:
        async with asyncio.timeout(20):
            try:
                return await self.reader.read(1) == b""
            except ConnectionResetError:
                return True


def look_up(secret: str, name: str = ALICE) -> bytes:
    key = tab_escape(f'shared/passdb/{name}"{secret}"imap"192.0.2.1')
    return f"L{key}\t{tab_escape(name)}\n".encode()


def auth(secret: str, name: str = ALICE, request: int = 1) -> bytes:
    response = base64.b64encode(f"\x00{name}\x00{secret}".encode()).decode()
    return f"AUTH\t{request}\tPLAIN\tservice=smtp\tnologin\trip=192.0.2.1\tresp={response}\n".encode()


def free_port() -> int:
    """Return a free port whose next two ports are free as well."""
    while True:
        with contextlib.ExitStack() as probes:
            first = probes.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                for offset in (1, 2):
                    probes.enter_context(socket.socket()).bind(("127.0.0.1", port + offset))
                return port
