"""Debian's Kannel on loopback: bearerbox, smsbox and its own fakesmsc, which receives the texts."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote_to_bytes

from tests.phones.smsc import free_port

FAKESMSC = "/usr/lib/kannel/test/fakesmsc"
SECONDS = 20
_GOT = re.compile(r"Got message \d+: <(.*)>$", re.MULTILINE)
_BEGINNING = re.compile(r"(\S+) (\S+) (text|ucs-2) (.*)")
_OF_ITS_OWN = "1"
"""The sender of a message that fakesmsc has to send itself; Kannel's reply to it is ignored."""

_CONFIGURATION = """
group = core
admin-port = {admin}
admin-password = "{password}"
smsbox-port = {smsbox}
box-allow-ip = "127.0.0.1"
admin-allow-ip = "127.0.0.1"
log-file = "{folder}/bearerbox.log"
dlr-storage = internal
sms-resend-freq = 1
store-type = file
store-location = "{folder}/store"

{smsc}

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
log-file = "{folder}/smsbox.log"

group = sms-service
keyword = default
text = "no"

group = sendsms-user
username = watchword
password = "{password}"
user-allow-ip = "127.0.0.1"
concatenation = true
max-messages = 3
"""


_FAKE = """
group = smsc
smsc = fake
smsc-id = fake
host = 127.0.0.1
port = {fake}
connect-allow-ip = "127.0.0.1"
"""

_SMPP = """
group = smsc
smsc = smpp
smsc-id = carrier
host = 127.0.0.1
port = {smpp}
transceiver-mode = true
smsc-username = "ww"
smsc-password = "secret"
system-type = ""
reconnect-delay = 1
"""


def why_not_here() -> str:
    """Return what is missing to run this; empty if nothing is."""
    missing = [name for name in ("bearerbox", "smsbox") if shutil.which(name) is None]
    if not Path(FAKESMSC).exists():
        missing.append("fakesmsc")
    return f"Kannel is not installed: {', '.join(missing)}" if missing else ""


@dataclass(frozen=True)
class Text:
    """One text that arrived at the fake SMSC."""

    sender: str
    number: str
    words: str


@dataclass
class Kannel:
    """A running Kannel."""

    sendsms_url: str
    password: str
    log: Path

    def received(self) -> list[Text]:
        """Return the texts that arrived so far; fakesmsc reports each line of a text as a message."""
        found: list[Text] = []
        for line in _GOT.findall(self.log.read_text(errors="replace")):
            begins = _BEGINNING.fullmatch(line)
            if begins is not None:
                sender, number, kind, words = begins.groups()
                if kind == "ucs-2":
                    words = unquote_to_bytes(words.replace("+", " ")).decode("utf-16-be")
                found.append(Text(sender, number, words))
            elif found:
                found[-1] = replace(found[-1], words=f"{found[-1].words}\n{line}")
        return [text for text in found if text.number != _OF_ITS_OWN]

    def wait_for(self, number: int) -> list[Text]:
        """Return the texts as soon as this many have arrived."""
        end = time.monotonic() + SECONDS
        while len(found := self.received()) < number:
            assert time.monotonic() < end, self.log.read_text(errors="replace")[-2000:]
            time.sleep(0.05)
        return found


@contextmanager
def kannel(folder: Path, *, smpp: int | None = None) -> Iterator[Kannel]:
    """Start Kannel and a fake SMSC behind it, or with the SMSC at this SMPP port; stop them at the end."""
    ports = {name: free_port() for name in ("admin", "smsbox", "fake", "sendsms")}
    smsc = _FAKE.format(**ports) if smpp is None else _SMPP.format(smpp=smpp)
    configuration = _CONFIGURATION.format(folder=folder, password="open sesame", smsc=smsc, **ports)
    (folder / "kannel.conf").write_text(configuration)
    running: list[subprocess.Popen[bytes]] = []
    log = folder / "fakesmsc.log"
    log.touch()

    def attach() -> None:
        words = [FAKESMSC, "-v", "0", "-H", "127.0.0.1", "-r", str(ports["fake"]), "-i", "1", "-m", "1", "1 2 text nop"]
        running.append(_start(words, log))

    try:
        running.append(_start(["bearerbox", "-v", "1", str(folder / "kannel.conf")], folder / "bearerbox.out"))
        _wait_for_port(ports["smsbox"])
        if smpp is None:
            _wait_for_port(ports["fake"])
        running.append(_start(["smsbox", "-v", "1", str(folder / "kannel.conf")], folder / "smsbox.out"))
        if smpp is None:
            attach()
        _wait_for_port(ports["sendsms"])
        yield Kannel(f"http://127.0.0.1:{ports['sendsms']}/cgi-bin/sendsms", "open sesame", log)
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()


def _start(words: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        # fakesmsc ends at the end of its input, so the pipe stays open.
        return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT)


def _wait_for_port(port: int) -> None:
    end = time.monotonic() + SECONDS
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < end
        time.sleep(0.05)
