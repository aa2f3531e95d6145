"""Keeps the processes of `watchword serve` running: one that ends is started again, and takes no other with it.

::

    start --- it ends ---> log which, why, how often ---> pause (1 s, doubling to 60 s) ---> start again
                 |
                 +--- a door that ends by itself right after the very first start: a mistake of the operator's;
                      everything ends, so that it is seen

A process that ran for a while begins with the shortest pause again. Children end with this process, however it ends.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
SETTLED_SECONDS = 60.0
"""Who ran as long has recovered: the next end begins with the shortest pause."""
START_SECONDS = 15.0
"""A door that ends by itself sooner after its first start will not do better the second time."""
LOOK_SECONDS = 0.2
GRACE_SECONDS = 20.0

ENDINGS = (signal.SIGTERM, signal.SIGINT)
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class Child:
    """One process, and how it has fared."""

    name: str
    command: Sequence[str]
    is_door: bool = False
    """Whether people or mail servers wait for it, so that a door that can't even begin is an error of the start."""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    started_at: float = 0.0
    start_at: float = 0.0
    starts: int = 0
    failures: int = 0
    """How often in a row it ended soon."""


class Supervisor:
    """Runs children until it is told to stop."""

    def __init__(
        self,
        children: Sequence[Child],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._children = children
        self._clock = clock
        self._sleep = sleep
        self._stopping = False

    def run(self) -> int:
        """Run until SIGTERM or SIGINT and return the exit status."""
        for number in ENDINGS:
            signal.signal(number, self._stop)
        status = 0
        while not self._stopping and not status:
            status = self.look()
            self._sleep(LOOK_SECONDS)
        self._end()
        return status

    def look(self) -> int:
        """Start what is due and note what has ended; return the status to end with, or 0 to go on."""
        for child in self._children:
            now = self._clock()
            if child.process is None:
                if now >= child.start_at and not self._stopping:
                    child.process = subprocess.Popen(child.command)  # noqa: S603  (our own program and words)
                    child.started_at = now
                    child.starts += 1
            elif (status := child.process.poll()) is not None:
                child.process = None
                if child.is_door and child.starts == 1 and status > 0 and now - child.started_at < START_SECONDS:
                    logger.error("%s can't start (exit status %d)", child.name, status)
                    return status
                self._plan(child, status, now)
        return 0

    def _plan(self, child: Child, status: int, now: float) -> None:
        child.failures = 1 if now - child.started_at >= SETTLED_SECONDS else child.failures + 1
        pause = min(FIRST_PAUSE_SECONDS * 2 ** min(child.failures - 1, 20), LONGEST_PAUSE_SECONDS)
        child.start_at = now + pause
        logger.error(
            "%s ended (%s) after %.0f s; start %d follows in %.0f s",
            child.name,
            why_ended(status),
            now - child.started_at,
            child.starts + 1,
            pause,
        )

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _end(self) -> None:
        running = [child.process for child in self._children if child.process is not None]
        for process in running:
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def why_ended(status: int) -> str:
    """Return in words how a process ended; a negative status is a signal's."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"


def end_with_parent(parent: int) -> None:
    """Ask the system to end this process by SIGTERM when the process that started it ends, however that happens.

    Linux alone can do that (prctl(2), PR_SET_PDEATHSIG); elsewhere a supervisor that is killed leaves its children.
    """
    try:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
    except (AttributeError, OSError):
        return
    prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        # It ended before we had asked.
        os.kill(os.getpid(), signal.SIGTERM)
