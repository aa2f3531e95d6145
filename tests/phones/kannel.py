"""Debian's Kannel on loopback: bearerbox, smsbox and its own fakesmsc, at which texts arrive."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_plus

from tests.phones.smsc import free_port

FAKESMSC = "/usr/lib/kannel/test/fakesmsc"
SECONDS = 20
_GOT = re.compile(r"got message \d+: <(\S+) (\S+) \S+ (.*?)>", re.IGNORECASE)

_CONFIGURATION = """
group = core
admin-port = {admin}
admin-password = "{password}"
smsbox-port = {smsbox}
box-allow-ip = "127.0.0.1"
admin-allow-ip = "127.0.0.1"
log-file = "{folder}/bearerbox.log"
dlr-storage = internal
store-type = file
store-location = "{folder}/store"

group = smsc
smsc = fake
smsc-id = fake
host = 127.0.0.1
port = {fake}
connect-allow-ip = "127.0.0.1"

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
    """A running gateway."""

    sendsms_url: str
    password: str
    log: Path

    def received(self) -> list[Text]:
        """Return the texts that arrived so far."""
        lines = _GOT.findall(self.log.read_text(errors="replace"))
        return [Text(*(unquote_plus(part) for part in line)) for line in lines]

    def wait_for(self, number: int) -> list[Text]:
        """Return the texts once they are so many."""
        end = time.monotonic() + SECONDS
        while len(found := self.received()) < number:
            assert time.monotonic() < end, self.log.read_text(errors="replace")[-2000:]
            time.sleep(0.05)
        return found


@contextmanager
def kannel(folder: Path) -> Iterator[Kannel]:
    """Start Kannel and a fake SMSC behind it, and stop them."""
    ports = {name: free_port() for name in ("admin", "smsbox", "fake", "sendsms")}
    (folder / "kannel.conf").write_text(_CONFIGURATION.format(folder=folder, password="open sesame", **ports))
    running: list[subprocess.Popen[bytes]] = []
    log = folder / "fakesmsc.log"
    try:
        running.append(_start(["bearerbox", "-v", "1", str(folder / "kannel.conf")], folder / "bearerbox.out"))
        _wait_for_port(ports["smsbox"])
        _wait_for_port(ports["fake"])
        running.append(_start(["smsbox", "-v", "1", str(folder / "kannel.conf")], folder / "smsbox.out"))
        words = [FAKESMSC, "-v", "0", "-H", "127.0.0.1", "-r", str(ports["fake"]), "-i", "1", "-m", "1", "1 2 text nop"]
        running.append(_start(words, log))
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
        # fakesmsc ends when its input does: the pipe stays open.
        return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT)


def _wait_for_port(port: int) -> None:
    end = time.monotonic() + SECONDS
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < end
        time.sleep(0.05)
