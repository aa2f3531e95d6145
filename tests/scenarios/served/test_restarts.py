"""A web server that restarts or reloads refuses no connection and loses no request."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.scenarios.mail.site import answers, wait_until
from tests.scenarios.served.listeners import Load, listening_port, start_at, variables, workers_of

pytestmark = pytest.mark.scenario

REQUESTS = int(os.environ.get("TEST_REQUESTS", "2000"))
PAGE = "/static/ui/watchword.css"


type Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def home(tmp_path: Path, installed_home: Path) -> Path:
    shutil.copytree(installed_home, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with listening_port() as one:
        yield one


@pytest.fixture
def start(home: Path, listener: socket.socket) -> Iterator[Start]:
    """Yield a function that starts a server at the socket that the test holds."""
    started: list[subprocess.Popen[bytes]] = []
    with (home / "log").open("ab") as log:

        def run(*words: str, **more: str) -> subprocess.Popen[bytes]:
            started.append(start_at([("web", listener)], ["serve", *words], variables(home, **more), log))
            return started[-1]

        yield run
        for process in started:
            if process.poll() is None:
                process.terminate()
        for process in started:
            process.wait(60)


def log_of(home: Path) -> str:
    return (home / "log").read_text(errors="replace")


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def test_a_restart_at_a_held_socket_refuses_no_connection_and_loses_no_request(
    start: Start, listener: socket.socket, home: Path
) -> None:
    process = start("web", "--web-workers", "2")
    load = Load(port_of(listener), PAGE, requests=REQUESTS)
    load.wait_for_half()
    assert not load.is_over, "the restart comes under load"
    process.terminate()
    assert process.wait(60) == 0, log_of(home)
    start("web")
    assert load.finish() == {"200": REQUESTS}, log_of(home)


def test_a_reload_runs_the_program_anew_and_loses_no_request(start: Start, listener: socket.socket, home: Path) -> None:
    process = start("web", "--web-workers", "2")
    wait_until(lambda: len(workers_of(process.pid)) == 2)
    before = workers_of(process.pid)
    load = Load(port_of(listener), PAGE, requests=REQUESTS)
    load.wait_for_half()
    process.send_signal(signal.SIGHUP)
    # A second signal at an awkward moment changes nothing.
    wait_until(lambda: "web.reloading" in log_of(home))
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(workers_of(process.pid)) == 2 and not workers_of(process.pid) & before)
    assert load.finish() == {"200": REQUESTS}, log_of(home)
    again = Load(port_of(listener), PAGE, requests=20)
    assert again.finish() == {"200": 20}
    process.terminate()
    assert process.wait(60) == 0, log_of(home)


def test_a_program_that_would_not_start_is_not_reloaded(start: Start, listener: socket.socket, home: Path) -> None:
    stolen = home / "stolen-passwords"
    stolen.write_text("0" * 40 + ":1\n")
    process = start("web", WATCHWORD_BREACHED_PASSWORDS_FILE=str(stolen))
    wait_until(lambda: "web.listening" in log_of(home))
    stolen.unlink()
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: "web.reload.refused" in log_of(home))
    assert "WATCHWORD_BREACHED_PASSWORDS_FILE is not the absolute path of a file" in log_of(home)
    assert Load(port_of(listener), PAGE, requests=10).finish() == {"200": 10}
    assert process.poll() is None


def test_a_socket_of_another_name_is_refused_in_one_sentence(listener: socket.socket, home: Path) -> None:
    with (home / "log").open("ab") as log:
        process = start_at([("wbe", listener)], ["serve", "web"], variables(home), log)
        assert process.wait(60) == 1
    assert "a socket named 'wbe' was passed; FileDescriptorName= of its socket unit must be web" in log_of(home)


def test_all_processes_start_anew_at_sighup_and_no_request_is_lost(
    start: Start, listener: socket.socket, home: Path
) -> None:
    process = start("--web-workers", "2", "--mail-workers", "2")
    auth = home / "mail" / "auth"
    wait_until(lambda: auth.exists() and answers(auth) and len(workers_of(process.pid)) == 5)
    before = workers_of(process.pid)
    load = Load(port_of(listener), PAGE, requests=REQUESTS)
    process.send_signal(signal.SIGHUP)
    # The web door keeps its process id.
    wait_until(lambda: len(workers_of(process.pid)) == 5 and len(workers_of(process.pid) & before) == 1)
    wait_until(lambda: answers(auth))
    assert load.finish() == {"200": REQUESTS}, log_of(home)
    process.terminate()
    assert process.wait(60) == 0
    assert not auth.exists()
    assert "serve.process.ended" not in log_of(home), "an end on demand is no failure"


@pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="systemd is not installed")
def test_systemd_passes_the_socket_with_the_first_connection(listener: socket.socket, home: Path) -> None:
    port = port_of(listener)
    listener.close()
    words = ["systemd-socket-activate", "--fdname=web", f"--listen=127.0.0.1:{port}"]
    words += [f"--setenv={name}={value}" for name, value in variables(home).items()]
    program = [sys.executable, "-m", "watchword.cli.main", "serve", "web"]
    with (home / "log").open("ab") as log:
        process = subprocess.Popen([*words, *program], stdout=log, stderr=log)
        try:
            wait_until(lambda: "Listening on" in log_of(home))
            started = time.monotonic()
            assert Load(port, PAGE, requests=5, threads=1).finish() == {"200": 5}, log_of(home)
            assert time.monotonic() - started < 60
        finally:
            process.terminate()
            process.wait(60)
