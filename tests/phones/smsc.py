"""An SMSC for the tests: smpp34's own server, which can accept, refuse, be silent, and send receipts as configured."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import gsm0338  # noqa: F401  (registers the codec)
import smpp34


@dataclass(frozen=True)
class Got:
    """One text that arrived."""

    sender: str
    number: str
    text: str
    message_id: str
    part: tuple[int, int] | None = None
    data_coding: int = 0


def start_smsc(port: int, log: Path, *, each_second: int = 0) -> subprocess.Popen[bytes]:
    """Start an SMSC as a process of its own, which can be killed; it logs a line for each text that it accepts.

    ``each_second`` limits how many it accepts each second; 0 is no limit.
    """
    words = [sys.executable, __file__, str(port), str(log), str(each_second)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.stdout.close()
    return process


def free_port() -> int:
    """Return a port on loopback that is free now, for TCP and for UDP.

    It lies outside the range of ephemeral ports, so that no other connection takes it before the test does.
    """
    while True:
        port = 26_000 + secrets.randbelow(6_700)
        with suppress(OSError):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(type=kind) as probe:
                    probe.bind(("127.0.0.1", port))
            return port


def free_even_port() -> int:
    """Return a free even port for audio: RTP takes an even port, and RTCP the one after it."""
    while (port := free_port()) % 2:
        continue
    return port


@dataclass
class Smsc:
    """The SMSC at the other end; an async context manager."""

    port: int = field(default_factory=free_port)
    status: int = 0
    """The command_status with which to refuse; 0 accepts, -1 never answers."""
    refusals: list[int] = field(default_factory=list)
    """Values of command_status with which to refuse the first submissions."""
    answers: asyncio.Event | None = None
    """Set to release the responses."""
    most_at_once: int = 0
    """The largest number of submissions that waited for a response at the same time."""
    stat: str | None = "DELIVRD"
    """The state in receipts, or None to send no receipts."""
    receipts: int = 1
    """How often each receipt is sent."""
    is_early: bool = False
    """Send receipts before the response to the submission."""
    hold: asyncio.Event | None = None
    """Set to release the receipts."""
    got: list[Got] = field(default_factory=list)
    name: Callable[[int], str] = "m{}".format
    log: Path | None = None
    each_second: int = 0
    """How many texts it accepts each second; 0 is no limit."""

    async def __aenter__(self) -> Self:
        self._server = smpp34.Server(host="127.0.0.1", port=self.port, system_id="Test SMSC")
        await self._server.start()
        self._esmes: dict[str, smpp34.Esme] = {}
        self._task = asyncio.create_task(self._serve())
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        self._unanswered = 0
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._task.cancel()
        for task in self._tasks:
            task.cancel()
        await self._server.stop()

    async def wait_for(self, number: int, seconds: float = 10) -> list[Got]:
        """Return the texts received, as soon as there are this many."""
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(lambda: len(self.got) >= number), seconds)
        return self.got

    async def _serve(self) -> None:
        while True:
            event = await self._server.next()
            if isinstance(event, smpp34.Esme):
                self._esmes[event.session_id] = event
            elif isinstance(event, smpp34.SubmitSmEvent) and self.answers is not None:
                task = asyncio.create_task(self._take_later(event, self.answers))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            elif isinstance(event, smpp34.SubmitSmEvent):
                await self._take(event)

    async def _take_later(self, event: smpp34.SubmitSmEvent, answers: asyncio.Event) -> None:
        self._unanswered += 1
        self.most_at_once = max(self.most_at_once, self._unanswered)
        await answers.wait()
        self._unanswered -= 1
        await self._take(event)

    async def _take(self, event: smpp34.SubmitSmEvent) -> None:
        if self.status == -1:
            self._silent = event
            return
        if self.status or self.refusals:
            event.reject(self.refusals.pop(0) if self.refusals else self.status)
            return
        if self.each_second:
            await asyncio.sleep(1 / self.each_second)
        octets, part = bytes(event.short_message), None
        if event.esm_class & 0x40:
            part = (octets[5], octets[4])
            octets = octets[octets[0] + 1 :]
        text = octets.decode("utf-16-be" if event.data_coding == 8 else "gsm03.38")
        message_id = self.name(len(self.got) + 1)
        got = Got(event.source_addr, event.destination_addr, text, message_id, part, event.data_coding)
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(f"{event.destination_addr} {text.replace(chr(10), ' ')}\n")
        if self.is_early:
            await self._send_receipt(event, message_id)
        event.accept(message_id=message_id)
        if not self.is_early and event.registered_delivery and self.stat is not None:
            task = asyncio.create_task(self._send_receipt(event, message_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        async with self._changed:
            self.got.append(got)
            self._changed.notify_all()

    async def _send_receipt(self, event: smpp34.SubmitSmEvent, message_id: str) -> None:
        if self.hold is not None:
            await self.hold.wait()
        for _ in range(self.receipts):
            with suppress(smpp34.SmppError):  # A client that was killed gets no receipt.
                await self._esmes[event.session_id].deliver_sm(
                    event.source_addr,
                    f"id:{message_id} sub:001 dlvrd:001 submit date:2611241200 "
                    f"done date:2611241200 stat:{self.stat} err:000".encode(),
                    source_addr=event.destination_addr,
                    esm_class=0x04,
                )


async def _run(port: int, log: Path, each_second: int) -> None:
    # The process id keeps message ids unique across restarts of a killed SMSC.
    async with Smsc(port=port, log=log, each_second=each_second, name=lambda number: f"{os.getpid()}-{number}"):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_run(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
