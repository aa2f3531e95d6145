"""One bound connection to an SMSC (SMPP 3.4): requests and responses, receipts, and keepalive.

The library of the tests' SMSC has a client too. It allows no password of more than eight octets, waits for ever after a
bind was rejected, and answers data_sm with a system error (ADR 0071).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import ssl
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from watchword.core.log_events import log_event
from watchword.messaging.gateways.smpp import pdu
from watchword.messaging.gateways.smpp.pdu import HEADER, RESPONSE, Command, Delivered, Status
from watchword.messaging.gateways.smpp.trace import SmppTrace

logger = logging.getLogger(__name__)

ENQUIRE_SECONDS = 30.0
"""Silence after which enquire_link is sent, and the timeout of its response."""
_LARGEST_SEQUENCE = 0x7FFF_FFFF
_ANSWERED_EMPTY = {Command.DELIVER_SM: b"\0", Command.DATA_SM: b"\0", Command.UNBIND: b"", Command.ENQUIRE_LINK: b""}
_UNANSWERED = frozenset({Command.ALERT_NOTIFICATION, Command.OUTBIND})
"""Sections 4.12 and 4.1.7: these have no response."""


class BindRejected(Exception):
    """The SMSC rejected the bind."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status:#010x}")
        self.status = status


class ConnectionLostError(Exception):
    """The connection ended before a request was answered. ``was_sent``: the request may have arrived."""

    def __init__(self, *, was_sent: bool) -> None:
        super().__init__("connection lost")
        self.was_sent = was_sent


class SmppSession:
    """One transceiver bind. ``closed`` is set once the connection has ended, on either side."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        deliver: Callable[[Delivered], None],
        trace: SmppTrace,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._deliver = deliver
        self._trace = trace
        self._sequence = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[tuple[int, bytes]]] = {}
        self._heard_at = self._now()
        self.closed = asyncio.Event()
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._watch())]

    @classmethod
    async def open(
        cls,
        address: tuple[str, int],
        *,
        tls: ssl.SSLContext | None,
        bind: bytes,
        deliver: Callable[[Delivered], None],
        seconds: float,
        trace: SmppTrace,
    ) -> SmppSession:
        """Connect and bind. Raises BindRejected, ConnectionLostError, OSError or TimeoutError."""
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(*address, ssl=tls)
            session = cls(reader, writer, deliver, trace)
            try:
                await session._bind(bind)
            except BaseException:
                await session.close()
                raise
        return session

    async def _bind(self, body: bytes) -> None:
        status, _body = await self.ask(Command.BIND_TRANSCEIVER, body)
        if status != Status.OK:
            raise BindRejected(status)

    async def ask(self, command: Command, body: bytes = b"", *, delivery: UUID | None = None) -> tuple[int, bytes]:
        """Send a request and return status and body of its response. Raises ConnectionLostError.

        ``delivery`` is the delivery of a submit_sm, for the trace.
        """
        if self.closed.is_set():
            raise ConnectionLostError(was_sent=False)
        sequence = next(self._sequence)
        if sequence >= _LARGEST_SEQUENCE:
            self._sequence = itertools.count(1)
        answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self._waiting[sequence] = answer
        try:
            self._trace.sent(command, sequence, delivery=delivery)
            self._writer.write(pdu.pdu(command, sequence, body))
            return await answer
        finally:
            self._waiting.pop(sequence, None)

    async def unbind(self) -> None:
        """Send an unbind and wait for its response. Raises ConnectionLostError."""
        await self.ask(Command.UNBIND)

    async def close(self) -> None:
        """Close the connection at once."""
        self._end()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self._writer.wait_closed()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    def _end(self) -> None:
        self.closed.set()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionLostError(was_sent=True))
                # The caller may be cancelled: then asyncio must not warn that the exception was never retrieved.
                answer.exception()
        self._writer.close()

    async def _read(self) -> None:
        try:
            while True:
                length, command, status, sequence = HEADER.unpack(await self._reader.readexactly(HEADER.size))
                if not HEADER.size <= length <= pdu.LONGEST_PDU:
                    logger.warning(
                        "connection closed: invalid PDU length",
                        extra=log_event("messaging.smpp.protocol_error", gateway=self._trace.gateway),
                    )
                    return
                body = await self._reader.readexactly(length - HEADER.size)
                self._heard_at = self._now()
                self._trace.received(command, sequence, status)
                if command & RESPONSE:
                    self._answered(sequence, status, body)
                elif not self._take(command, sequence, body):
                    return
        except (asyncio.IncompleteReadError, OSError):
            return
        finally:
            self._end()

    def _answered(self, sequence: int, status: int, body: bytes) -> None:
        answer = self._waiting.get(sequence)
        if answer is not None and not answer.done():
            answer.set_result((status, body))

    def _take(self, command: int, sequence: int, body: bytes) -> bool:
        """Handle and answer a request of the SMSC; return False after an unbind."""
        if command in _UNANSWERED:
            return True
        if command not in _ANSWERED_EMPTY:
            self._answer(Command.GENERIC_NACK, sequence, status=Status.INVALID_COMMAND)
            return True
        status = Status.OK
        if command in {Command.DELIVER_SM, Command.DATA_SM}:
            read = pdu.read_deliver_sm if command == Command.DELIVER_SM else pdu.read_data_sm
            try:
                self._deliver(read(body))
            except ValueError:
                status = Status.INVALID_LENGTH
        answer = _ANSWERED_EMPTY[Command(command)]
        self._answer(command | RESPONSE, sequence, answer, status=status)
        return command != Command.UNBIND

    def _answer(self, command: int, sequence: int, body: bytes = b"", *, status: int) -> None:
        self._trace.sent(command, sequence, status)
        self._writer.write(pdu.pdu(command, sequence, body, status=status))

    async def _watch(self) -> None:
        """Send enquire_link after each silence, and close a connection on which it is not answered."""
        while not self.closed.is_set():
            quiet = self._now() - self._heard_at
            if quiet < ENQUIRE_SECONDS:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.closed.wait(), ENQUIRE_SECONDS - quiet)
                continue
            try:
                async with asyncio.timeout(ENQUIRE_SECONDS):
                    await self.ask(Command.ENQUIRE_LINK)
            except ConnectionLostError:
                return
            except TimeoutError:
                if self._now() - self._heard_at >= ENQUIRE_SECONDS:
                    self._end()
                    return
