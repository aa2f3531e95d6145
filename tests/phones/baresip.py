"""Debian's baresip as a telephone on loopback: it rings or answers, records the received audio, and presses keys."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import signal
import subprocess
import wave
from array import array
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.phones.smsc import free_port

MODULES = Path("/usr/lib/baresip/modules")
SECONDS = 60
LET_GO = "\x04"
_CONFIGURATION = """
poll_method epoll
net_interface 127.0.0.1
sip_listen 127.0.0.1:{sip}
audio_source aufile,{folder}/mouth.wav
audio_player aufile,{folder}/ear.wav
audio_alert aufile,/dev/null
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
rtp_ports {first_rtp}-{last_rtp}
call_max_calls {calls}
call_hold_other_calls no
module_path {modules}
module g711.so
module aufile.so
module sndfile.so
snd_path {folder}/heard
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
"""


def why_not_here() -> str:
    """Return what is missing to run this; empty if nothing is."""
    if shutil.which("baresip") is None or not (MODULES / "ctrl_tcp.so").exists():
        return "baresip is not installed"
    return "" if shutil.which("espeak-ng") else "espeak-ng is not installed"


@dataclass
class Baresip:
    """A running telephone."""

    folder: Path
    port: int
    user: str
    process: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    events: list[dict[str, Any]] = field(default_factory=list)
    _came: asyncio.Event = field(default_factory=asyncio.Event)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def address(self) -> str:
        """Return the SIP address of the telephone."""
        return f"sip:{self.user}@127.0.0.1:{self.port}"

    def do(self, command: str, parameter: str = "") -> str:
        """Press a key (``sndcode``), answer (``accept``) or hang up (``hangup``); return the token of its response."""
        token = f"{command}-{next(self._numbers)}"
        message = {"command": command, "token": token, **({"params": parameter} if parameter else {})}
        octets = json.dumps(message).encode()
        self.writer.write(b"%d:%s," % (len(octets), octets))
        return token

    async def press(self, keys: str) -> None:
        """Press keys one after the other, releasing each."""
        for key in keys:
            for sign in (key, LET_GO):
                await self._until_done(self.do("sndcode", sign))

    async def _until_done(self, token: str) -> None:
        await self._until(lambda: any(event.get("token") == token for event in self.events))

    async def wait_for(self, kind: str, number: int = 1) -> dict[str, Any]:
        """Return the event number ``number`` (from 1) of a kind, as soon as it has arrived."""
        await self._until(lambda: sum(event.get("type") == kind for event in self.events) >= number)
        return [event for event in self.events if event.get("type") == kind][number - 1]

    async def wait_until_heard(self, seconds: float) -> None:
        """Wait until this many seconds of audio were recorded."""
        async with asyncio.timeout(SECONDS + seconds):
            while self._size_heard() < 44 + seconds * 16_000:  # noqa: ASYNC110  (a growing file sends no event)
                await asyncio.sleep(0.02)

    def heard(self) -> array[int]:
        """Return the audio received in the newest call: 16 bit, 8,000 samples a second. Use it after the call's end."""
        recordings = self.recordings()
        assert recordings, "nothing was recorded"
        return samples_of(recordings[-1])

    def recordings(self) -> list[Path]:
        """Return the recordings of the received audio, oldest first."""
        return sorted((self.folder / "heard").glob("*-dec.wav"), key=lambda path: path.stat().st_mtime_ns)

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not holds():
                self._came.clear()
                await self._came.wait()

    def _size_heard(self) -> int:
        recordings = self.recordings()
        return recordings[-1].stat().st_size if recordings else 0

    async def listen(self) -> None:
        """Read the telephone's events until it ends."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length = int((await self.reader.readuntil(b":"))[:-1])
                self.events.append(json.loads(await self.reader.readexactly(length)))
                await self.reader.readexactly(1)
                self._came.set()


@asynccontextmanager
async def baresip(
    folder: Path,
    *,
    user: str = "callee",
    answers: str = "auto",
    speaks: Path | None = None,
    account: str = "",
    codecs: str = "PCMU",
    calls: int = 4,
) -> AsyncIterator[Baresip]:
    """Start a telephone that answers by itself (``auto``) or only rings (``manual``), and end it.

    ``speaks`` is a WAV file that the telephone plays as its microphone; ``account`` replaces the account's address,
    for a registrar.
    """
    (folder / "heard").mkdir(parents=True)
    for name in ("mouth", "ear"):
        write_wav(folder / f"{name}.wav", bytes(16_000 * 120))
    if speaks is not None:
        shutil.copy(speaks, folder / "mouth.wav")
    sip, control, first_rtp = free_port(), free_port(), 10_000 + 2 * (int.from_bytes(os.urandom(2)) % 4_700)
    settings = {"sip": sip, "control": control, "first_rtp": first_rtp, "last_rtp": first_rtp + 400}
    (folder / "config").write_text(_CONFIGURATION.format(folder=folder, modules=MODULES, calls=calls, **settings))
    home = account or f"<sip:{user}@127.0.0.1:{sip};transport=udp>;regint=0"
    (folder / "accounts").write_text(f"{home};answermode={answers};dtmfmode=rtpevent;audio_codecs={codecs}\n")
    (folder / "contacts").touch()
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "baresip", "-f", str(folder), "-v", stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        reader, writer = await _connect(control, process)
        telephone = Baresip(folder, sip, user, process, reader, writer)
        listening = asyncio.create_task(telephone.listen())
        try:
            yield telephone
        finally:
            listening.cancel()
            writer.close()
    finally:
        process.send_signal(signal.SIGINT)
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _connect(port: int, process: asyncio.subprocess.Process) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(SECONDS):
        while True:
            assert process.returncode is None, "baresip ended"
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)


def write_wav(path: Path, pcm: bytes) -> None:
    """Write telephone sound (16 bit, 8,000 samples a second) to a file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(pcm)


def samples_of(path: Path) -> array[int]:
    """Return the samples of a WAV file, even if its header was not completed."""
    octets = path.read_bytes()
    start = octets.index(b"data") + 8
    return array("h", octets[start : start + (len(octets) - start) // 2 * 2])
