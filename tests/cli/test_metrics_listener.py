"""What the metrics listener answers, and to whom."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path

import pytest
from django.db import OperationalError
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest

from tests.world import World
from watchword.admincenter.reports import health_report
from watchword.audit.heartbeats import ProcessHeart
from watchword.audit.maintenance import Task, note_run
from watchword.cli.metrics_listener import CachedReport, MetricsListener, ReportCollector, start_if_wanted

TOKEN = "a-token-of-many-letters"


@pytest.fixture
def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MetricsListener]:
    """Yield a listener with a token, which has no database."""

    def fail(*, now: object) -> None:
        raise OperationalError

    monkeypatch.setattr(health_report, "read", fail)
    monkeypatch.setattr("watchword.cli.metrics_listener.connection.close", lambda: None)
    running = MetricsListener("127.0.0.1", 0, folder=tmp_path, token=TOKEN)
    yield running
    running.stop()


def ask(port: int, path: str, *, authorization: str = "", method: str = "GET") -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers={"Authorization": authorization} if authorization else {})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


def test_without_the_right_token_nothing_is_told(listener: MetricsListener) -> None:
    basic = base64.b64encode(f":{TOKEN}".encode()).decode()
    for wrong in ("", "Bearer", "Bearer x", f"Bearer {TOKEN}x", f"Basic {basic}", TOKEN, f"Bearer {TOKEN[:-1]}"):
        for path in ("/metrics", "/health", "/"):
            assert ask(listener.port, path, authorization=wrong) == (401, "")


def test_a_database_that_does_not_answer_is_a_metric_and_no_error(listener: MetricsListener) -> None:
    status, text = ask(listener.port, "/metrics", authorization=f"Bearer {TOKEN}")
    assert status == 200
    assert "watchword_database_up 0.0" in text
    status, text = ask(listener.port, "/health", authorization=f"bearer {TOKEN}")
    assert (status, json.loads(text)["problems"][0]["code"]) == (503, "database.down")


def test_there_is_nothing_else(listener: MetricsListener) -> None:
    right = f"Bearer {TOKEN}"
    assert ask(listener.port, "/admin/", authorization=right)[0] == 404
    assert ask(listener.port, "/metrics", authorization=right, method="POST")[0] == 405


def test_a_client_that_says_nothing_keeps_nobody_waiting(listener: MetricsListener) -> None:
    with socket.create_connection(("127.0.0.1", listener.port)):
        assert ask(listener.port, "/metrics", authorization=f"Bearer {TOKEN}")[0] == 200


def test_a_port_in_use_does_not_stop_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("watchword.audit.metrics.share_between_processes", lambda _folder: True)
    (tmp_path / "metrics").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert start_if_wanted(("127.0.0.1", taken.getsockname()[1]), home=tmp_path, token="") is None
    assert [getattr(record, "event", "") for record in caplog.records] == ["metrics.listen.failed"]
    assert start_if_wanted(None, home=tmp_path, token="") is None


def test_the_report_is_read_once_in_five_seconds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchword.cli.metrics_listener.connection.close", lambda: None)
    now, read = [0.0], []
    real = health_report.read

    def counted(*, now: object) -> health_report.HealthReport:
        read.append(1)
        return real(now=world.now)

    monkeypatch.setattr(health_report, "read", counted)
    cached = CachedReport(clock=lambda: now[0])
    for _ in range(10):
        cached.get()
    assert len(read) == 1
    now[0] += 5
    cached.get()
    assert len(read) == 2


def test_ages_of_what_was_done_are_gauges(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchword.cli.metrics_listener.connection.close", lambda: None)
    now = timezone.now()
    ProcessHeart("worker").beat(now=now)
    note_run(Task.BACKUP, now=now - timedelta(days=3))
    note_run(Task.CERTIFICATE, now=now, details={"expires_at": (now + timedelta(days=1)).isoformat()})
    registry = CollectorRegistry()
    registry.register(ReportCollector(CachedReport()))
    lines = dict(
        line.rsplit(" ", 1) for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")
    )
    assert float(lines['watchword_maintenance_age_seconds{task="backup"}']) == pytest.approx(259_200, abs=60)
    assert 'watchword_maintenance_age_seconds{task="verify"}' not in lines
    assert float(lines["watchword_certificate_expires_seconds"]) == pytest.approx(86_400, abs=60)
    assert lines['watchword_queue_waiting{queue="events"}'] == "0.0"
    (seen,) = [name for name in lines if name.startswith("watchword_process_last_seen_seconds{")]
    assert 'process="worker"' in seen
