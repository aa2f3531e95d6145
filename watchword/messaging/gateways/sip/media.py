"""The media of one call: RTP (RFC 3550) with G.711 in both directions, and keys as telephone events (RFC 4733)."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from aiortp import MediaClock, RTPSession
from aiortp.codecs import get_codec
from aiortp.dtmf import DtmfSender
from aiortp.sender import RtpSender
from aiortp.transport import RtpTransport
from aiosipua import SdpMessage, build_sdp, negotiate_sdp

from watchword.messaging.gateways.sip.config import Keys, is_address
from watchword.messaging.gateways.sip.rtp_ports import PortPair
from watchword.messaging.voice import audio

KEYS_PAYLOAD_TYPE = 101
LOUD = 500
"""About -36 dBm0: speech is louder, the noise of a quiet room and of telephone lines is not."""
_NAMES = {audio.PCMU: "PCMU", audio.PCMA: "PCMA"}
_LONGEST_FRAME = 0.03
_EXTENSION_PAUSE = 1.0
_KEY_MILLISECONDS = 160


class NoCommonSound(Exception):
    """The remote party offers no G.711, or no way to send keys; the message says which."""


class NoKeys(NoCommonSound):
    """The remote party sends no keys that we could receive, so that a person could not request the code."""


class _Session(RTPSession):
    """An RTP session that accepts packets from one address only: keys from elsewhere could approve a sign-in."""

    def __init__(self, payload_type: int, keys_payload_type: int) -> None:
        """``keys_payload_type`` is the remote party's payload type for keys; ours is accepted as well."""
        super().__init__(
            payload_type,
            get_codec(payload_type),
            dtmf_payload_type=keys_payload_type,
            cname="watchword",
            jitter_prefetch=0,
            plc=False,
            symmetric_rtp=True,
        )
        self.peers: frozenset[str] = frozenset()
        self._heard_as_keys = frozenset({KEYS_PAYLOAD_TYPE, keys_payload_type})

    async def begin(self, pair: PortPair, address: tuple[str, int]) -> None:
        """Send and receive on ports that are bound already; the library would bind its own."""
        self._remote_addr, self._remote_rtcp_addr = address, self._compute_rtcp_addr(address)
        self._loop = asyncio.get_running_loop()
        self._rtp_transport = await self._at(pair.rtp)
        self._rtcp_transport = await self._at(pair.rtcp)
        self._sender = RtpSender(transport=self._rtp_transport, payload_type=self._payload_type, ssrc=self._ssrc)
        self._dtmf_sender = DtmfSender(self._sender, dtmf_payload_type=self._dtmf_payload_type)
        self._rtcp_task = asyncio.create_task(self._run_rtcp())

    def use_keys(self, payload_type: int) -> None:
        """Send keys with another payload type from now on, and accept that one as well."""
        self._heard_as_keys |= {payload_type}
        self._dtmf_payload_type = payload_type
        if self._sender is not None:
            self._dtmf_sender = DtmfSender(self._sender, dtmf_payload_type=payload_type)

    async def _at(self, bound: Any) -> RtpTransport:
        transport = RtpTransport(on_rtp=self._handle_rtp, on_rtcp=self._handle_rtcp)
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: transport, sock=bound)
        return transport

    def _handle_rtp(self, data: bytes, addr: tuple[str, int]) -> None:
        if addr[0] not in self.peers:
            return
        if len(data) > 1 and data[1] & 0x7F in self._heard_as_keys:
            # Some devices send keys with the payload type that we offered, some with the one of their own answer.
            data = data[:1] + bytes(((data[1] & 0x80) | self._dtmf_payload_type,)) + data[2:]
        try:
            super()._handle_rtp(data, addr)
        except ValueError:
            # The telephone event is too short to be valid.
            return

    def _handle_rtcp(self, data: bytes, addr: tuple[str, int]) -> None:
        if addr[0] in self.peers:
            super()._handle_rtcp(data, addr)


class RtpSession:
    """The audio of one call, in both directions."""

    def __init__(self, host: str, pair: PortPair) -> None:
        """``host`` is our address as the remote party reaches it, ``pair`` the ports that we receive on."""
        self._host = host
        self._pair = pair
        self._keys_payload_type = KEYS_PAYLOAD_TYPE
        self._keys_come_by = ""
        self._payload_type = audio.PCMU
        self._session: _Session | None = None
        self._clock: MediaClock | None = None
        self._waiting: deque[bytes] = deque()
        self._timestamp = 0
        self._silent = asyncio.Event()
        self._silent.set()
        self._keys: asyncio.Queue[str] = asyncio.Queue(maxsize=100)
        self.heard_seconds = 0.0
        """How long the remote party spoke."""

    def offer(self) -> SdpMessage:
        """Return our SDP offer: PCMU or PCMA, only the agreed codec once there is one, and telephone events."""
        name = _NAMES[self._payload_type]
        offer = build_sdp(self._host, self._pair.port, self._payload_type, name, dtmf_payload_type=KEYS_PAYLOAD_TYPE)
        if self._session is None:
            media = offer.media[0]
            media.formats.insert(1, str(audio.PCMA))
            media.attributes["rtpmap"].insert(1, f"{audio.PCMA} PCMA/8000")
        return offer

    async def open(self, answer: SdpMessage | None, keys: Keys = Keys.RFC4733) -> None:
        """Begin to receive, as the SDP answer says; raises NoCommonSound, or NoKeys if ``keys`` can't be received."""
        address = answer.rtp_address if answer is not None else None
        media = answer.audio if answer is not None else None
        if answer is None or media is None or not _can_be_sent_to(address):
            raise NoCommonSound("the answer names no place to send sound to")
        chosen = [int(name) for name in media.formats if name.isdecimal() and int(name) in _NAMES]
        if not chosen:
            raise NoCommonSound("the other side speaks neither PCMU nor PCMA")
        self._keys_payload_type = _keys_payload_type(answer)
        if not self._keys_payload_type and keys is Keys.RFC4733:
            raise NoKeys("the other side sends no keys (telephone-event, RFC 4733)")
        self._payload_type = chosen[0]
        assert address is not None
        self._pair.drain()
        session = _Session(self._payload_type, self._keys_payload_type or KEYS_PAYLOAD_TYPE)
        session.peers = frozenset({address[0]})
        session.on_dtmf = lambda key, _duration: self.press(key, "rtp")
        session.on_audio = self._listen
        try:
            await session.begin(self._pair, address)
        except BaseException:
            await session.close()
            raise
        self._session = session

    def start(self) -> None:
        """Begin to send: silence, until there is audio to play."""
        self._clock = MediaClock(audio.FRAME_SECONDS, self._tick)
        self._clock.start()

    def move(self, offer: SdpMessage | None) -> SdpMessage:
        """Send to another address from now on, and return our SDP answer; raises SdpNegotiationError.

        Where a re-INVITE has no offer, return our own offer instead (RFC 3261 section 14.2).
        """
        if offer is None:
            return self.offer()
        codecs = [self._payload_type]
        keys = _keys_payload_type(offer) or KEYS_PAYLOAD_TYPE
        answer, _ = negotiate_sdp(offer, self._host, self._pair.port, codecs, dtmf_payload_type=keys)
        if self._session is not None:
            self._session.use_keys(keys)
        address = offer.rtp_address
        if self._session is not None and address is not None and _can_be_sent_to(address):
            self._session.peers = frozenset({address[0]})
            self._session.update_remote(address)
        return answer

    def play(self, pcm: bytes) -> None:
        """Play this audio now, instead of what was playing."""
        self._waiting.clear()
        self._waiting.extend(audio.frames_of(pcm, self._payload_type))
        if self._waiting:
            self._silent.clear()
        else:
            self._silent.set()

    async def played(self) -> None:
        """Wait until all audio has been played."""
        await self._silent.wait()

    async def key(self, seconds_after_silence: float) -> str | None:
        """Return the next key; None if none comes during playback and ``seconds_after_silence`` after its end."""
        waiting = asyncio.ensure_future(self._keys.get())
        try:
            said = asyncio.ensure_future(self._silent.wait())
            try:
                await asyncio.wait({waiting, said}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                said.cancel()
            done, _ = await asyncio.wait({waiting}, timeout=seconds_after_silence)
            return waiting.result() if done else None
        finally:
            waiting.cancel()

    async def dial_extension(self, extension: str) -> None:
        """Send the keys of an extension; a comma is a pause of one second."""
        if not self._keys_payload_type:
            raise NoKeys("the other side takes no keys (telephone-event, RFC 4733): no extension can be dialled")
        for sign in extension:
            self.play(audio.silence(_EXTENSION_PAUSE if sign == "," else 0.4))
            if sign != "," and self._session is not None:
                self._session.send_dtmf(sign, _KEY_MILLISECONDS, timestamp=self._timestamp)
            await self.played()

    async def close(self) -> None:
        """Stop sending and receiving."""
        if self._clock is not None:
            await self._clock.stop()
        if self._session is not None:
            await self._session.close()
        self._pair.close()

    def press(self, key: str, channel: str) -> None:
        """Take a key from RTP or SIP INFO. A device may send each key by both: only the first one used counts."""
        self._keys_come_by = self._keys_come_by or channel
        if channel == self._keys_come_by and not self._keys.full():
            self._keys.put_nowait(key)

    def _tick(self) -> None:
        if self._session is None:
            return
        # Silence is sent as well: NATs and PBXs close quiet streams, and telephones report the call as dead.
        frame = self._waiting.popleft() if self._waiting else _quiet(self._payload_type)
        self._session.send_audio(frame, self._timestamp)
        self._timestamp = (self._timestamp + audio.FRAME_SAMPLES) & 0xFFFF_FFFF
        if not self._waiting:
            self._silent.set()

    def _listen(self, pcm: bytes, _timestamp: int) -> None:
        if audio.loudness(pcm) > LOUD:
            self.heard_seconds += min(len(pcm) / 2 / audio.RATE, _LONGEST_FRAME)


def _can_be_sent_to(address: tuple[str, int] | None) -> bool:
    if address is None or not 0 < address[1] < 65_536:  # for any other port, asyncio closes the socket permanently
        return False
    # A host name would be resolved again for every frame.
    return is_address(address[0])


def _keys_payload_type(described: SdpMessage) -> int:
    """Return the remote party's payload type for keys (RFC 3264 section 6.1); 0 if it accepts none."""
    media = described.audio
    numbers = [
        codec.payload_type
        for codec in (media.codecs if media is not None else ())
        if codec.encoding_name.lower() == "telephone-event" and codec.clock_rate in {0, audio.RATE}
    ]
    return numbers[0] if numbers and 0 < numbers[0] < 128 and numbers[0] not in _NAMES else 0  # 7 bits


def _quiet(payload_type: int) -> bytes:
    return audio.frames_of(audio.silence(audio.FRAME_SECONDS), payload_type)[0]
