"""Many telephones in one process: they answer, press 1, and record every packet with its time of arrival.

``python benchmarks/telephones.py PORT FOLDER``: SIP at the port; for each call that ends, FOLDER/N.json.
"""

from __future__ import annotations

import asyncio
import base64
import json
import struct
import sys
import time
from pathlib import Path
from typing import Any

from aiortp import DtmfEvent
from aiosipua import IncomingCall, SipUAS, build_sdp
from aiosipua.transport import UdpSipTransport

PRESSES_AFTER = 1.0


class Ear(asyncio.DatagramProtocol):
    """One RTP port, which records its packets."""

    def __init__(self) -> None:
        self.packets: list[tuple[float, int, int, bytes]] = []
        self.hears = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:  # noqa: ARG002  (its signature)
        """Record one packet: its time of arrival, sequence number, timestamp and payload."""
        at = time.monotonic()
        _flags, kind, sequence, timestamp = struct.unpack("!BBHI", data[:8])
        if kind & 0x7F == 0:
            self.packets.append((at, sequence, timestamp, data[12:]))
            self.hears.set()

    def press(self, address: tuple[str, int]) -> None:
        """Press key 1."""
        for position in range(3):
            event = DtmfEvent(event=1, end=True, volume=10, duration=1280).serialize()
            self.transport.sendto(struct.pack("!BBHII", 0x80, 0x80 | 101, position, 4711, 99) + event, address)


async def main(port: int, folder: Path) -> None:
    """Answer until killed."""
    uas = SipUAS(UdpSipTransport(local_addr=("127.0.0.1", port)))
    ears: dict[str, Ear] = {}
    tasks: set[asyncio.Task[None]] = set()

    async def pick_up(call: IncomingCall) -> None:
        loop = asyncio.get_running_loop()
        transport, ear = await loop.create_datagram_endpoint(Ear, local_addr=("127.0.0.1", 0))
        ears[call.call_id] = ear
        call.ringing()
        call.accept(build_sdp("127.0.0.1", transport.get_extra_info("sockname")[1], 0, "PCMU"))
        await ear.hears.wait()
        await asyncio.sleep(PRESSES_AFTER)
        assert call.sdp_offer is not None
        address = call.sdp_offer.rtp_address
        assert address is not None
        ear.press(address)

    def invited(call: IncomingCall) -> None:
        task = asyncio.get_running_loop().create_task(pick_up(call))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def ended(call: IncomingCall, _request: object) -> None:
        ear = ears.pop(call.call_id)
        ear.transport.close()
        rows = [(at, number, stamp, base64.b64encode(sound).decode()) for at, number, stamp, sound in ear.packets]
        part = folder / f"{call.call_id}.part"
        part.write_text(json.dumps(rows))
        part.rename(part.with_suffix(".json"))

    uas.on_invite, uas.on_bye = invited, ended
    await uas.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
