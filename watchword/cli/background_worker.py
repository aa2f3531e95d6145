"""`watchword serve worker`: the background jobs: notices, seals of the audit log, expired sign-ins, housekeeping.

Any number of workers may run. Work that a worker leaves unfinished when it dies stays in the database for the next one.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

from django.conf import settings
from django.db import close_old_connections, connection
from django.utils import timezone

from watchword.admincenter import drafts
from watchword.alerts.notice_sender import send_waiting
from watchword.alerts.outbox_consumer import consume
from watchword.alerts.undelivered import report_stuck
from watchword.applications import expired_rows, signing_keys
from watchword.audit import hash_chain, heartbeats
from watchword.audit.heartbeats import ProcessHeart
from watchword.audit.retries import UNAVAILABLE, cause_of
from watchword.cli import metrics_listener, public_certificate
from watchword.core.database_errors import database_trouble
from watchword.core.log_events import log_event
from watchword.doors.oidc import backchannel_logout
from watchword.doors.service_manager import ServiceManager
from watchword.signin.enrolment_wait import finish_due
from watchword.signin.housekeeping import clean_up, close_abandoned
from watchword.signin.queries import text_number_of

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
RETRY_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 300.0
"""The longest pause before a job is retried that failed because of a bug; the other jobs go on."""


@dataclass(slots=True)
class Job:
    """A job that runs periodically; ``run`` returns how many rows it handled."""

    name: str
    every_seconds: float
    run: Callable[[], int]
    next_at: float = 0.0
    failures: int = 0
    """Consecutive failures."""


def jobs() -> list[Job]:
    """Return the jobs of a worker, the most urgent first."""
    return [
        Job("create notices", LOOK_SECONDS, lambda: consume(now=timezone.now())),
        Job("send notices", LOOK_SECONDS, lambda: send_waiting(now=timezone.now(), number_of=text_number_of)),
        Job("seal the audit log", 1.0, lambda: hash_chain.seal(now=timezone.now())),
        Job("close expired sign-ins", 5.0, lambda: close_abandoned(now=timezone.now())),
        Job("finish deferred registrations", 5.0, lambda: finish_due(now=timezone.now())),
        Job("tell of warnings not mailed", 600.0, lambda: report_stuck(now=timezone.now())),
        Job(
            "look at the certificate",
            public_certificate.EVERY_SECONDS,
            _look_at_certificate,
            # Asking may take seconds, and what is urgent comes first.
            next_at=time.monotonic() + public_certificate.FIRST_AFTER_SECONDS,
        ),
        Job("delete old rows", 60.0, lambda: clean_up(now=timezone.now())),
        Job("delete old heartbeats", 60.0, lambda: heartbeats.forget_old(now=timezone.now())),
        Job("tell apps of logouts", 1.0, lambda: backchannel_logout.send_due(now=timezone.now())),
        Job("keep signing keys current", 3600.0, lambda: signing_keys.keep_current(now=timezone.now())),
        Job("delete old codes and tokens", 60.0, lambda: expired_rows.clean_up(now=timezone.now())),
        Job("delete old drafts", 60.0, lambda: drafts.forget_old(now=timezone.now())),
    ]


def _look_at_certificate() -> int:
    return public_certificate.look_at(settings.WATCHWORD_PUBLIC_URL, now=timezone.now())


def work_once() -> int:
    """Run every job once and return how many rows they handled."""
    return sum(job.run() for job in jobs())


def work(stop: threading.Event, *, heart: ProcessHeart | None = None, beat: Callable[[], None] = lambda: None) -> None:
    """Run the jobs until ``stop`` is set. Without a database all jobs pause; a job that fails pauses alone.

    ``beat`` is called before each job: a job that hangs ends the calls.
    """
    todo = jobs()
    if heart is not None:
        todo.insert(0, Job("beat", heartbeats.EVERY_SECONDS, lambda: _beat(heart)))
    while not stop.is_set():
        pause = LOOK_SECONDS
        for job in todo:
            beat()
            if stop.is_set() or time.monotonic() < job.next_at:
                continue
            job.next_at = time.monotonic() + job.every_seconds
            try:
                if job.run():
                    # A job that found rows may have more of them waiting.
                    job.next_at = pause = 0.0
                job.failures = 0
            except UNAVAILABLE as error:
                trouble = database_trouble(error)
                logger.warning("job deferred", extra=log_event("worker.job.deferred", trouble=trouble, job=job.name))
                connection.close()
                pause = RETRY_SECONDS
                break
            except Exception as error:  # noqa: BLE001  (a mistake in one job must not end the others)
                job.failures += 1
                wait = min(RETRY_SECONDS * 2 ** min(job.failures - 1, 20), LONGEST_PAUSE_SECONDS)
                job.next_at = time.monotonic() + wait
                trouble = cause_of(error)
                logger.error(
                    "job failed, retry in %d s",
                    wait,
                    extra=log_event("worker.job.failed", trouble=trouble, job=job.name),
                )
        close_old_connections()
        stop.wait(pause)


def _beat(heart: ProcessHeart) -> int:
    heart.beat(now=timezone.now())
    return 0


def run_until_signal() -> None:
    """Work in this process until SIGTERM or SIGINT."""
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    heart, manager = ProcessHeart("worker"), ServiceManager(os.environ)
    listener = metrics_listener.start_if_wanted(
        settings.WATCHWORD_METRICS_LISTEN, home=settings.WATCHWORD_HOME, token=settings.WATCHWORD_METRICS_TOKEN
    )
    try:
        manager.ready("working")
        work(stop, heart=heart, beat=manager.beat)
    finally:
        manager.stopping()
        if listener is not None:
            listener.stop()
        heart.stop()
