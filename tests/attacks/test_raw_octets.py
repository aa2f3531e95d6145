"""Malformed requests, byte by byte, to the real web server: two hosts, two lengths, foreign targets."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import time

import pytest

from tests.cli.test_serve import Start, answer, free_port, start

__all__ = ["start"]

pytestmark = pytest.mark.scenario

CASES: dict[str, bytes] = {
    "two hosts": b"GET /sign-in/ HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
    "two hosts, ours last": b"GET /sign-in/ HTTP/1.1\r\nHost: evil.example\r\nHost: 127.0.0.1\r\n\r\n",
    "an escape in a header": b"GET /sign-in/ HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: \x1b[31m\r\n\r\n",
    "a foreign target and host": b"GET http://evil.example/sign-in/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "length and chunks": (
        b"POST /sign-in/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\nGET /admin/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    ),
    "two lengths": (
        b"POST /sign-in/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nContent-Length: 50\r\n\r\nname="
    ),
    "a strange coding": (b"POST /sign-in/ HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    "a folded header": b"GET /sign-in/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: a\r\n b\r\n\r\n",
    "a blank before the colon": b"GET /sign-in/ HTTP/1.1\r\nHost : evil.example\r\nHost: 127.0.0.1\r\n\r\n",
    "a header of ten thousand": (
        b"GET /sign-in/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: " + b"1" * 10_240 + b"\r\n\r\n"
    ),
}


def ask(port: int, request: bytes) -> bytes:
    """Send bytes and return everything that comes back within the server's timeout."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        said = b""
        while part := connection.recv(65_536):
            said += part
    return said


def running(start: Start) -> tuple[int, subprocess.Popen[str]]:
    port = free_port()
    process = start(port)
    deadline = time.monotonic() + 30
    while answer(port, "/sign-in/") is None and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    return port, process


def test_ses_18_a_request_that_two_servers_could_read_differently_is_refused(start: Start) -> None:
    """Request smuggling: two lengths, a length with chunks, two hosts or folded headers get 400 once, not reflected."""
    port, _process = running(start)
    for what, request in CASES.items():
        said = ask(port, request)
        statuses = re.findall(rb"HTTP/1\.[01] (\d{3})", said)
        assert len(statuses) == 1, what
        assert statuses[0] in {b"400", b"431", b"501"}, (what, statuses)
        assert b"evil" not in said, what


def test_hst_01_an_absolute_target_and_forwarded_headers_change_no_address(start: Start) -> None:
    """A foreign absolute target, X-Forwarded-Host or scheme from an untrusted client changes no redirect."""
    port, _process = running(start)
    host = f"127.0.0.1:{port}".encode()
    for extra in (
        b"",
        b"X-Forwarded-Host: evil.example\r\nForwarded: host=evil.example\r\nX-Forwarded-Proto: https\r\n",
    ):
        request = b"GET http://evil.example/security/ HTTP/1.1\r\nHost: " + host + b"\r\n" + extra + b"\r\n"
        said = ask(port, request)
        assert b"HTTP/1.1 302" in said
        assert b"\r\nLocation: /sign-in/?next=%2Fsecurity%2F\r\n" in said
        assert b"evil" not in said


@pytest.mark.parametrize("path", ["/a%0d%0a2026-11-24%20INFO%20root%20signed%20in", "/a%1b[2J%c2%85b%e2%80%a8c"])
def test_log_01_the_real_servers_log_has_one_printable_line_for_each_request(start: Start, path: str) -> None:
    """Line breaks and escapes in a path, as the server decodes it, add no line to the log."""
    port, process = running(start)
    assert b"404" in ask(port, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())[:20]
    process.send_signal(signal.SIGTERM)
    log, _ = process.communicate(timeout=30)
    lines = [line for line in log.split("\n") if line]
    assert lines
    assert all(line.isprintable() for line in lines)
    assert not [line for line in lines if line.startswith("2026-11-24 INFO")]
