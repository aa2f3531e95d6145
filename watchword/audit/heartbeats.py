"""Heartbeats: each process that serves writes a row every few seconds, by which others see that it works.

A process beats from the loop that does its work, so that one that hangs is missed. A row that is no longer written
stays for a day, and tells which process ended without a word; a process that is stopped removes its row.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from watchword import __version__
from watchword.audit import clock
from watchword.audit.models import Heartbeat
from watchword.audit.retries import UNAVAILABLE
from watchword.core.database_errors import database_trouble
from watchword.core.log_events import log_event

EVERY_SECONDS = 10.0
LATE = timedelta(seconds=45)
"""After this time without a beat a process counts as ended: four beats may fail or be slow."""
STORED = timedelta(days=1)

logger = logging.getLogger(__name__)


class ProcessHeart:
    """The heartbeat of this process. Create it in the process that serves, after any fork."""

    def __init__(self, process: str, *, now: datetime | None = None) -> None:
        self._row: dict[str, Any] = {"process": process, "host": host_name(), "pid": os.getpid()}
        self._started_at = now or timezone.now()
        self._has_beaten = False
        self._stopped = threading.Event()

    def beat(self, *, now: datetime) -> None:
        """Write that this process works. Raises the exceptions of a database that can't be used."""
        if not self._has_beaten:
            # Rows of the same process before its restart; another node's are its own affair.
            same = Heartbeat.objects.filter(process=self._row["process"], host=self._row["host"])
            same.filter(seen_at__lt=now - LATE).delete()
        offset = clock.offset_from_database()
        Heartbeat.objects.update_or_create(
            **self._row,
            defaults={
                "release": __version__,
                "started_at": self._started_at,
                "seen_at": now,
                "clock_offset_ms": None if offset is None else _milliseconds(offset),
                "is_clock_synchronised": clock.is_synchronised(),
            },
        )
        self._has_beaten = True

    def beat_once(self) -> None:
        """Beat now, in a thread with a connection of its own; log a database that can't be used."""
        try:
            self.beat(now=timezone.now())
        except UNAVAILABLE as error:
            logger.warning(
                "heartbeat not written", extra=log_event("heartbeat.deferred", trouble=database_trouble(error))
            )
        finally:
            connection.close()

    async def keep_beating(self) -> None:
        """Beat until cancelled, from an event loop: one that is blocked beats no more."""
        while True:
            await asyncio.to_thread(self.beat_once)
            await asyncio.sleep(EVERY_SECONDS)

    def start_thread(self) -> threading.Thread:
        """Beat in a thread of its own, until `stop` is called."""

        def beat_until_stopped() -> None:
            while True:
                self.beat_once()
                if self._stopped.wait(EVERY_SECONDS):
                    return

        thread = threading.Thread(target=beat_until_stopped, name="heartbeat", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """Remove the row, because this process was told to end."""
        self._stopped.set()
        try:
            Heartbeat.objects.filter(**self._row).delete()
        except UNAVAILABLE as error:
            logger.warning(
                "heartbeat not removed", extra=log_event("heartbeat.deferred", trouble=database_trouble(error))
            )
        finally:
            connection.close()


def host_name() -> str:
    """Return this machine's name, by which its processes are told from those of other nodes."""
    return socket.gethostname()[:64]


def of_this_host(process: str, *, now: datetime) -> Heartbeat | None:
    """Return the newest heartbeat of a process on this machine, unless it is late."""
    rows = Heartbeat.objects.filter(process=process, host=host_name(), seen_at__gte=now - LATE)
    return rows.order_by("-seen_at").first()


def forget_old(*, now: datetime) -> int:
    """Delete the rows of processes that ended more than a day ago; return how many."""
    old = Heartbeat.objects.filter(seen_at__lt=now - STORED)
    return old.delete()[0] if old.exists() else 0


def _milliseconds(offset: timedelta) -> int:
    limit = 2**31 - 1
    return max(-limit, min(limit, round(offset.total_seconds() * 1000)))
