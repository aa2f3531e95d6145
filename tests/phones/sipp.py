"""SIPp (Debian's sip-tester) as a telephone with one odd behaviour: a scenario, written as a few steps."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.phones.smsc import free_even_port, free_port

SECONDS = 30
KEYS = "a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16"
_REASONS = {
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    404: "Not Found",
    408: "Request Timeout",
    480: "Temporarily Unavailable",
    484: "Address Incomplete",
    486: "Busy Here",
    487: "Request Terminated",
    503: "Service Unavailable",
    603: "Decline",
}
_RESPONSE = """<send{retransmits}><![CDATA[
SIP/2.0 {status} {reason}
[last_Via:]
[last_From:]
[last_To:];tag={tag}
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:callee@[local_ip]:[local_port]>
{headers}Content-Length: [len]
{body}
]]></send>
"""
_SOUND = """Content-Type: application/sdp

v=0
o=- 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP {formats}
{attributes}
"""
# The gateway sends OPTIONS as a keepalive now and then; a scenario that gets one starts again.
_IS_ANYBODY_THERE = '<recv request="OPTIONS" optional="true" next="1"/>\n'
_HERE_I_AM = '<nop next="2"/>\n<label id="1"/>\n{}<label id="2"/>\n'


def why_not_here() -> str:
    """Return what is missing to run this; empty if nothing is."""
    return "" if shutil.which("sipp") else "SIPp (sip-tester) is not installed"


def takes(request: str, *, optional: bool = False) -> str:
    """Wait for a request; any other request fails the scenario."""
    return f'<recv request="{request}"{" optional='true'" if optional else ""} crlf="true"/>\n'


def says(status: int, *, sound: str = "", headers: str = "", until_ack: bool = False, tag: str = "callee") -> str:
    """Answer the last request taken; ``sound`` is a list of payload types with their attributes."""
    body = ""
    if sound:
        formats, _, attributes = sound.partition("\n")
        body = _SOUND.format(formats=formats, attributes=attributes)
    return _RESPONSE.format(
        retransmits=' retrans="500"' if until_ack else "",
        status=status,
        reason=_REASONS.get(status, "Whatever"),
        tag=tag,
        headers="".join(f"{line}\n" for line in headers.splitlines()),
        body=body,
    )


def waits(milliseconds: int) -> str:
    """Pause, as a telephone that rings does."""
    return f'<pause milliseconds="{milliseconds}"/>\n'


G711 = f"0 101\n{KEYS}"


@dataclass
class Sipp:
    """A running scenario."""

    port: int
    process: asyncio.subprocess.Process
    log: Path

    async def has_played(self) -> bool:
        """Return whether the whole scenario succeeded, once it has ended."""
        async with asyncio.timeout(SECONDS):
            await self.process.wait()
        return self.process.returncode == 0

    def heard(self) -> str:
        """Return every message sent or received, and the errors."""
        errors = self.log.with_name("errors.log")
        return "".join(path.read_text(errors="replace") for path in (self.log, errors) if path.exists())


@asynccontextmanager
async def sipp(folder: Path, *steps: str) -> AsyncIterator[Sipp]:
    """Run steps as a scenario at a port of its own."""
    scenario, log = folder / "scenario.xml", folder / "messages.log"
    scenario.write_text(
        '<?xml version="1.0" encoding="us-ascii"?>\n<scenario name="odd telephone">\n'
        + _IS_ANYBODY_THERE
        + "".join(steps)
        + _HERE_I_AM.format(says(200))
        + "</scenario>\n"
    )
    port, media = free_port(), free_even_port()
    words = ["-sf", str(scenario), "-i", "127.0.0.1", "-p", str(port), "-mp", str(media), "-bind_local"]
    words += ["-m", "2", "-nostdin", "-timeout", f"{SECONDS}s", "-timeout_error", "-cp", str(free_port())]
    words += ["-trace_msg", "-message_file", str(log), "-trace_err", "-error_file", str(folder / "errors.log")]
    process = await asyncio.create_subprocess_exec(
        "sipp", *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, cwd=folder
    )
    try:
        yield Sipp(port, process, log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
