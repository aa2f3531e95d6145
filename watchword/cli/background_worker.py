"""`watchword serve worker`: what happens behind the pages: warnings, seals, sign-ins whose time is over.

Any number of workers may run. What one of them leaves undone when it dies, the next one finds in the database.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

from django.db import close_old_connections, connection
from django.utils import timezone

from watchword.admincenter import drafts
from watchword.alerts.notice_sender import send_waiting
from watchword.alerts.outbox_consumer import consume
from watchword.audit import hash_chain
from watchword.audit.outbox import UNAVAILABLE, cause_of
from watchword.core.database_errors import name_of_trouble
from watchword.signin.cleanup import clean_up
from watchword.signin.enrolment_wait import finish_due
from watchword.signin.housekeeping import close_abandoned
from watchword.signin.queries import text_number_of

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
TROUBLE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 300.0
"""Between two tries of a job that fails by a mistake of ours; the others go on as ever."""


@dataclass(slots=True)
class Job:
    """Something done again and again; ``run`` returns how much there was to do."""

    name: str
    every_seconds: float
    run: Callable[[], int]
    next_at: float = 0.0
    failures: int = 0
    """How often it failed in a row."""


def jobs() -> list[Job]:
    """Return the jobs of a worker, the most urgent first."""
    return [
        Job("turn events into warnings", LOOK_SECONDS, lambda: consume(now=timezone.now())),
        Job("send warnings", LOOK_SECONDS, lambda: send_waiting(now=timezone.now(), number_of=text_number_of)),
        Job("seal the log", 1.0, lambda: hash_chain.seal(now=timezone.now())),
        Job("close abandoned sign-ins", 5.0, lambda: close_abandoned(now=timezone.now())),
        Job("finish registrations that waited", 5.0, lambda: finish_due(now=timezone.now())),
        Job("sweep what is old", 60.0, lambda: clean_up(now=timezone.now())),
        Job("forget old drafts", 60.0, lambda: drafts.forget_old(now=timezone.now())),
    ]


def work_once() -> int:
    """Do every job once and return how much there was to do."""
    return sum(job.run() for job in jobs())


def work(stop: threading.Event) -> None:
    """Work until told to stop. A database that does not answer is waited for; a job that fails waits alone."""
    todo = jobs()
    while not stop.is_set():
        pause = LOOK_SECONDS
        for job in todo:
            if stop.is_set() or time.monotonic() < job.next_at:
                continue
            job.next_at = time.monotonic() + job.every_seconds
            try:
                if job.run():
                    # Where there was something there may be more.
                    job.next_at = pause = 0.0
                job.failures = 0
            except UNAVAILABLE as error:
                logger.warning("the worker could not %s: %s", job.name, name_of_trouble(error))
                connection.close()
                pause = TROUBLE_SECONDS
                break
            except Exception as error:  # noqa: BLE001  (a mistake in one job must not end the others)
                job.failures += 1
                wait = min(TROUBLE_SECONDS * 2 ** min(job.failures - 1, 20), LONGEST_PAUSE_SECONDS)
                job.next_at = time.monotonic() + wait
                logger.error("the worker could not %s, next try in %d s: %s", job.name, wait, cause_of(error))
        close_old_connections()
        stop.wait(pause)


def run_until_signal() -> None:
    """Work in this process until a polite signal comes."""
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    work(stop)
    connection.close()
