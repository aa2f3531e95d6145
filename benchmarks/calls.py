"""Twenty calls at once through SIP: measures gaps in the audio by the recordings of the telephones."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import resource
import time
from array import array
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.codes import _free_port, _running

CALLS = 20
FRAME = 0.02
BUFFER = 0.06
"""Seconds of the smallest jitter buffer of telephones; a packet later than that is an audible gap."""


def measure(home: Path, *, calls: int = CALLS) -> dict[str, Any]:
    """Place calls at once and return the faults of their audio."""
    import sys

    folder = home / "heard"
    folder.mkdir()
    port = _free_port()
    codes = [f"{(position * 7_919 + 104_729) % 1_000_000:06d}" for position in range(calls)]
    telephones = [sys.executable, str(Path(__file__).parent / "telephones.py"), str(port), str(folder)]
    with _running(telephones, dict(os.environ)):
        before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
        spoken = asyncio.run(_place(port, codes))
        _wait_for_files(folder, calls)
        after, seconds = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() - began
    notify = {call_id: _Recording(json.loads((folder / f"{call_id}.json").read_text())) for call_id in spoken}
    late = [lateness for recording in notify.values() for lateness in recording.lateness]
    right = sum(
        recording.digits() == code * 2 for recording, code in zip(notify.values(), spoken.values(), strict=True)
    )
    result = {
        "calls": calls,
        "packets": len(late),
        "lost": sum(recording.lost for recording in notify.values()),
        "gaps": sum(lateness > BUFFER for lateness in late),
        "worst_lateness_ms": max(late) * 1000,
        "p999_lateness_ms": sorted(late)[int(len(late) * 0.999)] * 1000,
        "right_digits": right,
        "cores": (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / seconds,
    }
    print(
        f"{calls} calls at once, {len(late)} packets: {result['lost']} lost, {result['gaps']} later than "
        f"{BUFFER * 1000:.0f} ms, worst {result['worst_lateness_ms']:.0f} ms; the right digits twice in {right} of "
        f"{calls} recordings; {result['cores']:.2f} cores"
    )
    return result


async def _place(port: int, codes: list[str]) -> dict[str, str]:
    """Return the code that each call has to speak, by its Call-ID."""
    from watchword.core.policy import Channel
    from watchword.messaging.gateway import Outgoing
    from watchword.messaging.gateways.sip.config import SipConfig
    from watchword.messaging.gateways.sip.gateway import SipGateway

    config = SipConfig(
        host="127.0.0.1", port=port, first_rtp_port=22_000, last_rtp_port=22_199, calls_at_once=len(codes)
    )
    gateway = SipGateway("pbx", config)
    await gateway.start(lambda _report: None)
    lives = datetime.now(UTC) + timedelta(minutes=5)

    async def one(code: str) -> tuple[str, str]:
        outgoing = Outgoing(uuid4(), Channel.VOICE, "+4930901820", "", code, "Bench", "x.example", not_after=lives)
        handed = await gateway.send(outgoing)
        return handed.reference, code

    try:
        spoken = dict(await asyncio.gather(*(one(code) for code in codes)))
        while gateway._tasks:
            await asyncio.wait(gateway._tasks)
        await asyncio.sleep(0.5)
        return spoken
    finally:
        await gateway.stop()


def _wait_for_files(folder: Path, number: int) -> None:
    end = time.monotonic() + 30
    while len(list(folder.glob("*.json"))) < number:
        assert time.monotonic() < end, "not every call was recorded"
        time.sleep(0.1)


class _Recording:
    """The recording of one telephone."""

    def __init__(self, rows: list[tuple[float, int, int, str]]) -> None:
        assert rows, "nothing was heard"
        first_at, first_number, first_stamp, _sound = rows[0]
        numbers = {(number - first_number) & 0xFFFF for _at, number, _stamp, _sound in rows}
        self.lost = max(numbers) + 1 - len(numbers)
        # The packet with the least delay defines the clock by which playing begins.
        delays = [at - first_at - (stamp - first_stamp) / 8000 for at, _number, stamp, _sound in rows]
        self.lateness = [delay - min(delays) for delay in delays]
        self._played = sorted(
            (
                (stamp - first_stamp, sound)
                for (_at, _number, stamp, sound), late in zip(rows, self.lateness, strict=True)
                if late <= BUFFER
            )
        )

    def digits(self) -> str:
        """Return the digits in the audio as played: a packet that came too late is silence."""
        import audioop

        from tests.phones.hearing import digits_in

        length = self._played[-1][0] + 160
        played = array("h", bytes(2 * length))
        for start, sound in self._played:
            played[start : start + 160] = array("h", audioop.ulaw2lin(base64.b64decode(sound), 2))
        return digits_in(played)
