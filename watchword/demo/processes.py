"""Runs the demo's processes side by side and ends them together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

from watchword.demo.ports import HOST

READY_SECONDS = 60
STOP_SECONDS = 10
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a request to terminate, and a closed terminal."""
LOOK_SECONDS = 0.05


@dataclass
class DemoProcess:
    """One process of the demo."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)


class ChildDied(Exception):
    """A process of the demo ended unexpectedly."""


class Processes:
    """Starts child processes, watches them, and stops them in reverse order."""

    def __init__(self, children: Sequence[DemoProcess], environment: Mapping[str, str]) -> None:
        self._children = children
        self._environment = dict(environment)
        self._stopping = False

    def start(self) -> None:
        """Start each child in its own session, so that Ctrl-C reaches this process alone, which ends them in order.

        From here on signals only set a flag: a signal between two starts would otherwise leave the first child behind.
        """
        for number in ENDINGS:
            # A process started by nohup is to outlive the terminal.
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._stop)
        for child in self._children:
            child.process = subprocess.Popen(  # noqa: S603  (our own commands)
                child.command, env=self._environment, start_new_session=True, stdin=subprocess.DEVNULL
            )

    def wait_until_ready(self, ports: Sequence[int], files: Sequence[str]) -> bool:
        """Return True once all ports answer and all files exist, False after a signal; raise ChildDied."""
        deadline = time.monotonic() + READY_SECONDS
        while not (all(_answers(port) for port in ports) and all(os.path.exists(path) for path in files)):  # noqa: PTH110  (text)
            self._look()
            if self._stopping:
                return False
            if time.monotonic() > deadline:
                raise ChildDied("something did not become ready in a minute")
            time.sleep(LOOK_SECONDS)
        return True

    def run(self) -> None:
        """Wait for a signal; raise ChildDied if a child ends first."""
        while not self._stopping:
            self._look()
            time.sleep(LOOK_SECONDS)

    def stop(self) -> None:
        """Terminate all children, and kill those that do not end in time. Further signals are ignored meanwhile."""
        for number in ENDINGS:
            signal.signal(number, signal.SIG_IGN)
        for child in reversed(self._children):
            if child.process is not None and child.process.poll() is None:
                child.process.terminate()
        for child in self._children:
            if child.process is None:
                continue
            try:
                child.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(child.process.pid, signal.SIGKILL)
                child.process.wait()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _look(self) -> None:
        for child in self._children:
            if child.process is not None and (status := child.process.poll()) is not None:
                raise ChildDied(f"{child.name} ended by itself (status {status}); its last words stand above")


def process_id_of(children: Sequence[DemoProcess], name: str) -> int:
    """Return the process id of a started child."""
    process = next(child.process for child in children if child.name == name)
    assert process is not None
    return process.pid


def python(*words: str) -> list[str]:
    """Return a command for the Python interpreter of this process."""
    return [sys.executable, "-m", *words]


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0
