"""The sound of one call: RTP (RFC 3550) with G.711 there and back, and keys as telephone events (RFC 4733)."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from ipaddress import ip_address

from aiortp import MediaClock, RTPSession
from aiosipua import SdpMessage, build_sdp, negotiate_sdp

from watchword.delivery.voice import sound

KEYS_PAYLOAD_TYPE = 101
LOUD = 500
"""About -36 dBm0: speech is louder, the noise of a quiet room and of lines is not."""
_NAMES = {sound.PCMU: "PCMU", sound.PCMA: "PCMA"}
_LONGEST_FRAME = 0.03
_EXTENSION_PAUSE = 1.0
_KEY_MILLISECONDS = 160


class NoCommonSound(Exception):
    """The other side offers no G.711, or no way to send keys; its text says which."""


class _Session(RTPSession):
    """Hears one address only: whoever could send keys from elsewhere could approve a sign-in."""

    peers: frozenset[str] = frozenset()

    def _handle_rtp(self, data: bytes, addr: tuple[str, int]) -> None:
        if addr[0] not in self.peers:
            return
        try:
            super()._handle_rtp(data, addr)
        except ValueError:
            # A telephone event that is too short to be one.
            return

    def _handle_rtcp(self, data: bytes, addr: tuple[str, int]) -> None:
        if addr[0] in self.peers:
            super()._handle_rtcp(data, addr)


class Line:
    """What is said and heard in one call."""

    def __init__(self, host: str, port: int) -> None:
        """``port`` is even, and the one after it is free as well (RTCP)."""
        self._host = host
        self.port = port
        self._payload_type = sound.PCMU
        self._session: _Session | None = None
        self._clock: MediaClock | None = None
        self._waiting: deque[bytes] = deque()
        self._timestamp = 0
        self._silent = asyncio.Event()
        self._silent.set()
        self._keys: asyncio.Queue[str] = asyncio.Queue(maxsize=100)
        self.heard_seconds = 0.0
        """How long somebody spoke at the other end."""

    def offer(self) -> SdpMessage:
        """Return what we offer: PCMU or PCMA, once one is agreed on only that; and keys."""
        name = _NAMES[self._payload_type]
        offer = build_sdp(self._host, self.port, self._payload_type, name, dtmf_payload_type=KEYS_PAYLOAD_TYPE)
        if self._session is None:
            audio = offer.media[0]
            audio.formats.insert(1, str(sound.PCMA))
            audio.attributes["rtpmap"].insert(1, f"{sound.PCMA} PCMA/8000")
        return offer

    async def open(self, answer: SdpMessage | None) -> None:
        """Begin to listen, as the answer says; raises NoCommonSound, or OSError when the port is taken."""
        address = answer.rtp_address if answer is not None else None
        audio = answer.audio if answer is not None else None
        if answer is None or audio is None or not _can_be_sent_to(address):
            raise NoCommonSound("the answer names no place to send sound to")
        chosen = [int(name) for name in audio.formats if name.isdecimal() and int(name) in _NAMES]
        if not chosen:
            raise NoCommonSound("the other side speaks neither PCMU nor PCMA")
        if not any(codec.encoding_name.lower() == "telephone-event" for codec in audio.codecs):
            raise NoCommonSound("the other side sends no keys (telephone-event, RFC 4733)")
        self._payload_type = chosen[0]
        assert address is not None
        opening = asyncio.ensure_future(
            _Session.create(
                (self._host, self.port),
                address,
                self._payload_type,
                dtmf_payload_type=KEYS_PAYLOAD_TYPE,
                cname="watchword",
                jitter_prefetch=0,
                plc=False,
                symmetric_rtp=True,
            )
        )
        try:
            session = await asyncio.shield(opening)
        except asyncio.CancelledError:
            # One of its two ports is open, and nobody else would close it.
            await (await opening).close()
            raise
        assert isinstance(session, _Session)
        session.peers = frozenset({address[0]})
        session.on_dtmf = self._take_key
        session.on_audio = self._listen
        self._session = session

    def start(self) -> None:
        """Begin to send: silence, until there is something to say."""
        self._clock = MediaClock(sound.FRAME_SECONDS, self._tick)
        self._clock.start()

    def move(self, offer: SdpMessage | None) -> SdpMessage:
        """Send to another address from now on, and return what we say to that; raises SdpNegotiationError.

        Where the telephone system offers nothing, the offer is ours (RFC 3261 section 14.2).
        """
        if offer is None:
            return self.offer()
        codecs = [self._payload_type]
        answer, _ = negotiate_sdp(offer, self._host, self.port, codecs, dtmf_payload_type=KEYS_PAYLOAD_TYPE)
        address = offer.rtp_address
        if self._session is not None and address is not None and _can_be_sent_to(address):
            self._session.peers = frozenset({address[0]})
            self._session.update_remote(address)
        return answer

    def play(self, pcm: bytes) -> None:
        """Say this now, instead of what was being said."""
        self._waiting.clear()
        self._waiting.extend(sound.frames_of(pcm, self._payload_type))
        if self._waiting:
            self._silent.clear()
        else:
            self._silent.set()

    async def played(self) -> None:
        """Wait until all is said."""
        await self._silent.wait()

    async def key(self, seconds_after_silence: float) -> str | None:
        """Return the next key; None if none comes while something is said and so long afterwards."""
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
        """Press the keys of an extension; a comma is a pause of a second."""
        for sign in extension:
            self.play(sound.silence(_EXTENSION_PAUSE if sign == "," else 0.4))
            if sign != "," and self._session is not None:
                self._session.send_dtmf(sign, _KEY_MILLISECONDS, timestamp=self._timestamp)
            await self.played()

    async def close(self) -> None:
        """Stop sending and listening."""
        if self._clock is not None:
            await self._clock.stop()
        if self._session is not None:
            await self._session.close()

    def _tick(self) -> None:
        if self._session is None:
            return
        # Silence is sent as well: boxes on the way close what is quiet, and telephones show a call that is dead.
        frame = self._waiting.popleft() if self._waiting else _quiet(self._payload_type)
        self._session.send_audio(frame, self._timestamp)
        self._timestamp = (self._timestamp + sound.FRAME_SAMPLES) & 0xFFFF_FFFF
        if not self._waiting:
            self._silent.set()

    def _take_key(self, key: str, _duration: int) -> None:
        if not self._keys.full():
            self._keys.put_nowait(key)

    def _listen(self, pcm: bytes, _timestamp: int) -> None:
        if sound.loudness(pcm) > LOUD:
            self.heard_seconds += min(len(pcm) / 2 / sound.RATE, _LONGEST_FRAME)


def _can_be_sent_to(address: tuple[str, int] | None) -> bool:
    if address is None or not 0 < address[1] < 65_536:  # noqa: PLR2004  (UDP; a socket would close for good)
        return False
    try:
        return not ip_address(address[0]).is_unspecified
    except ValueError:
        # A name would be looked up for every frame.
        return False


def _quiet(payload_type: int) -> bytes:
    return sound.frames_of(sound.silence(sound.FRAME_SECONDS), payload_type)[0]


class Ports:
    """Pairs of UDP ports for calls, each used by one call at a time."""

    def __init__(self, first: int, last: int) -> None:
        self._free = deque(range(first + first % 2, last, 2))

    def take(self, host: str) -> int | None:
        """Return an even port that is free together with the next one, or None if there is none left."""
        for _ in range(len(self._free)):
            port = self._free.popleft()
            if all(_is_free(host, one) for one in (port, port + 1)):
                return port
            self._free.append(port)
        return None

    def give_back(self, port: int) -> None:
        """Let another call have it, as late as possible: what still comes in belongs to the last one."""
        self._free.append(port)


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True
