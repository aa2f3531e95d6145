"""Connections of mail servers: octets in, questions to the desk, answers out; bounded in every direction."""

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
from watchword.doors.mail import auth_protocol
from watchword.doors.mail.batching import Allowed, Deferred, Refused, RequestBatcher, Verdict
from watchword.doors.mail.connection_limits import ConnectionLimits, Full, Peer
from watchword.doors.mail.line_protocol import Hangup, Line, Lines, TooLong
from watchword.doors.mail.submission_sessions import Submissions
from watchword.signin.mail_submission import SubmissionLogin
from watchword.signin.non_interactive import AuthRequest

log = logging.getLogger(__name__)

MOST_PENDING = 64
"""Questions of one connection that wait for answers; nothing more is read until one is answered."""

IDLE_SECONDS = 600
"""Longer than Postfix keeps an idle smtpd (max_idle, 100 s), so that none finds its connection gone."""

GREETING_SECONDS = 30
"""How long somebody may be connected without having said what they speak."""

SAY_AGAIN_SECONDS = 60
"""How often at most the log says that connections were refused."""

_numbers = itertools.count(1)


class Cutter(Protocol):
    """Cuts a stream of octets into whole requests, and keeps little of what is still to come."""

    def feed(self, octets: bytes) -> list[Line | TooLong]:
        """Take what arrived and return what it completed, in order."""


class Door:
    """All connections of the daemon."""

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
        """Return what answers one new connection that speaks the authentication protocol."""
        return AuthConnection(self)

    def end_idle(self, now: float) -> None:
        """End the connections on which nothing has happened for too long (``now`` in seconds of the event loop)."""
        for connection in list(self.connections):
            patience = IDLE_SECONDS if connection.is_greeted else GREETING_SECONDS
            if not connection.pending and now - connection.last_heard > patience:
                connection.end("it was idle")

    def end_all(self) -> None:
        """End every connection after what is already answered has left."""
        for connection in list(self.connections):
            connection.end("the daemon stops")

    def admit(self, connection: Connection) -> bool:
        """Take a connection in, if need be in the place of one that has never asked anything."""
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
        """Remember an allowed sign-in to send, so that its messages can be traced to it."""
        if credential_id is not None and question.service == "smtp":
            signed_in = SubmissionLogin(mailbox, credential_id, at, question.service, question.address)
            self.submissions.note(process, signed_in)

    def forget(self, connection: Connection) -> None:
        """Take note that a connection is gone."""
        if connection in self.connections:
            self.connections.discard(connection)
            self._limits.give_back(connection.peer)
        self._one_left.set()

    def _longest_silent(self, peer: Peer, full: Full) -> Connection | None:
        """Return the connection whose end makes room under a limit, if there is one that nobody would miss."""
        silent = [one for one in self.connections if not one.has_asked]
        if full is Full.PEER:
            silent = [one for one in silent if one.peer == peer]
        elif full is Full.TCP:
            silent = [one for one in silent if one.peer.is_tcp]
        # Of the same peer first: nobody is put out by somebody who can be put out themselves.
        return min(silent, key=lambda one: (one.peer != peer, one.last_heard), default=None)

    def _note_refused(self, peer: Peer) -> None:
        self._refused += 1
        now = asyncio.get_running_loop().time()
        if now >= self._say_again_at:
            self._say_again_at = now + SAY_AGAIN_SECONDS
            kind = "TCP" if peer.is_tcp else "the sockets"
            log.warning("connections were refused by %s (%d so far): too many are open", kind, self._refused)

    async def emptied(self, seconds: float) -> None:
        """Wait until no connection is left, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.connections:
                    self._one_left.clear()
                    await self._one_left.wait()


class Connection(asyncio.Protocol):
    """One connection; subclasses know a protocol."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.number = next(_numbers)
        self.pending = 0
        self.is_greeted = False
        self.has_asked = False
        """Whether it has ever put a question: one that never did loses nothing when it has to make room."""
        self.peer = Peer(is_tcp=False, name="")
        self.last_heard = 0.0
        self._lines = self.cut()
        self._unread: deque[Line | TooLong] = deque()
        self._can_write = True
        self._is_ending = False
        self._transport: asyncio.Transport | None = None
        self._outgoing: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take part, unless there are too many already."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.last_heard = asyncio.get_running_loop().time()
        self.peer = peer_of(transport)
        if self.door.admit(self):
            self.begin()
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the name is asyncio's
        """Forget the connection; answers still on their way go nowhere."""
        self.door.forget(self)
        self._unread.clear()
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Take octets as they come."""
        self.last_heard = asyncio.get_running_loop().time()
        self._unread.extend(self._lines.feed(data))
        self._work()

    def eof_received(self) -> bool:
        """The client asks nothing more (Exim's readsocket says so at once): answer what was asked, then close."""
        self.end("the client has nothing more to ask")
        return True

    def pause_writing(self) -> None:
        """The client doesn't read its answers: ask nothing more for it."""
        self._can_write = False

    def resume_writing(self) -> None:
        """The client reads again."""
        self._can_write = True
        self._work()

    @property
    def is_gone(self) -> bool:
        """Whether nobody is there any more to hear an answer."""
        return self._transport is None

    def end(self, why: str) -> None:
        """End the connection in order; nothing more is read."""
        if self._transport is not None and not self._is_ending:
            log.debug("connection %d ends: %s", self.number, why)
            self._is_ending = True
            self._unread.clear()
            self._transport.pause_reading()
            if not self.pending:
                self._close()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def hang_up(self, why: str) -> None:
        """End the connection of somebody who speaks something else."""
        log.warning("connection %d was ended: %s", self.number, why)
        self.end(why)

    def send(self, octets: bytes) -> None:
        """Send octets, if anybody is left to read them; what is sent in one turn of the loop leaves together."""
        if self._transport is not None:
            if not self._outgoing:
                asyncio.get_running_loop().call_soon(self._flush)
            self._outgoing.append(octets)

    def asked(self) -> None:
        """A question went to the desk."""
        self.has_asked = True
        self.pending += 1

    def told(self) -> None:
        """An answer came back from the desk."""
        self.pending -= 1
        if self._is_ending and not self.pending and self._transport is not None:
            self._close()
        elif self._unread:
            # Not at once: the desk has others to tell, and this might answer at once again and again.
            asyncio.get_running_loop().call_soon(self._work)

    def cut(self) -> Cutter:
        """Return what cuts the octets that arrive into what ``take`` acts on."""
        return Lines()

    def begin(self) -> None:
        """Say what a server says first."""

    def take(self, line: Line | TooLong) -> None:
        """Act on one line."""
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
    """Speaks the authentication protocol."""

    def __init__(self, door: Door) -> None:
        super().__init__(door)
        self._conversation = auth_protocol.AuthSession()

    def begin(self) -> None:
        """Say which mechanisms there are."""
        self.send(auth_protocol.greeting(os.getpid(), self.number, secrets.token_bytes(16)))

    def take(self, line: Line | TooLong) -> None:
        """Act on one line."""
        step = self._conversation.receive(line)
        match step:
            case None:
                self.is_greeted = True
            case auth_protocol.Send(octets):
                self.send(octets)
            case auth_protocol.Ask(request, question, name):
                self.asked()
                # From before it is looked at, so that whatever ends access from now on is later.
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
                case Refused():
                    self.send(auth_protocol.refused(request, name))
                case Deferred() if self._conversation.understands_later:
                    self.send(auth_protocol.later(request))
                case Deferred():
                    # To this client every FAIL is a wrong password. What it understands as "later" is a connection
                    # that ends without an answer.
                    self.end("there is no answer now, and the client knows no other word for it")
                case _:
                    assert_never(verdict)
        self.told()


def peer_of(transport: asyncio.Transport) -> Peer:
    """Return who is at the other end: an address, or the user of the system that opened a Unix socket."""
    connected = transport.get_extra_info("socket")
    if connected is not None and connected.family != socket.AF_UNIX:
        address = transport.get_extra_info("peername")
        return Peer(is_tcp=True, name=str(address[0]) if address else "")
    if connected is None or not hasattr(socket, "SO_PEERCRED"):
        return Peer(is_tcp=False, name="")
    told = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return Peer(is_tcp=False, name=str(struct.unpack("3i", told)[1]))
