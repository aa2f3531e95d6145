"""The web door's gunicorn worker: a thread gets a request only when it has arrived completely.

Gunicorn's own threads read from the socket, so a client that sends one octet now and then blocks a thread for ever:
eight such connections made the door unavailable (slowloris). Here the event loop buffers what arrives. A slow, silent
or endless request costs a socket and a little memory, both bounded, and is ended after a timeout. A response that the
client does not read blocks a thread for a bounded time.
"""

from __future__ import annotations

import errno
import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.http.parser import RequestParser
from gunicorn.workers.gthread import TConn, ThreadWorker

from watchword.cli.request_framing import Framing
from watchword.config.middleware import LARGEST_BODY
from watchword.doors.open_files import SPARE_FILES, raise_open_files

MOST_CONNECTIONS = 900
"""Limit for one process. Beyond it an idle connection, or the oldest unfinished one of the busiest peer, is closed."""
MOST_OCTETS = 64 * 1024 * 1024
"""Limit for the buffers of all unfinished requests together."""
WHOLE_SECONDS = 15.0
"""Timeout for a complete request, from its first octet or from the connection; a larger request gets more."""
OCTETS_A_SECOND = 16 * 1024
"""The minimum rate at which the body of a large request has to arrive."""
SEND_SECONDS = 30.0
"""How long a thread waits, over one response, for a client that does not read it."""
STOP_SECONDS = 2.0
"""Timeout for unfinished requests once the worker is told to stop."""
LOOK_SECONDS = 0.5
_READ_AT_ONCE = 256 * 1024
_TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class PatientSocket(socket.socket):
    """A connection whose peer has a limited time to read the response to one request."""

    _patience = SEND_SECONDS

    def setblocking(self, flag: bool) -> None:
        """Block for a bounded time; the worker calls this before each request."""
        self._patience = SEND_SECONDS
        self.settimeout(SEND_SECONDS if flag else 0.0)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send everything; raises BrokenPipeError if the peer does not read in time."""
        with self._waiting():
            super().sendall(data, flags)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a file; raises BrokenPipeError if the peer does not read in time."""
        with self._waiting():
            return super().sendfile(file, offset, count)

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        if self._patience <= 0:
            raise BrokenPipeError(errno.EPIPE, "the peer does not read")
        if self.gettimeout() != 0.0:
            self.settimeout(self._patience)
        began = time.monotonic()
        try:
            yield
        except TimeoutError:
            raise BrokenPipeError(errno.EPIPE, "the peer does not read") from None
        finally:
            self._patience -= time.monotonic() - began


@dataclass(eq=False, slots=True)
class Unfinished:
    """A connection whose next request has not arrived completely."""

    conn: Any
    framing: Framing
    since: float
    was_continued: bool = False
    is_registered: bool = False
    """Whether the event loop watches it."""

    @property
    def peer(self) -> object:
        """The address of the client; None for a Unix socket."""
        return self.conn.client[0] if isinstance(self.conn.client, tuple) else None

    @property
    def deadline(self) -> float:
        """When its timeout ends (monotonic)."""
        return self.since + WHOLE_SECONDS + max(self.framing.announced, len(self.framing.octets)) / OCTETS_A_SECOND


class GatheringWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn's threaded worker, which reads requests in the event loop instead of in the threads."""

    sockets: list[Any]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._unfinished: dict[Unfinished, None] = {}
        self._octets = 0
        self._next_look = 0.0
        self._stop_at: float | None = None
        self._most = most_connections()
        # This class makes room itself: if gunicorn stopped accepting, slow clients would block all others.
        self.worker_connections = self._most + SPARE_FILES

    def accept(self, listener: Any) -> None:
        """Accept a connection, and wait for its first request."""
        try:
            accepted, client = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._make_room()
            elif error.errno not in (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED):
                raise
            return
        if self.nr_conns >= self._most:
            self._make_room()
        self.nr_conns += 1
        patient = PatientSocket(fileno=accepted.detach())
        self._gather(TConn(self.cfg, patient, client, listener.getsockname()), b"")

    def on_client_socket_readable(self, conn: Any, client: Any) -> None:
        """Read the next request of a connection that was held open (keep-alive)."""
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._gather(conn, b"")

    def finish_request(self, conn: Any, fs: Future[Any]) -> None:
        """Close the connection or hold it open; octets sent ahead (pipelining) begin the next request."""
        keeps = not fs.cancelled() and fs.exception() is None and fs.result()
        rest = conn.parser.unreader.take_buffered() if keeps and self.alive else b""
        if rest:
            self._gather(conn, rest)
        else:
            super().finish_request(conn, fs)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for events, and periodically end requests whose timeout is over."""
        super().wait_for_and_dispatch_events(min(timeout, LOOK_SECONDS))
        if not self.alive and self._stop_at is None:
            self._stop_at = time.monotonic() + STOP_SECONDS
        if (now := time.monotonic()) >= self._next_look:
            self._next_look = now + LOOK_SECONDS
            self._end_late(now)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Before the worker stops, accept the connections in the kernel's backlog: they would be reset otherwise."""
        if not enabled and not self.alive and self._accepting:
            self._accept_all_that_wait()
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            for listener in self.sockets:
                # From here on a new connection is refused, which a proxy understands, and not accepted and reset later.
                listener.close()
            self.sockets = []

    def _keepalive_after(self, conn: Any, keepalive: bool) -> bool:
        # The rest of a request whose body was dropped must never be read as the next request.
        return not conn.is_cut and bool(super()._keepalive_after(conn, keepalive))

    def _accept_all_that_wait(self) -> None:
        for listener in self.sockets:
            listener.setblocking(False)
            before = -1
            while before != self.nr_conns < self._most:
                before = self.nr_conns
                self.accept(listener)

    def _gather(self, conn: Any, octets: bytes) -> None:
        conn.sock.setblocking(False)
        unfinished = Unfinished(conn, Framing(LARGEST_BODY), time.monotonic())
        self._unfinished[unfinished] = None
        if octets and self._take(unfinished, octets):
            return
        # Mostly the data is there already, and reading it now saves a turn of the loop and its wait for the GIL.
        self._on_readable(unfinished, conn.sock)
        if unfinished in self._unfinished:
            self.poller.register(conn.sock, EVENT_READ, partial(self._on_readable, unfinished))
            unfinished.is_registered = True

    def _on_readable(self, unfinished: Unfinished, client: Any) -> None:
        if unfinished not in self._unfinished:
            # It was closed within this turn of the loop to make room for another connection.
            return
        try:
            data = client.recv(_READ_AT_ONCE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if data:
            self._take(unfinished, data)
        else:
            self._end(unfinished)

    def _take(self, unfinished: Unfinished, data: bytes) -> bool:
        """Add data to an unfinished request; if it is complete now, pass it to a thread and return True."""
        framing = unfinished.framing
        before = len(framing.octets)
        is_whole = framing.feed(data)
        self._octets += len(framing.octets) - before
        if is_whole:
            self._forget(unfinished)
            self._hand_over(unfinished)
            return True
        if framing.wants_continue and not unfinished.was_continued:
            unfinished.was_continued = True
            with suppress(OSError):
                unfinished.conn.sock.send(_CONTINUE)
        while self._octets > MOST_OCTETS:
            self._end(max(self._unfinished, key=lambda one: len(one.framing.octets)))
        return False

    def _hand_over(self, unfinished: Unfinished) -> None:
        """Enqueue a complete request for a thread, whose parser can read no octet beyond it."""
        conn = unfinished.conn
        if conn.parser is None:
            no_more: Iterable[bytes] = iter(())
            conn.parser = RequestParser(self.cfg, no_more, conn.client)
        conn.parser.unreader.unread(bytes(unfinished.framing.octets))
        conn.is_cut = unfinished.framing.is_cut
        conn.initialized = conn.data_ready = True
        self.enqueue_req(conn)

    def _make_room(self) -> None:
        if self.keepalived_conns:
            conn = self.keepalived_conns.popleft()
            self._close(conn)
        elif self._unfinished:
            crowded, _number = Counter(one.peer for one in self._unfinished).most_common(1)[0]
            self._end(next(one for one in self._unfinished if one.peer == crowded))

    def _end_late(self, now: float) -> None:
        for unfinished in list(self._unfinished):
            deadline = unfinished.deadline
            if self._stop_at is not None:
                deadline = min(deadline, self._stop_at)
            if now >= deadline:
                if unfinished.framing.octets:
                    with suppress(OSError):
                        unfinished.conn.sock.send(_TOO_LATE)
                self._end(unfinished)

    def _end(self, unfinished: Unfinished) -> None:
        self._forget(unfinished)
        self._close(unfinished.conn)

    def _forget(self, unfinished: Unfinished) -> None:
        self._unfinished.pop(unfinished)
        self._octets -= len(unfinished.framing.octets)
        if unfinished.is_registered:
            self.poller.unregister(unfinished.conn.sock)

    def _close(self, conn: Any) -> None:
        with suppress(OSError, KeyError, ValueError):
            self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()


def most_connections() -> int:
    """Raise the limit of open files as far as allowed, and return how many connections this process can hold open."""
    files = raise_open_files(MOST_CONNECTIONS + SPARE_FILES)
    return MOST_CONNECTIONS if files is None else max(min(MOST_CONNECTIONS, files - SPARE_FILES), 16)
