"""`watchword serve`: a process that dies is restarted, and its death ends no other process."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.test_serve import PROGRAM, ROOT, answer, free_port
from watchword.cli.supervisor import SupervisedProcess, Supervisor, why_ended

DIES = [sys.executable, "-c", "raise SystemExit(3)"]
STAYS = [sys.executable, "-c", "import time; time.sleep(600)"]


class Clock:
    """A clock that advances only in ``sleep``; real processes get a moment of real time."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def ended(supervisor: Supervisor, child: SupervisedProcess) -> int:
    """Wait until a child has ended, let the supervisor notice it, and return the supervisor's result."""
    assert child.process is not None
    child.process.wait(30)
    return supervisor.look()


def pause_after_end(supervisor: Supervisor, child: SupervisedProcess, clock: Clock) -> float:
    supervisor.look()
    ended(supervisor, child)
    pause = child.start_at - clock.now
    clock.now = child.start_at
    return pause


def test_pauses_between_starts_grow_and_are_logged_with_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    clock, worker = Clock(), SupervisedProcess("worker", DIES)
    supervisor = Supervisor([worker], clock=clock, sleep=clock.sleep)
    assert [pause_after_end(supervisor, worker, clock) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert "worker ended (exit status 3) after 0 s; start 2 follows in 1 s" in caplog.text
    assert "start 9 follows in 60 s" in caplog.text


def test_a_process_that_ran_for_a_while_begins_with_the_shortest_pause_again() -> None:
    clock, worker = Clock(), SupervisedProcess("worker", DIES, failures=7)
    supervisor = Supervisor([worker], clock=clock, sleep=clock.sleep)
    supervisor.look()
    clock.now += 61
    ended(supervisor, worker)
    assert worker.start_at - clock.now == 1


def test_a_door_that_cannot_even_start_ends_the_start_with_its_status() -> None:
    clock, door = Clock(), SupervisedProcess("web", DIES, is_door=True)
    supervisor = Supervisor([door], clock=clock, sleep=clock.sleep)
    assert supervisor.look() == 0
    assert ended(supervisor, door) == 3


def test_a_door_that_has_been_open_is_started_again(caplog: pytest.LogCaptureFixture) -> None:
    clock, door = Clock(), SupervisedProcess("web", STAYS, is_door=True)
    supervisor = Supervisor([door], clock=clock, sleep=clock.sleep)
    supervisor.look()
    assert door.process is not None
    door.process.kill()
    assert ended(supervisor, door) == 0
    assert "web ended (signal SIGKILL)" in caplog.text


@pytest.mark.parametrize(("status", "words"), [(-9, "signal SIGKILL"), (-63, "signal 63"), (1, "exit status 1")])
def test_how_a_process_ended_is_said_in_words(status: int, words: str) -> None:
    assert why_ended(status) == words


@pytest.fixture
def served(tmp_path: Path, installed_home: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, Path]]:
    """Yield `watchword serve` with all its processes, its port and its log."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("WATCHWORD_", "DJANGO_"))}
    environment |= {"WATCHWORD_DEMO": "yes", "WATCHWORD_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    environment |= {"WATCHWORD_MAIL_KICK": "none"}
    shutil.copytree(installed_home, tmp_path, dirs_exist_ok=True)
    port, log = free_port(), tmp_path / "serve.log"
    with log.open("wb") as file:
        words = [*PROGRAM, "serve", "--listen", f"127.0.0.1:{port}"]
        process = subprocess.Popen(words, env=environment, stdout=file, stderr=file, start_new_session=True)
    try:
        wait_until(lambda: responds(port) and (tmp_path / "mail/auth").exists() and len(children(process.pid)) == 4)
        yield process, port, log
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


def responds(port: int) -> bool:
    try:
        return answer(port, "/sign-in/") == 200
    except OSError:
        return False


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def children(pid: int) -> dict[str, int]:
    """Return the process ids of a process's children by the name of what they serve."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid and b"--parent" in words:
            found[words[words.index(b"--parent") + 2].decode()] = int(folder.name)
    return found


def is_gone(pid: int) -> bool:
    """Return whether a process has ended; a zombie counts as ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes as Linux shows them")
def test_a_worker_that_is_killed_comes_back_while_the_doors_go_on(
    served: tuple[subprocess.Popen[bytes], int, Path],
) -> None:
    process, port, log = served
    before = children(process.pid)
    assert set(before) == {"web", "mail", "worker", "phones"}
    os.kill(before["worker"], signal.SIGKILL)
    wait_until(lambda: children(process.pid).get("worker") not in (None, before["worker"]))
    after = children(process.pid)
    assert (after["web"], after["mail"]) == (before["web"], before["mail"])
    assert answer(port, "/sign-in/") == 200
    assert "worker ended (signal SIGKILL)" in log.read_text()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system can end them on Linux alone")
def test_no_process_outlives_the_one_that_started_it(served: tuple[subprocess.Popen[bytes], int, Path]) -> None:
    process, port, _log = served
    running = children(process.pid)
    process.kill()
    process.wait(30)
    wait_until(lambda: all(is_gone(pid) for pid in running.values()))
    assert not responds(port)


def test_it_is_quiet_about_what_went_well(caplog: pytest.LogCaptureFixture) -> None:
    clock, worker = Clock(), SupervisedProcess("worker", STAYS)
    supervisor = Supervisor([worker], clock=clock, sleep=clock.sleep)
    with caplog.at_level(logging.INFO):
        supervisor.look()
        supervisor.look()
    assert worker.process is not None
    worker.process.kill()
    worker.process.wait()
    assert caplog.text == ""
