"""Connections of mail servers: read octets, hand requests to the batcher, write answers, with limits for each step."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import logging
import os
import secrets
import socket
import struct
from collections import deque
from datetime import UTC, datetime
from typing import Protocol, assert_never
from uuid import UUID

from watchword.core.keyring import KeyRing
from watchword.core.log_events import log_event
from watchword.doors.mail import auth_protocol
from watchword.doors.mail.batching import Allowed, AuthDenied, AuthUnavailable, RequestBatcher, Verdict
from watchword.doors.mail.connection_limits import ConnectionLimits, Full, Peer
from watchword.doors.mail.line_protocol import Hangup, Line, Lines, TooLong
from watchword.doors.mail.submission_sessions import Submissions
from watchword.signin.mail_submission import SubmissionLogin
from watchword.signin.non_interactive import AuthRequest

logger = logging.getLogger(__name__)

MOST_PENDING = 64
"""Unanswered requests of one connection; at this number reading stops until one is answered."""

IDLE_SECONDS = 600
"""Longer than Postfix lets an smtpd idle (max_idle, 100 s), so that no smtpd finds its connection closed."""

GREETING_SECONDS = 30
"""How long a connection may stay open without a completed handshake."""

SAY_AGAIN_SECONDS = 60
"""The shortest time between two log entries about refused connections."""

_numbers = itertools.count(1)


class Cutter(Protocol):
    """A parser that splits a stream of octets into whole requests, with a bounded buffer for the incomplete one."""

    def feed(self, octets: bytes) -> list[Line | TooLong]:
        """Add received octets and return the requests that they completed, in order."""


class MailDoor:
    """The open connections of the daemon, and what they share."""

    def __init__(self, batcher: RequestBatcher, ring: KeyRing) -> None:
        self.batcher = batcher
        self.ring = ring
        self.submissions = Submissions()
        self.connections: set[Connection] = set()
        self._limits = ConnectionLimits()
        self._one_left = asyncio.Event()
        self._refused = 0
        self._say_again_at = 0.0

    def auth_connection(self) -> asyncio.Protocol:
        """Return the protocol object for a new connection that speaks the authentication protocol."""
        return AuthConnection(self)

    def end_idle(self, now: float) -> None:
        """Close connections that received nothing for too long (``now``: the event loop's time in seconds)."""
        for connection in list(self.connections):
            patience = IDLE_SECONDS if connection.is_greeted else GREETING_SECONDS
            if not connection.pending and now - connection.last_heard > patience:
                connection.end("idle timeout")

    def end_all(self) -> None:
        """Close every connection, each after its pending answers were sent."""
        for connection in list(self.connections):
            connection.end("server stopping")

    def admit(self, connection: Connection) -> bool:
        """Admit a connection and return whether it was; at a limit, close one that never sent a request instead."""
        peer = connection.peer
        if (full := self._limits.full(peer)) is not None:
            silent = self._longest_silent(peer, full)
            if silent is None:
                self._note_refused(peer)
                return False
            silent.abort()
            self.forget(silent)
        self._limits.take(peer)
        self.connections.add(connection)
        return True

    def note_sign_in(
        self, mailbox: str, credential_id: UUID | None, question: AuthRequest, at: datetime, process: int = 0
    ) -> None:
        """Remember an allowed sign-in for mail submission, so that its messages can be traced to it."""
        if credential_id is not None and question.service == "smtp":
            signed_in = SubmissionLogin(mailbox, credential_id, at, question.service, question.address)
            self.submissions.note(process, signed_in)

    def forget(self, connection: Connection) -> None:
        """Remove a closed connection from the set and the counts."""
        if connection in self.connections:
            self.connections.discard(connection)
            self._limits.give_back(connection.peer)
        self._one_left.set()

    def _longest_silent(self, peer: Peer, full: Full) -> Connection | None:
        """Return the connection to close when this limit is reached: the longest silent one that never sent a request.

        None where each connection under the limit has sent a request.
        """
        silent = [one for one in self.connections if not one.has_asked]
        if full is Full.PEER:
            silent = [one for one in silent if one.peer == peer]
        elif full is Full.TCP:
            silent = [one for one in silent if one.peer.is_tcp]
        # One of the same peer first: a peer that has such a connection never costs another peer one.
        return min(silent, key=lambda one: (one.peer != peer, one.last_heard), default=None)

    def _note_refused(self, peer: Peer) -> None:
        self._refused += 1
        now = asyncio.get_running_loop().time()
        if now >= self._say_again_at:
            self._say_again_at = now + SAY_AGAIN_SECONDS
            logger.warning(
                "connection refused: too many open connections (%d refused so far)",
                self._refused,
                extra=log_event("mail.connection.refused", transport="tcp" if peer.is_tcp else "unix"),
            )

    async def emptied(self, seconds: float) -> None:
        """Wait until no connection is left, for at most this many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.connections:
                    self._one_left.clear()
                    await self._one_left.wait()


class Connection(asyncio.Protocol):
    """The base class of connections; each subclass implements one protocol."""

    def __init__(self, door: MailDoor) -> None:
        self.door = door
        self.number = next(_numbers)
        self.pending = 0
        self.is_greeted = False
        self.has_asked = False
        """Whether it has ever sent a request; one that never did may be closed to admit another connection."""
        self.peer = Peer(is_tcp=False, name="")
        self.last_heard = 0.0
        self._lines = self.cut()
        self._unread: deque[Line | TooLong] = deque()
        self._can_write = True
        self._is_ending = False
        self._transport: asyncio.Transport | None = None
        self._outgoing: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the connection, or abort it if a limit is reached."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.last_heard = asyncio.get_running_loop().time()
        self.peer = peer_of(transport)
        if self.door.admit(self):
            self.begin()
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the name is asyncio's
        """Forget the connection; answers to its pending requests are dropped."""
        self.door.forget(self)
        self._unread.clear()
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Parse received octets and handle the requests in them."""
        self.last_heard = asyncio.get_running_loop().time()
        self._unread.extend(self._lines.feed(data))
        self._work()

    def eof_received(self) -> bool:
        """Answer the pending requests, then close: the client sends no more (Exim's readsocket half-closes at once)."""
        self.end("end of file from the client")
        return True

    def pause_writing(self) -> None:
        """Stop handling requests: the client does not read its answers."""
        self._can_write = False

    def resume_writing(self) -> None:
        """Continue handling requests: the client reads again."""
        self._can_write = True
        self._work()

    @property
    def is_gone(self) -> bool:
        """Whether the connection is lost, so that no answer can be sent any more."""
        return self._transport is None

    def end(self, why: str) -> None:
        """Close the connection once its pending requests are answered; read nothing more."""
        if self._transport is not None and not self._is_ending:
            logger.debug(
                "connection closed: %s", why, extra=log_event("mail.connection.closed", connection=self.number)
            )
            self._is_ending = True
            self._unread.clear()
            self._transport.pause_reading()
            if not self.pending:
                self._close()

    def abort(self) -> None:
        """Abort the connection at once, without sending what is still in its buffer."""
        if self._transport is not None:
            self._transport.abort()

    def hang_up(self, why: str) -> None:
        """Log a protocol error and close the connection."""
        logger.warning(
            "connection closed after a protocol error: %s",
            why,
            extra=log_event("mail.connection.protocol_error", connection=self.number),
        )
        self.end(why)

    def send(self, octets: bytes) -> None:
        """Send octets unless the connection is lost; writes within one iteration of the event loop are combined."""
        if self._transport is not None:
            if not self._outgoing:
                asyncio.get_running_loop().call_soon(self._flush)
            self._outgoing.append(octets)

    def asked(self) -> None:
        """Count a request that was handed to the batcher."""
        self.has_asked = True
        self.pending += 1

    def told(self) -> None:
        """Count an answer that came back from the batcher, and continue with unread requests."""
        self.pending -= 1
        if self._is_ending and not self.pending and self._transport is not None:
            self._close()
        elif self._unread:
            # In the next iteration: the batcher has other answers to deliver, and immediate answers would recurse.
            asyncio.get_running_loop().call_soon(self._work)

    def cut(self) -> Cutter:
        """Return the parser that splits received octets into the requests for ``take``."""
        return Lines()

    def begin(self) -> None:
        """Send the server's greeting, if the protocol has one."""

    def take(self, line: Line | TooLong) -> None:
        """Handle one line."""
        raise NotImplementedError

    def _flush(self) -> None:
        if self._outgoing and self._transport is not None:
            octets = b"".join(self._outgoing)
            self._outgoing.clear()
            self._transport.write(octets)

    def _close(self) -> None:
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def _work(self) -> None:
        while self._unread and self.pending < MOST_PENDING and self._can_write and not self._is_ending:
            self.take(self._unread.popleft())
        if self._transport is None or self._is_ending:
            return
        if self._unread:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()


class AuthConnection(Connection):
    """A connection that speaks Dovecot's authentication protocol."""

    def __init__(self, door: MailDoor) -> None:
        super().__init__(door)
        self._conversation = auth_protocol.AuthSession()

    def begin(self) -> None:
        """Send the handshake with the supported mechanisms."""
        self.send(auth_protocol.greeting(os.getpid(), self.number, secrets.token_bytes(16)))

    def take(self, line: Line | TooLong) -> None:
        """Handle one line."""
        step = self._conversation.receive(line)
        match step:
            case None:
                self.is_greeted = True
            case auth_protocol.Send(octets):
                self.send(octets)
            case auth_protocol.Ask(request, question, name):
                self.asked()
                # Taken before the check, so that any later end of access has a later time than this sign-in.
                at = datetime.now(UTC)
                self.door.batcher.ask(question, functools.partial(self._tell, request, name, question, at))
            case Hangup(why):
                self.hang_up(why)
            case _:
                assert_never(step)

    def _tell(self, request: int, name: str, question: AuthRequest, at: datetime, verdict: Verdict) -> None:
        if self._conversation.answered(request):
            match verdict:
                case Allowed(mailbox, credential_id):
                    self.door.note_sign_in(mailbox, credential_id, question, at, self._conversation.process)
                    self.send(auth_protocol.allowed(request, mailbox))
                case AuthDenied():
                    self.send(auth_protocol.refused(request, name))
                case AuthUnavailable() if self._conversation.understands_later:
                    self.send(auth_protocol.later(request))
                case AuthUnavailable():
                    # This client takes every FAIL for a wrong password. It treats a connection that closes without an
                    # answer as a temporary failure.
                    self.end("authentication deferred, and the client knows no answer for that")
                case _:
                    assert_never(verdict)
        self.told()


def peer_of(transport: asyncio.Transport) -> Peer:
    """Return the peer: an IP address, or the user id of the process that opened a Unix socket."""
    connected = transport.get_extra_info("socket")
    if connected is not None and connected.family != socket.AF_UNIX:
        address = transport.get_extra_info("peername")
        return Peer(is_tcp=True, name=str(address[0]) if address else "")
    if connected is None or not hasattr(socket, "SO_PEERCRED"):
        return Peer(is_tcp=False, name="")
    told = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return Peer(is_tcp=False, name=str(struct.unpack("3i", told)[1]))
