"""A telephone for tests without an event loop: baresip, run by an event loop in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.phones.baresip import Baresip, baresip
from tests.phones.hearing import digits_in

SECONDS = 90


class Handset:
    """A person at a telephone who answers and listens."""

    def __init__(self, phone: Baresip, loop: asyncio.AbstractEventLoop) -> None:
        self._phone = phone
        self._loop = loop
        self._calls = 0

    @property
    def port(self) -> int:
        """Return the port of the telephone."""
        return self._phone.port

    def hear_code(self) -> str:
        """Press 1 in the next call, and return the six digits that were spoken, after the call has ended."""
        self._do(self._press_and_listen("1"))
        heard = digits_in(self._phone.heard())
        assert heard[:6] == heard[6:], heard
        return heard[:6]

    def press(self, keys: str) -> None:
        """Press keys in the next call, and wait until the call has ended."""
        self._do(self._press_and_listen(keys))

    async def _press_and_listen(self, keys: str) -> None:
        self._calls += 1
        await self._phone.wait_for("CALL_ESTABLISHED", self._calls)
        await self._phone.wait_until_heard(1)
        await self._phone.press(keys)
        await self._phone.wait_for("CALL_CLOSED", self._calls)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(SECONDS)


@contextmanager
def handset(folder: Path, number: str) -> Iterator[Handset]:
    """Start a telephone with a number (E.164), and end it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    running = baresip(folder, user=number)
    try:
        phone = asyncio.run_coroutine_threadsafe(running.__aenter__(), loop).result(SECONDS)
        try:
            yield Handset(phone, loop)
        finally:
            asyncio.run_coroutine_threadsafe(running.__aexit__(None, None, None), loop).result(SECONDS)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
