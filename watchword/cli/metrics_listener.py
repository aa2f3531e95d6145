"""The metrics listener: `/metrics` for Prometheus and `/health` with all details, in a thread of the worker.

It is not the web server: what it tells is for operators, so it listens on this machine alone, or asks for a token. The
counters are those of all processes of this node; the ages and queues are read from the database, at most once in five
seconds, however often it is asked.
"""

from __future__ import annotations

import hmac
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from watchword import __version__
from watchword.admincenter.reports import health_report
from watchword.admincenter.reports.health_report import HealthReport
from watchword.audit import metrics
from watchword.core.database_errors import database_trouble
from watchword.core.log_events import log_event

READ_EVERY_SECONDS = 5.0
TIMEOUT_SECONDS = 10.0
"""How long a client may take for its request."""

type StartResponse = Callable[[str, list[tuple[str, str]]], object]

logger = logging.getLogger(__name__)


class CachedReport:
    """The health report, read again after a few seconds; None while the database can't be used."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._report: HealthReport | None = None

    def get(self) -> HealthReport | None:
        """Return the report."""
        with self._lock:
            if self._read_at is None or self._clock() - self._read_at >= READ_EVERY_SECONDS:
                self._report = self._read()
                self._read_at = self._clock()
            return self._report

    def _read(self) -> HealthReport | None:
        try:
            return health_report.read(now=timezone.now())
        except (DatabaseError, InterfaceError) as error:
            logger.warning("health not read", extra=log_event("metrics.read.deferred", trouble=database_trouble(error)))
            return None
        finally:
            connection.close()


class ReportCollector(Collector):
    """Turns the report into gauges. No label names a person, an address or a number."""

    def __init__(self, report: CachedReport) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges of this moment."""
        yield InfoMetricFamily("watchword_build", "This release.", value={"version": __version__})
        report = self._report.get()
        yield _gauge("watchword_database_up", "Whether the database answers the worker.", report is not None)
        if report is not None:
            yield from _of_report(report, now=timezone.now())

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering reads no database."""
        return []


def _of_report(report: HealthReport, *, now: datetime) -> Iterator[Metric]:
    seen = GaugeMetricFamily(
        "watchword_process_last_seen_seconds", "Time since a process beat last.", labels=["process", "host"]
    )
    offset = GaugeMetricFamily(
        "watchword_clock_offset_seconds", "How far a node's clock is ahead of the database's.", labels=["host"]
    )
    wrong = GaugeMetricFamily("watchword_clock_wrong", "Whether a node's clock is known to be wrong.", labels=["host"])
    newest = {(row.process, row.host): row for row in sorted(report.processes, key=lambda row: row.seen_at)}
    for (process, host), row in newest.items():
        seen.add_metric([process, host], _seconds(now, row.seen_at))
    for host, one in {host: row for (_process, host), row in newest.items() if not row.is_late}.items():
        wrong.add_metric([host], float(bool(one.clock_trouble)))
        if one.clock_offset is not None:
            offset.add_metric([host], one.clock_offset.total_seconds())
    waiting = GaugeMetricFamily("watchword_queue_waiting", "Rows that wait in a queue.", labels=["queue"])
    oldest = GaugeMetricFamily(
        "watchword_queue_oldest_seconds", "Age of the oldest of them; 0 for none.", labels=["queue"]
    )
    for queue in report.queues:
        waiting.add_metric([queue.name], queue.waiting)
        oldest.add_metric([queue.name], _seconds(now, queue.oldest_at) if queue.oldest_at else 0.0)
    up = GaugeMetricFamily("watchword_gateway_up", "Whether a gateway is connected.", labels=["gateway"])
    for gateway in report.gateways:
        up.add_metric([gateway.name], float(gateway.standing == "up"))
    ages = GaugeMetricFamily(
        "watchword_maintenance_age_seconds",
        "Time since a task last succeeded; absent if it never did.",
        labels=["task"],
    )
    for run in report.runs:
        if run.at is not None:
            ages.add_metric([run.task.value], _seconds(now, run.at))
    yield from (seen, offset, wrong, waiting, oldest, up, ages)
    if report.keys:
        said = "Time since the newest key sealed its first value."
        yield _gauge("watchword_key_age_seconds", said, _seconds(now, report.keys[-1].first_used_at))
    if report.certificate_expires_at is not None:
        left = (report.certificate_expires_at - now).total_seconds()
        yield _gauge("watchword_certificate_expires_seconds", "Time until the public address's certificate ends.", left)
    unmailed = report.unmailed
    yield _gauge("watchword_notices_unmailed", "Mails of warnings that failed and are tried again.", unmailed.waiting)
    yield _gauge("watchword_notices_given_up", "Mails of warnings given up in seven days.", unmailed.given_up)
    yield _gauge("watchword_health_problems", "Things that the page Health asks to look at.", len(report.problems))


def _gauge(name: str, said: str, value: float) -> Metric:
    return GaugeMetricFamily(name, said, value=float(value))


def _seconds(now: datetime, then: datetime) -> float:
    return (now - then).total_seconds()


class MetricsApplication:
    """The WSGI application of the listener."""

    def __init__(self, folder: Path, token: str) -> None:
        self._token = token
        self._report = CachedReport()
        self._registry = CollectorRegistry()
        MultiProcessCollector(self._registry, path=str(folder))  # type: ignore[no-untyped-call]  # it has no types
        self._registry.register(ReportCollector(self._report))

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Sequence[bytes]:
        """Return the metrics, the details, or why not."""
        headers = [("Cache-Control", "no-store")]
        if self._token and not self._is_right(str(environ.get("HTTP_AUTHORIZATION", ""))):
            start_response("401 Unauthorized", [*headers, ("WWW-Authenticate", "Bearer")])
            return [b""]
        if environ["REQUEST_METHOD"] != "GET":
            start_response("405 Method Not Allowed", [*headers, ("Allow", "GET")])
            return [b""]
        match environ["PATH_INFO"]:
            case "/metrics":
                start_response("200 OK", [*headers, ("Content-Type", CONTENT_TYPE_PLAIN_0_0_4)])
                return [generate_latest(self._registry)]
            case "/health":
                return self._details(headers, start_response)
            case _:
                start_response("404 Not Found", headers)
                return [b""]

    def _details(self, headers: list[tuple[str, str]], start_response: StartResponse) -> Sequence[bytes]:
        report = self._report.get()
        problems = [{"code": "database.down", "words": "The database does not answer."}]
        if report is not None:
            problems = [{"code": one.code, "words": str(one.words)} for one in report.problems]
        status = "200 OK" if report is not None else "503 Service Unavailable"
        start_response(status, [*headers, ("Content-Type", "application/json")])
        return [json.dumps({"release": __version__, "problems": problems}).encode()]

    def _is_right(self, header: str) -> bool:
        scheme, _, token = header.partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(token.encode(), self._token.encode())


class _QuietHandler(WSGIRequestHandler):
    timeout = TIMEOUT_SECONDS

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  (the name in the standard library)
        """Write no line for each scrape."""

    def get_stderr(self) -> Any:
        """Return the stream for errors of the application, which are logged instead."""
        return _Nowhere()


class _Nowhere:
    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        return


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    allow_reuse_address = True

    def server_bind(self) -> None:
        """Bind without asking the domain name system for this machine's name."""
        TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)
        self.setup_environ()


class _SixServer(_Server):
    address_family = socket.AF_INET6


class MetricsListener:
    """The listener, from its start to its stop."""

    def __init__(self, host: str, port: int, *, folder: Path, token: str) -> None:
        """Listen; raises OSError where that is not possible."""
        server = _SixServer if ":" in host else _Server
        self._server = server((host, port), _QuietHandler)
        self._server.set_app(MetricsApplication(folder, token))
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()
        logger.info("listening on %s port %d", host, port, extra=log_event("metrics.listening"))

    @property
    def port(self) -> int:
        """Return the TCP port."""
        return self._server.server_port

    def stop(self) -> None:
        """Answer no more requests, and close the socket."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def start_if_wanted(listen: tuple[str, int] | None, *, home: Path, token: str) -> MetricsListener | None:
    """Return the listener that the settings ask for. Where it can't listen the worker goes on without it."""
    if listen is None:
        return None
    folder = home / metrics.FOLDER
    metrics.remove_if_all_ended(folder)
    if not metrics.share_between_processes(folder):
        return None
    host, port = listen
    try:
        return MetricsListener(host, port, folder=folder, token=token)
    except OSError as error:
        logger.error(
            "metrics not served on %s port %d",
            host,
            port,
            extra=log_event("metrics.listen.failed", trouble=error.strerror or type(error).__name__),
        )
        return None
