"""The web door as a process: it answers, says little in its log, and stops when told."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from http.client import HTTPConnection
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "watchword.cli.main"]
SECRET = "Zk3vN0aQ-8s_Jx72LmPqRt5w"

type Start = Callable[..., subprocess.Popen[str]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answer(port: int, path: str) -> int | None:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except ConnectionError:
        return None
    finally:
        connection.close()


@pytest.fixture
def start(tmp_path: Path, installed_home: Path) -> Iterator[Start]:
    """Yield a function that starts `watchword serve web` on a fresh database; kill running processes afterwards."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("WATCHWORD_", "DJANGO_"))}
    environment |= {"WATCHWORD_DEMO": "yes", "WATCHWORD_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    shutil.copytree(installed_home, tmp_path, dirs_exist_ok=True)
    started: list[subprocess.Popen[str]] = []

    def run(port: int, **more: str) -> subprocess.Popen[str]:
        words = [*PROGRAM, "serve", "web", "--listen", f"127.0.0.1:{port}"]
        pipe = subprocess.PIPE
        process = subprocess.Popen(words, env=environment | more, stdout=pipe, stderr=subprocess.STDOUT, text=True)
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_it_answers_logs_no_secret_and_ends_cleanly(start: Start) -> None:
    port = free_port()
    process = start(port)
    deadline = time.monotonic() + 30
    while (status := answer(port, f"/{SECRET}/?code=493027")) is None and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    assert status is not None
    assert status < 500
    process.send_signal(signal.SIGTERM)
    log, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert '"GET /.../ HTTP/1.1"' in log
    [listening] = [line for line in log.splitlines() if " web.listening " in line]
    assert listening.endswith(f": listening on http://127.0.0.1:{port}")
    for line in log.splitlines():
        assert datetime.fromisoformat(line.split()[0]).tzinfo is not None, "a line without its time"
    assert SECRET not in log
    assert "493027" not in log


def test_every_line_is_a_json_object_where_that_is_wanted(start: Start) -> None:
    port = free_port()
    process = start(port, WATCHWORD_LOG_FORMAT="json")
    deadline = time.monotonic() + 30
    while answer(port, f"/{SECRET}/?code=493027") is None and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    log, _ = process.communicate(timeout=30)
    lines = [json.loads(line) for line in log.splitlines()]
    assert all({"time", "level", "logger", "event", "message"} <= line.keys() for line in lines)
    [access] = [line for line in lines if line["event"] == "web.access"]
    assert (access["method"], access["path"], access["address"]) == ("GET", "/.../", "127.0.0.1")
    assert access["status"] == 404
    assert {"web.listening", "web.access"} <= {line["event"] for line in lines}
    assert SECRET not in log
    assert "493027" not in log


def test_a_busy_port_ends_it_at_once_with_the_way_out(start: Start) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen(1)
        port = busy.getsockname()[1]
        process = start(port)
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"port {port} on 127.0.0.1 is in use by another program; choose another with --listen" in said
    assert "Traceback" not in said
