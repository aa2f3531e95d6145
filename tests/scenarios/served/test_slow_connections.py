"""Slow, silent or endless connections shut no other client out of the web door, over real sockets."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.scenarios.mail.site import wait_until
from tests.scenarios.served.processes import Served
from tests.scenarios.served.visitor import Visitor
from tests.world import World
from watchword.cli.web_server import THREADS
from watchword.cli.web_worker import MOST_CONNECTIONS, STOP_SECONDS, WHOLE_SECONDS

pytestmark = [pytest.mark.scenario, pytest.mark.django_db(transaction=True)]

HEAD = b"POST /sign-in/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
PATIENCE_SECONDS = 5.0
"""The bound of an honest page, which takes some 5 ms on a quiet machine; the door used to be blocked for good."""


@pytest.fixture
def door(tmp_path: Path, world: World) -> Iterator[Served]:
    """Yield one web process."""
    served = Served(tmp_path)
    served.start("web1")
    try:
        served.wait("web1")
        yield served
    finally:
        served.stop_all()


def connect(door: Served, octets: bytes, source: str = "127.0.0.1") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", door.ports["web1"]), timeout=30, source_address=(source, 0))
    if octets:
        connection.sendall(octets)
    return connection


def seconds_of_a_page(door: Served) -> float:
    begin = time.monotonic()
    assert Visitor(door.ports["web1"]).get("/sign-in/").status == 200
    return time.monotonic() - begin


BEGINNINGS = {
    "silent": b"",
    "one octet": b"G",
    "half a head": b"GET /sign-in/ HTTP/1.1\r\nHost: 127.0",
    "half a body": HEAD + b"Content-Length: 5000\r\n\r\nname=",
    "half a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nna",
}


@pytest.mark.parametrize("octets", BEGINNINGS.values(), ids=BEGINNINGS.keys())
def test_dor_18_connections_that_never_finish_take_no_thread(door: Served, octets: bytes) -> None:
    with ExitStack() as open_ones:
        for _ in range(THREADS * 4):
            open_ones.enter_context(connect(door, octets))
        for _ in range(3):
            assert seconds_of_a_page(door) < PATIENCE_SECONDS


def test_dor_18_a_dripping_body_times_out_and_keeps_no_other_request_waiting(door: Served) -> None:
    with ExitStack() as open_ones:
        slow = [open_ones.enter_context(connect(door, HEAD + b"Content-Length: 5000\r\n\r\n")) for _ in range(40)]
        begin = time.monotonic()
        alive = list(slow)
        answers = []
        while alive and time.monotonic() - begin < WHOLE_SECONDS + 15:
            for one in list(alive):
                one.settimeout(0.01)
                try:
                    one.send(b"x")
                    if not (heard := one.recv(200)):
                        raise ConnectionResetError
                    answers.append(heard)
                except TimeoutError:
                    continue
                except OSError:
                    alive.remove(one)
            assert seconds_of_a_page(door) < PATIENCE_SECONDS
        assert not alive
        assert time.monotonic() - begin > WHOLE_SECONDS - 1
        assert answers
        assert all(heard.startswith(b"HTTP/1.1 408 ") for heard in answers)


def test_dor_18_more_connections_than_the_limit_shut_no_other_client_out(door: Served) -> None:
    with ExitStack() as open_ones:
        for _ in range(MOST_CONNECTIONS + 200):
            open_ones.enter_context(connect(door, b"GET /sign-in/ HTTP/1.1\r\n"))
        assert seconds_of_a_page(door) < PATIENCE_SECONDS
        # A slow connection from another address stays open: the address with too many connections gives up its own.
        slow = open_ones.enter_context(connect(door, b"GET /sign-in/ HTTP/1.1\r\n", source="127.0.0.9"))
        for _ in range(100):
            open_ones.enter_context(connect(door, b"GET /sign-in/ HTTP/1.1\r\n"))
        slow.sendall(b"Host: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert slow.recv(100).startswith(b"HTTP/1.1 200 ")


def test_dor_18_responses_that_the_client_does_not_read_take_no_thread_for_good(door: Served) -> None:
    request = b"GET /static/ui/watchword.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with ExitStack() as open_ones:
        for _ in range(THREADS * 2):
            one = open_ones.enter_context(socket.socket())
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            one.connect(("127.0.0.1", door.ports["web1"]))
            one.setblocking(False)
            one.send(request * 50)
        wait_until(lambda: seconds_of_a_page(door) < PATIENCE_SECONDS)


def test_requests_sent_ahead_and_in_pieces_are_answered_in_order(door: Served) -> None:
    one = b"GET /%d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with connect(door, one % 1 + one % 2 + (one % 3)[:20]) as connection:
        connection.sendall((one % 3)[20:])
        heard = b""
        while heard.count(b"HTTP/1.1 404 ") < 3:
            data = connection.recv(65536)
            assert data, heard[-300:]
            heard += data


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(door: Served) -> None:
    with connect(door, HEAD + b"Content-Length: 999999999\r\n\r\n") as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
        while connection.recv(65536):
            pass


def test_who_asks_whether_to_go_on_is_told_so(door: Served) -> None:
    with connect(door, HEAD + b"Content-Length: 6\r\nExpect: 100-continue\r\n\r\n") as connection:
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"name=x")
        assert b" 403 " in connection.recv(100) + connection.recv(100)


def test_a_restart_answers_connections_that_waited_to_be_accepted(door: Served) -> None:
    process = door.process("web1")
    (worker,) = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    os.kill(worker, signal.SIGSTOP)
    with ExitStack() as open_ones:
        try:
            waiting = [HTTPConnection("127.0.0.1", door.ports["web1"], timeout=30) for _ in range(16)]
            for one in waiting:
                open_ones.callback(one.close)
                one.request("GET", "/sign-in/")
            process.send_signal(signal.SIGTERM)
        finally:
            os.kill(worker, signal.SIGCONT)
        assert [one.getresponse().status for one in waiting] == [200] * 16
    assert process.wait(30) == 0


def test_a_request_that_never_finishes_does_not_hold_up_a_restart(door: Served) -> None:
    with connect(door, b"GET /sign-in/ HTTP/1.1\r\n"):
        process = door.process("web1")
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert time.monotonic() - begin < STOP_SECONDS + 5
