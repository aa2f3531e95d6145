"""The demo, started as a newcomer starts it, for browsers and mail programs to use."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_ports

READY_SECONDS = 120


@dataclass(frozen=True)
class Demo:
    """A running demo: its addresses, and the contents of its card."""

    web: str
    imap_port: int
    submission_port: int
    passwords: dict[str, str]
    alices_app_password: str
    card: str
    process: subprocess.Popen[str]


@contextmanager
def running_demo(home: Path, *options: str, **variables: str) -> Iterator[Demo]:
    """Start the demo in a folder of its own, with options and more environment variables; end it as Ctrl-C does."""
    web, imap, submission = free_ports(3)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("WATCHWORD_", "DJANGO_"))}
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "watchword.cli.main",
            "demo",
            f"--web-port={web}",
            f"--imap-port={imap}",
            f"--submission-port={submission}",
            *options,
        ],
        env={**environment, "WATCHWORD_HOME": str(home), **variables},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        card = _read_card(process)
        told = json.loads((home / "demo-card.json").read_text())
        yield Demo(
            web=f"http://127.0.0.1:{web}",
            imap_port=imap,
            submission_port=submission,
            passwords=told["passwords"],
            alices_app_password=told["alices_app_password"],
            card=card,
            process=process,
        )
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _read_card(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    lines: list[str] = []
    deadline = time.monotonic() + READY_SECONDS
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C ends everything" in line:
            return "".join(lines)
        assert time.monotonic() < deadline, "".join(lines)
    raise AssertionError(f"the demo ended before it was ready:\n{''.join(lines)}")
