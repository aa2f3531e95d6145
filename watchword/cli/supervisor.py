"""Keeps the processes of `watchword serve` running: a process that ends is restarted, and the others go on.

::

    start --- it ends ---> log which, why, how often ---> pause (1 s, doubling to 60 s) ---> start again
                 |
                 +--- a door that ends by itself right after its first start: a configuration error;
                      all processes end, so that the operator notices

After a process ran for a while, its next pause is the shortest one again. Children end when this process ends, even if
it is killed. At SIGHUP every child starts anew, one after the other: the web door replaces itself, the others end by
SIGTERM.
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

from watchword.core.log_events import log_event
from watchword.doors.service_manager import ServiceManager, Sockets, socket_words

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
SETTLED_SECONDS = 60.0
"""A process that ran for this long has recovered: its next restart waits for the shortest pause."""
START_SECONDS = 15.0
"""A door that ends by itself within this time of its first start is not restarted: its configuration is wrong."""
BETWEEN_RESTARTS_SECONDS = 5.0
"""The time that a child has to start at SIGHUP before the next one is ended."""
LOOK_SECONDS = 0.2
GRACE_SECONDS = 20.0

ENDINGS = (signal.SIGTERM, signal.SIGINT)
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class SupervisedProcess:
    """One process, and its starts and failures."""

    name: str
    command: Sequence[str]
    is_door: bool = False
    """Whether browsers or mail servers connect to it. If a door can't start, `watchword serve` ends."""
    sockets: Sockets = field(default_factory=dict, repr=False)
    """The listening sockets that it inherits."""
    reloads_itself: bool = False
    """Whether it starts anew at SIGHUP without ending."""
    is_told_to_end: bool = False
    """Whether it was ended in order to start anew: its end is no failure."""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    started_at: float = 0.0
    start_at: float = 0.0
    starts: int = 0
    failures: int = 0
    """Consecutive ends that came before SETTLED_SECONDS."""


class Supervisor:
    """Runs children until SIGTERM or SIGINT."""

    def __init__(
        self,
        children: Sequence[SupervisedProcess],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        manager: ServiceManager | None = None,
    ) -> None:
        self._children = children
        self._manager = manager or ServiceManager({})
        self._to_reload: list[SupervisedProcess] = []
        self._next_reload_at = 0.0
        self._clock = clock
        self._sleep = sleep
        self._stopping = False

    def run(self) -> int:
        """Run until SIGTERM or SIGINT and return the exit status."""
        for number in ENDINGS:
            signal.signal(number, self._stop)
        if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._reload)
        status = self.look()
        self._manager.ready(f"supervising {', '.join(child.name for child in self._children)}")
        while not self._stopping and not status:
            status = self.look()
            self._manager.beat()
            self._sleep(LOOK_SECONDS)
        self._manager.stopping()
        self._end()
        return status

    def look(self) -> int:
        """Start the children that are due and handle those that ended; return the exit status, or 0 to go on."""
        self._reload_next()
        for child in self._children:
            now = self._clock()
            if child.process is None:
                if now >= child.start_at and not self._stopping:
                    child.process = _start(child)
                    child.started_at = now
                    child.starts += 1
            elif (status := child.process.poll()) is not None:
                child.process = None
                if child.is_told_to_end:
                    child.is_told_to_end, child.start_at = False, now
                    self._next_reload_at = now + BETWEEN_RESTARTS_SECONDS
                    continue
                if child.is_door and child.starts == 1 and status > 0 and now - child.started_at < START_SECONDS:
                    logger.error(
                        "%s failed to start (exit status %d)",
                        child.name,
                        status,
                        extra=log_event("serve.process.start_failed", process=child.name),
                    )
                    return status
                self._plan(child, status, now)
        return 0

    def _plan(self, child: SupervisedProcess, status: int, now: float) -> None:
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
            extra=log_event("serve.process.ended", process=child.name),
        )

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _reload(self, _number: int, _frame: FrameType | None) -> None:
        self._to_reload = list(self._children)

    def _reload_next(self) -> None:
        if not self._to_reload or self._stopping or self._clock() < self._next_reload_at:
            return
        child = self._to_reload.pop(0)
        if child.process is None or child.process.poll() is not None:
            # It starts anew anyhow.
            return
        logger.info("%s starts anew", child.name, extra=log_event("serve.process.reload", process=child.name))
        if child.reloads_itself:
            child.process.send_signal(signal.SIGHUP)
        else:
            child.is_told_to_end = True
            child.process.terminate()
        self._next_reload_at = self._clock() + BETWEEN_RESTARTS_SECONDS

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


def _start(child: SupervisedProcess) -> subprocess.Popen[bytes]:
    command = list(child.command)
    descriptors = [one.fileno() for each in child.sockets.values() for one in each]
    if descriptors:
        command += ["--inherit", socket_words(child.sockets)]
    return subprocess.Popen(  # noqa: S603  (our own program and words)
        command,
        pass_fds=descriptors,
        # What is ignored stays so over execve(2): a reload must not end a process before it has a handler.
        preexec_fn=_ignore_hangups if child.reloads_itself else None,  # noqa: PLW1509  (this process has one thread)
    )


def _ignore_hangups() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def why_ended(status: int) -> str:
    """Return in words how a process ended; a negative status is the number of a signal."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"


def end_with_parent(parent: int) -> None:
    """Ask the kernel to send SIGTERM to this process when its parent ends, even if the parent is killed.

    Only Linux can do that (prctl(2), PR_SET_PDEATHSIG); elsewhere the children of a killed supervisor go on running.
    """
    try:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
    except (AttributeError, OSError):
        return
    prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        # The parent ended before the call.
        os.kill(os.getpid(), signal.SIGTERM)
