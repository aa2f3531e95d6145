"""Traces: what a span tells, what it never holds, and that nothing is imported where they are off."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import resolve
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.world import World
from watchword.audit import tracing
from watchword.config.extras import MODULES
from watchword.config.middleware import TracingMiddleware
from watchword.config.parsers import InvalidSetting, parse_traces_url

ROOT = Path(__file__).parents[2]


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    """Yield where the spans of this process go."""
    spans = InMemorySpanExporter()
    tracing.start("", "web", exporter=spans)
    yield spans
    tracing.stop()


def told(span: ReadableSpan) -> str:
    """Return everything that a span says."""
    return str(span.to_json())


def test_a_request_is_named_by_its_route_and_not_by_its_path(exporter: InMemorySpanExporter) -> None:
    def answer(request: HttpRequest) -> HttpResponse:
        request.resolver_match = resolve(request.path)
        return HttpResponse(status=418)

    path = "/admin/users/7f0c1a3e-1111-4222-8333-444455556666/edit/"
    TracingMiddleware(answer)(RequestFactory().get(path, {"q": "alice"}))
    (span,) = exporter.get_finished_spans()
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "admin/users/<uuid:user_id>/edit/",
        "http.response.status_code": 418,
    }
    assert "7f0c1a3e" not in told(span)
    assert "alice" not in told(span)


def test_of_an_error_only_its_class_is_told(exporter: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="hunter2"), tracing.span("mail.batch", requests=3):
        raise ValueError("the password hunter2")
    (span,) = exporter.get_finished_spans()
    assert dict(span.attributes or {}) == {"requests": 3, "error.type": "ValueError"}
    assert span.events == ()
    assert "hunter2" not in told(span)
    assert span.resource.attributes["service.name"] == "watchword-web"


def test_a_sign_in_is_a_span_without_the_person(exporter: InMemorySpanExporter, client: Client, world: World) -> None:
    client.post("/sign-in/", {"name": "alice@harbour.example"})
    client.post("/sign-in/password/", {"answer": "a wrong password"}, REMOTE_ADDR="203.0.113.66")
    (span,) = [one for one in exporter.get_finished_spans() if one.name == "signin.answer"]
    assert set(span.attributes or {}) == {"factor", "result"}
    for word in ("alice", "a wrong password", "203.0.113.66", str(world.alice.pk)):
        assert word not in told(span)


def test_where_traces_are_off_nothing_is_imported_and_a_span_does_nothing() -> None:
    program = (
        "import sys, django; django.setup()\n"
        "from watchword.audit import tracing\n"
        "tracing.start('', 'web')\n"
        "with tracing.span('web.request', a=1) as set_attribute: set_attribute('b', 2)\n"
        "tracing.stop()\n"
        "print(sorted(name for name in sys.modules if name.startswith('opentelemetry')))"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "watchword.config.settings", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_without_the_extra_the_setting_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchword.config.extras._is_missing", lambda name: name in MODULES["telemetry"])
    with pytest.raises(InvalidSetting, match=r"needs the extra telemetry .*pip install 'watchword\[telemetry\]'"):
        parse_traces_url("http://127.0.0.1:4318/v1/traces")


@pytest.mark.parametrize("wrong", ["127.0.0.1:4318", "ftp://x/", "http://user:hunter2@host/", "http://host:99999999/"])
def test_an_address_that_is_none_is_refused_and_not_quoted(wrong: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        parse_traces_url(wrong)
    assert "hunter2" not in str(refused.value)


def test_an_endpoint_over_http_gets_the_spans_of_a_process_that_ends() -> None:
    got: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  (the standard library's name)
            """Write no line."""

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            tracing.start(f"http://127.0.0.1:{server.server_port}/v1/traces", "mail")
            with tracing.span("mail.batch", requests=1):
                pass
            tracing.stop()
        finally:
            server.shutdown()
            thread.join()
    ((path, body),) = got
    assert path == "/v1/traces"
    assert b"watchword-mail" in gzip.decompress(body) if body[:2] == b"\x1f\x8b" else b"watchword-mail" in body
