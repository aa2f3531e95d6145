"""An SMSC by Perl's Net::SMPP (Debian: libnet-smpp-perl), which shares no code with our SMPP library."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import gsm0338  # noqa: F401  (registers the codec)

from tests.scenarios.mail.site import wait_until

PROGRAM = Path(__file__).with_name("smsc.pl")


def why_not_here() -> str:
    """Return what is missing to run this; empty if nothing is."""
    perl = shutil.which("perl")
    if perl is None:
        return "perl is not installed"
    found = subprocess.run([perl, "-MNet::SMPP", "-e", "1"], capture_output=True, check=False)
    return "" if found.returncode == 0 else "Perl's Net::SMPP is not installed: libnet-smpp-perl"


@dataclass(frozen=True)
class PerlText:
    """One text that arrived."""

    sender: str
    number: str
    data_coding: int
    esm_class: int
    validity: str
    octets: bytes

    @property
    def words(self) -> str:
        return self.octets.decode("utf-16-be" if self.data_coding == 8 else "gsm03.38")


class PerlSmsc:
    """A running SMSC; a context manager."""

    def __init__(self, port: int, log: Path, *, stat: str = "DELIVRD") -> None:
        self._words = ["perl", str(PROGRAM), str(port), str(log), stat]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._words, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"
        self._process.stdout.close()
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def lines(self, first_word: str) -> list[list[str]]:
        """Return its log lines for one kind of request, split into words."""
        lines = [line.split(" ") for line in self._log.read_text().splitlines()]
        return [line[1:] for line in lines if line[0] == first_word]

    def texts(self) -> list[PerlText]:
        """Return the texts that arrived so far."""
        return [
            PerlText(sender, number, int(coding), int(esm_class), validity, bytes.fromhex(octets))
            for sender, number, coding, esm_class, validity, octets in self.lines("text")
        ]

    def wait_for_texts(self, number: int) -> list[PerlText]:
        """Return the texts as soon as this many have arrived."""
        wait_until(lambda: len(self.texts()) >= number)
        return self.texts()
