"""A SIP system and its telephones that the test controls: it sees every packet and can send anything."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from aiortp import DtmfEvent
from aiosipua import SipRequest, SipResponse, build_sdp, serialize_sdp
from aiosipua.message import SipMessage

SECONDS = 10
HOST = "127.0.0.1"


class Peer(asyncio.DatagramProtocol):
    """A telephone's UDP port."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.came = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport
        self.port: int = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self.got.append(data)
        self.came.set()

    async def wait_for(self, number: int) -> None:
        async with asyncio.timeout(10):
            while len(self.got) < number:
                self.came.clear()
                await self.came.wait()


async def peer(host: str = "127.0.0.1") -> Peer:
    _transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(Peer, local_addr=(host, 0))
    return protocol


class Pbx(asyncio.DatagramProtocol):
    """A SIP system that answers OPTIONS by itself; the test takes and answers all other requests."""

    def __init__(self) -> None:
        self.requests: asyncio.Queue[SipRequest] = asyncio.Queue()
        self.responses: asyncio.Queue[SipResponse] = asyncio.Queue()
        self.sees_caller_as: tuple[str, int] | None = None
        """The address to report in received and rport (RFC 3581), or None to report none."""
        self.ignores_options = False
        self._seen: set[str] = set()
        self._last = 100

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport
        self.port: int = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        message = SipMessage.parse(data)
        self.caller = addr
        if isinstance(message, SipResponse):
            self.responses.put_nowait(message)
        elif message.method == "OPTIONS":
            if not self.ignores_options:
                self.say(message, 200)
        elif (key := f"{message.method} {message.get_header('via')}") not in self._seen:
            self._seen.add(key)
            self.requests.put_nowait(message)

    async def takes(self, method: str) -> SipRequest:
        """Return the next request as soon as it has arrived; a retransmission is not counted again."""
        async with asyncio.timeout(SECONDS):
            request = await self.requests.get()
        assert request.method == method, request
        return request

    async def hears(self) -> SipResponse:
        """Return the next response to a request of this system, as soon as it has arrived."""
        async with asyncio.timeout(SECONDS):
            return await self.responses.get()

    def say(
        self, request: SipRequest, status: int, *, sound: str = "", tag: str = "callee", **headers: str | list[str]
    ) -> None:
        """Answer a request; ``sound`` is a session description, and names of headers are written with underscores."""
        response = SipResponse(status_code=status, reason_phrase="Whatever")
        for name in ("Via", "From", "Call-ID", "CSeq"):
            response.headers.set_single(name, request.headers.get_first(name) or "")
        if self.sees_caller_as is not None:
            host, port = self.sees_caller_as
            via = (request.headers.get_first("via") or "").replace(";rport", f";received={host};rport={port}")
            response.headers.set_single("Via", via)
        response.headers.set_single("To", f"{(request.headers.get_first('to') or '').partition(';')[0]};tag={tag}")
        response.headers.set_single("Contact", f"<sip:callee@{HOST}:{self.port}>")
        self._send(response, sound, headers)

    def ask(
        self,
        invite: SipRequest,
        method: str,
        *,
        sound: str = "",
        tag: str = "callee",
        by: asyncio.DatagramTransport | None = None,
        **headers: str | list[str],
    ) -> SipRequest:
        """Send a request within the dialog of an INVITE, from here or from another machine of the same system."""
        self._last += 1
        request = SipRequest(method=method, uri=f"sip:{self.caller[0]}:{self.caller[1]}")
        request.headers.set_single("Via", f"SIP/2.0/UDP {HOST}:{self.port};rport;branch=z9hG4bK{uuid4().hex}")
        request.headers.set_single("From", f"{(invite.headers.get_first('to') or '')};tag={tag}")
        request.headers.set_single("To", invite.headers.get_first("from") or "")
        request.headers.set_single("Call-ID", invite.call_id or "")
        request.headers.set_single("CSeq", f"{self._last} {method}")
        request.headers.set_single("Contact", f"<sip:callee@{HOST}:{self.port}>")
        self._send(request, sound, headers, by)
        return request

    def send(self, octets: bytes) -> None:
        """Send arbitrary octets."""
        self.transport.sendto(octets, self.caller)

    def _send(
        self,
        message: SipRequest | SipResponse,
        sound: str,
        headers: dict[str, str | list[str]],
        by: asyncio.DatagramTransport | None = None,
    ) -> None:
        for name, values in headers.items():
            message.headers.remove(name.replace("_", "-"))
            for value in values if isinstance(values, list) else [values]:
                message.headers.append(name.replace("_", "-"), value)
        if sound:
            message.text = sound
            if "Content_Type" not in headers:
                message.headers.set_single("Content-Type", "application/sdp")
        (by or self.transport).sendto(bytes(message), self.caller)


def sound_at(port: int, *, payload_type: int = 0, name: str = "PCMU", host: str = HOST) -> str:
    """Return a session description: G.711 and telephone events, at a port."""
    return serialize_sdp(build_sdp(host, port, payload_type, name))


@asynccontextmanager
async def pbx(host: str = HOST, port: int = 0) -> AsyncIterator[Pbx]:
    """Open a SIP system at a port of its own, and close it."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(Pbx, local_addr=(host, port))
    try:
        yield protocol
    finally:
        transport.close()


def key_packet(key: int, number: int, *, payload_type: int = 101) -> bytes:
    event = DtmfEvent(event=key, end=True, volume=10, duration=800).serialize()
    return struct.pack("!BBHII", 0x80, 0x80 | payload_type, number, number * 1000, 7) + event
