"""Shared helpers for tests of calls: a SIP gateway that calls a telephone, and its reports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.phones.pbx import Pbx
from watchword.core.policy import Channel
from watchword.messaging.gateway import Outgoing, Report, Result
from watchword.messaging.gateways.sip.config import SipConfig
from watchword.messaging.gateways.sip.gateway import SipGateway

NUMBER = "+4915112345678"
CODE = "493027"


def call(code: str = CODE, *, number: str = NUMBER, **more: Any) -> Outgoing:
    """Return a call to be placed."""
    values: dict[str, Any] = {
        "organisation": "Harbour & Hill",
        "host": "sign-in.example",
        "purpose": "sign_in",
        "not_after": datetime.now(UTC) + timedelta(minutes=5),
    }
    return Outgoing(uuid4(), Channel.VOICE, number, more.pop("extension", ""), code, **{**values, **more})


class Reports:
    """The reports of a gateway, with a method to wait for one."""

    def __init__(self) -> None:
        self.all: list[Report] = []
        self._came = asyncio.Event()

    def __call__(self, report: Report) -> None:
        self.all.append(report)
        self._came.set()

    @property
    def results(self) -> list[Result]:
        """Return the reported results, in order."""
        return [report.result for report in self.all]

    async def wait_for(self, result: Result, seconds: float = 60) -> None:
        """Wait until a result was reported."""
        async with asyncio.timeout(seconds):
            while result not in self.results:
                self._came.clear()
                await self._came.wait()


@asynccontextmanager
async def caller(port: int, **config: Any) -> AsyncIterator[tuple[SipGateway, Reports]]:
    """Start a gateway that places calls through a SIP system at a port of this machine, and stop it."""
    first = 20_000 + (uuid4().int % 1_400) * 4
    values = {"host": "127.0.0.1", "port": port, "first_rtp_port": first, "last_rtp_port": first + 199, **config}
    gateway, reports = SipGateway("pbx", SipConfig(**values)), Reports()
    await gateway.start(reports)
    try:
        yield gateway, reports
    finally:
        await gateway.stop()


async def sign_off(gateway: SipGateway, system: Pbx) -> None:
    """Stop a registered gateway, and answer its last REGISTER."""
    leaving = asyncio.ensure_future(gateway.stop())
    system.say(await system.takes("REGISTER"), 200)
    await leaving


async def is_idle(gateway: SipGateway) -> None:
    """Wait until every call has ended."""
    async with asyncio.timeout(60):
        while gateway._tasks:
            await asyncio.wait(gateway._tasks)


def run(play: Callable[[], Awaitable[None]], seconds: float = 120) -> None:
    """Run a coroutine on a new event loop with a timeout."""

    async def within() -> None:
        async with asyncio.timeout(seconds):
            await play()

    asyncio.run(within())
