"""The daemon that runs `doveadm kick` as root: it takes one mailbox name on a Unix socket, and does nothing else.

It knows no database, no key and no setting. Who connects is known by the kernel (SO_PEERCRED, unix(7)); a name that is
not of the closed alphabet is refused, so that neither a wildcard nor an option can be passed on; the program and its
arguments are fixed when the daemon starts.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress

from watchword.core.log_events import log_event
from watchword.core.usernames import LONGEST_NAME, can_be_name
from watchword.doors.mail.kick import CLOSED, FAILED, NONE_OPEN, CommandResult, Kicked, run_command
from watchword.doors.service_manager import ServiceManager

logger = logging.getLogger(__name__)

KICK_SOCKET = "kick"
"""The name of the listening socket, where a service manager passes it."""

LONGEST_LINE = 4 * LONGEST_NAME + 1
"""Octets: LONGEST_NAME characters in UTF-8 and a line break."""
ASK_SECONDS = 5.0
"""How long a client may take to send its line."""
MOST_READS = 64
"""How often more octets are read and dropped after the answer."""
MOST_CLIENTS = 32
MOST_AT_ONCE = 4

_PEER = struct.Struct("3i")


class KickServer:
    """Serves one client's one name at a time, several clients side by side."""

    def __init__(self, command: Sequence[str], *, users: frozenset[int]) -> None:
        """``command`` gets the name as its last argument; ``users`` may ask, by their user ids."""
        self._command = tuple(command)
        self._users = users
        self._places = asyncio.Semaphore(MOST_AT_ONCE)
        self._clients: set[asyncio.Task[None]] = set()

    async def serve(self, listeners: Sequence[socket.socket], manager: ServiceManager) -> None:
        """Serve until SIGTERM or SIGINT, and answer who is connected then."""
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        servers = [await asyncio.start_server(self._connected, sock=one, limit=LONGEST_LINE) for one in listeners]
        beats = loop.create_task(manager.keep_beating())
        manager.ready("waiting for mailbox names")
        try:
            await stop.wait()
            manager.stopping()
        finally:
            for server in servers:
                server.close()
            beats.cancel()
            await asyncio.gather(beats, *self._clients, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            done = await self._answer(reader, writer)
            if done is not None:
                writer.write(_line_of(done))
                await writer.drain()
                # To close with unread octets would reset the connection, and the answer would be lost.
                writer.write_eof()
                with suppress(TimeoutError):
                    async with asyncio.timeout(ASK_SECONDS):
                        for _ in range(MOST_READS):
                            if not await reader.read(LONGEST_LINE):
                                break
        except OSError:
            # The client has gone; what it asked for was done.
            return
        finally:
            self._clients.discard(task)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> CommandResult | None:
        user = _user_of(writer)
        if user not in self._users:
            logger.warning("client refused: user id %d", user, extra=log_event("kick.client.refused"))
            return CommandResult(Kicked.FAILED, "this user may not ask")
        if len(self._clients) > MOST_CLIENTS:
            return CommandResult(Kicked.FAILED, "too many clients, try again")
        try:
            async with asyncio.timeout(ASK_SECONDS):
                line = await reader.readuntil(b"\n")
        except asyncio.IncompleteReadError:
            return None
        except (asyncio.LimitOverrunError, TimeoutError):
            return _refused("a line of at most one mailbox name was expected")
        name = _name_in(line)
        if name is None:
            return _refused("not a valid mailbox name")
        async with self._places:
            done = await run_command([*self._command, name], os.environ)
        if done.trouble:
            logger.error(
                "connections not closed: %s", done.trouble, extra=log_event("kick.command.failed", mailbox=name)
            )
        else:
            logger.info("command run", extra=log_event("kick.command.done", mailbox=name))
        return done


def _refused(reason: str) -> CommandResult:
    logger.warning("request refused: %s", reason, extra=log_event("kick.request.refused"))
    return CommandResult(Kicked.FAILED, reason)


def _name_in(line: bytes) -> str | None:
    """Return the mailbox name that a line consists of; None if it is anything else."""
    try:
        name = line.removesuffix(b"\n").decode("utf-8")
    except UnicodeDecodeError:
        return None
    return name if can_be_name(name) else None


def _line_of(done: CommandResult) -> bytes:
    match done.kicked:
        case Kicked.CLOSED:
            return CLOSED + b"\n"
        case Kicked.NONE_OPEN:
            return NONE_OPEN + b"\n"
        case _:
            return FAILED + b" " + done.trouble.replace("\n", " ").encode("utf-8", "replace")[:500] + b"\n"


def _user_of(writer: asyncio.StreamWriter) -> int:
    """Return the user id of the client at the other end, as it was when it connected."""
    peer = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    _, user, _ = _PEER.unpack(peer)
    return int(user)
