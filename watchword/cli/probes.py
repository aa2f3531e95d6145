"""The probes `/health/live` and `/health/ready` of the web server, for load balancers and container runtimes.

::

    /health/live    200 as long as a process answers at all; asks nothing
    /health/ready   200 if the database answers, the key ring opens its values, and its migrations fit this release;
                    503 otherwise, with the names of what failed

Nothing else changes the status: a gateway or a worker that is down must not take a node out that lets people in. The
answers hold no details, because everybody can ask; details are what `watchword health` and the metrics listener tell.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse

from watchword.cli import readiness
from watchword.core.database_errors import database_trouble
from watchword.core.log_events import log_event

LIVE = "/health/live"
READY = "/health/ready"
DATABASE_SECONDS = 1.0
"""How long the last answer of the database is used, however many clients ask."""
OTHER_SECONDS = 10.0
"""How long the last answer about keys and migrations is used; they change only when an operator changes them."""
PATIENCE_SECONDS = 2.0
"""How long a probe waits for another one that is asking; after that the database counts as failed."""

UNAVAILABLE_STATUS = 503

logger = logging.getLogger(__name__)


class Readiness:
    """Whether this process can serve now: the names of what fails, asked at most once a second."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failed: tuple[str, ...] = ()
        self._asked_at: float | None = None
        self._others_asked_at: float | None = None
        self._others_failed: tuple[str, ...] = ()

    def failed(self) -> tuple[str, ...]:
        """Return which of `database`, `keys` and `migrations` fail; empty if this process is ready."""
        if not self._lock.acquire(timeout=PATIENCE_SECONDS):
            return ("database",)
        try:
            if self._asked_at is None or self._clock() - self._asked_at >= DATABASE_SECONDS:
                before, self._failed = self._failed, self._ask()
                self._asked_at = self._clock()
                if self._failed and self._failed != before:
                    logger.error("not ready: %s", ", ".join(self._failed), extra=log_event("web.ready.failed"))
            return self._failed
        finally:
            self._lock.release()

    def _ask(self) -> tuple[str, ...]:
        try:
            if readiness.why_no_connection():
                return ("database",)
            now = self._clock()
            if self._others_failed or self._others_asked_at is None or now - self._others_asked_at >= OTHER_SECONDS:
                self._others_failed = readiness.failed_parts()
                self._others_asked_at = now
        except (DatabaseError, InterfaceError) as error:
            logger.warning("probe failed", extra=log_event("web.ready.trouble", trouble=database_trouble(error)))
            return ("database",)
        return self._others_failed


class ProbeMiddleware:
    """Answers the probes before the host is checked: a load balancer asks by address."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._readiness = Readiness()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the answer to a probe, or the response to any other request."""
        if request.path not in (LIVE, READY):
            return self.get_response(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if request.path == LIVE:
            return JsonResponse({"status": "live"})
        if failed := self._readiness.failed():
            return JsonResponse({"status": "unready", "failed": failed}, status=UNAVAILABLE_STATUS)
        return JsonResponse({"status": "ready"})
