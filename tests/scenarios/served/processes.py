"""Watchword's processes (two web, mail daemon, background worker, messaging worker) on the tests' own database."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from tests.environment import KEYS
from tests.ports import free_ports
from tests.scenarios.mail.site import answers, database_url, listens_at, wait_until

WEB = ("web1", "web2")
MAIL = "mail"
WORKER = "worker"
PHONES = "phones"


class Served:
    """The processes by name; each can be killed and restarted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = dict(zip(WEB, free_ports(len(WEB)), strict=True))
        self.door = folder / "mail" / "auth"
        self.environment = {
            "PATH": os.environ["PATH"],
            "WATCHWORD_DEMO": "yes",
            "WATCHWORD_HOME": str(folder),
            "WATCHWORD_KEYS": KEYS,
            "WATCHWORD_DATABASE_URL": database_url(),
            "WATCHWORD_PUBLIC_URL": "http://127.0.0.1:8000",
            "WATCHWORD_MAIL_KICK": "none",
            "WATCHWORD_LOG_LEVEL": "WARNING",
        }
        self.prefix: list[str] = []
        """Arguments before the program, such as those of a fault injector for the disk."""
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def names(self) -> list[str]:
        return [*WEB, MAIL, WORKER, PHONES]

    def start(self, name: str) -> None:
        """Start one process; ``wait`` waits until it answers."""
        words = [*self.prefix, sys.executable, "-m", "watchword.cli.main", "serve"]
        if name in WEB:
            words += ["web", "--listen", f"127.0.0.1:{self.ports[name]}"]
        else:
            words += [name]
        with (self.folder / f"{name}.log").open("ab") as log:
            # A process group of its own, so that gunicorn's children die with it.
            self._running[name] = subprocess.Popen(
                words, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def wait(self, name: str) -> None:
        """Wait until a process answers."""
        wait_until(lambda: self._answers(name) or self._running[name].poll() is not None)
        assert self._running[name].poll() is None, f"{name} ended:\n{self.log_of(name)}"

    def wait_for_port(self, name: str) -> None:
        """Wait until a web process accepts connections, whatever it would answer."""
        wait_until(lambda: listens_at(self.ports[name]) or not self.is_running(name))
        assert self.is_running(name), f"{name} ended:\n{self.log_of(name)}"

    def process(self, name: str) -> subprocess.Popen[bytes]:
        return self._running[name]

    def is_running(self, name: str) -> bool:
        return self._running[name].poll() is None

    def start_all(self) -> None:
        for name in self.names:
            self.start(name)
        for name in self.names:
            self.wait(name)

    def kill(self, name: str) -> None:
        """Kill a process and its children with SIGKILL."""
        process = self._running[name]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop_all(self) -> None:
        for process in self._running.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for name, process in self._running.items():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill(name)

    def log_of(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-4000:]

    def _answers(self, name: str) -> bool:
        if name == MAIL:
            return answers(self.door)
        if name in {WORKER, PHONES}:
            return True
        connection = HTTPConnection("127.0.0.1", self.ports[name], timeout=5)
        try:
            connection.request("GET", "/sign-in/")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()
