"""Counters of this process for Prometheus, and how the processes of one node share them (ADR 0097).

Counters live in the process that counts. Where a metrics listener is set, each process writes its own into a mapped
file in the home folder, and the worker adds all files up when it is asked. No label names a person, an address or a
number: their values are words of this program, and the gateways' names from the phones file.
"""

from __future__ import annotations

import logging
import os
import socket
from contextlib import suppress
from pathlib import Path

from prometheus_client import Counter, Histogram, values

from watchword.audit.retries import cause_of
from watchword.core.log_events import log_event

FOLDER = "metrics"
"""The folder of the files in Watchword's home."""
_FILE_OCTETS = 1 << 16
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

SIGN_INS = Counter("watchword_sign_ins", "Answers to sign-ins, by door and result.", ["door", "result"])
DELIVERY_ATTEMPTS = Counter(
    "watchword_delivery_attempts",
    "Attempts to hand a text or call to a gateway, by result.",
    ["channel", "gateway", "result"],
)
WEB_RESPONSES = Counter("watchword_web_responses", "Responses of the web server, by class of status.", ["status"])
WEB_SECONDS = Histogram("watchword_web_response_seconds", "Time to a response of the web server.", buckets=_SECONDS)
MAIL_BATCH_SECONDS = Histogram(
    "watchword_mail_batch_seconds", "Time to answer one batch of requests of mail servers.", buckets=_SECONDS
)
LOCK_WAIT_SECONDS = Histogram(
    "watchword_database_lock_wait_seconds", "Waits for SQLite's write lock of 5 ms or more.", buckets=_SECONDS
)
SHORTEST_WAIT_SECONDS = 0.005
"""Shorter waits are not counted: to count each transaction costs more than most of them wait."""
DATABASE_TROUBLE = Counter(
    "watchword_database_trouble", "Log lines about a database that could not be used, by its trouble.", ["trouble"]
)

logger = logging.getLogger(__name__)


def count_sign_ins(door: str, result: str, number: int = 1) -> None:
    """Count answers: ``allowed``, ``denied`` or ``deferred``."""
    if number:
        SIGN_INS.labels(door, result).inc(number)


class _ProcessFiles:
    """Names the files of the current process, also after a fork, and fills them with zeros before they are mapped.

    A mapped page without a block on a full disk kills the process that writes to it (SIGBUS).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = {os.getpid(): self._made(os.getpid())}
        self._first = self._names[os.getpid()]

    def __call__(self) -> str:
        pid = os.getpid()
        if pid not in self._names:
            try:
                self._names[pid] = self._made(pid)
            except OSError as error:
                # A full disk must not fail a sign-in: this process counts into the files of its parent.
                self._names[pid] = self._first
                logger.error("metrics not shared", extra=log_event("metrics.share.failed", trouble=cause_of(error)))
        return self._names[pid]

    def _made(self, pid: int) -> str:
        name = f"{_host()}-{pid}"
        for kind in ("counter", "histogram"):
            file = self._folder / f"{kind}_{name}.db"
            if not file.exists() or file.stat().st_size < _FILE_OCTETS:
                file.write_bytes(bytes(_FILE_OCTETS))
        return name


def share_between_processes(folder: Path) -> bool:
    """Count into files in ``folder`` from now on, and return whether that is possible. Call it before any fork."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        values.ValueClass = values.MultiProcessValue(_ProcessFiles(folder))  # type: ignore[no-untyped-call]  # no types
    except OSError as error:
        logger.error("metrics not shared", extra=log_event("metrics.share.failed", trouble=cause_of(error)))
        return False
    for metric in (WEB_SECONDS, MAIL_BATCH_SECONDS, LOCK_WAIT_SECONDS):
        # Those without labels were given their values when this module was loaded.
        metric._metric_init()  # noqa: SLF001  (the library has no other way)
    return True


def _host() -> str:
    return socket.gethostname().replace("_", "-")


def remove_if_all_ended(folder: Path) -> int:
    """Remove the files if none belongs to a running process; return how many.

    Removing some of them would make a sum smaller, which Prometheus takes for a restart of everything.
    """
    found = list(folder.glob("*.db"))
    if any(_belongs_to_a_process(path) for path in found):
        return 0
    for path in found:
        with suppress(FileNotFoundError):
            path.unlink()
    return len(found)


def _belongs_to_a_process(path: Path) -> bool:
    host, _, pid = path.stem.partition("_")[2].rpartition("-")
    if host != _host() or not pid.isdecimal():
        # Another container that shares the home folder: its processes can't be seen from here.
        return True
    return int(pid) != os.getpid() and Path(f"/proc/{pid}").exists()
