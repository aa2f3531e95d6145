"""Watchword with a phones file as deployed: the web server and the dispatcher as processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from tests.environment import KEYS
from tests.phones.smsc import free_port
from tests.scenarios.mail.site import database_url, wait_until

WEB = "web"
PHONES = "phones"


class PhoneSite:
    """The two processes, by name; each can be killed and started again."""

    def __init__(self, folder: Path, phones_file: str, settings: Any) -> None:
        """Set the site's ``settings`` in the test's own process too, so that it writes into the same outbox."""
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "phones.toml").write_text(phones_file)
        settings.WATCHWORD_HOME = folder
        settings.WATCHWORD_PUBLIC_URL = self.url
        self._environment = {
            "PATH": os.environ["PATH"],
            "WATCHWORD_DEMO": "yes",
            "WATCHWORD_HOME": str(folder),
            "WATCHWORD_KEYS": KEYS,
            "WATCHWORD_DATABASE_URL": database_url(),
            "WATCHWORD_PUBLIC_URL": self.url,
            "WATCHWORD_PHONES_FILE": str(folder / "phones.toml"),
            "WATCHWORD_MAIL_KICK": "none",
            "WATCHWORD_LOG_LEVEL": "INFO",
            "PYTHONUNBUFFERED": "1",
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.statuses: dict[str, int] = {}
        """Exit statuses of the processes that were asked to stop."""

    def start(self, *names: str) -> None:
        """Start processes and wait until they are ready."""
        for name in names:
            words = [sys.executable, "-m", "watchword.cli.main", "serve", name]
            if name == WEB:
                words += ["--listen", f"127.0.0.1:{self.port}"]
            with self._log(name).open("wb") as log:
                # A process group of its own, so that gunicorn's children can be killed with it.
                self._running[name] = subprocess.Popen(
                    words, env=self._environment, stdout=log, stderr=log, start_new_session=True
                )
        for name in names:
            wait_until(partial(self._has_begun_or_ended, name))
            assert self._running[name].poll() is None, f"{name} ended:\n{self.log_of(name)}"

    def kill(self, name: str) -> None:
        """Kill a process (SIGKILL), without a graceful shutdown."""
        process = self._running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        """Ask all processes to stop (SIGTERM), and kill those that don't."""
        for process in self._running.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for name in list(self._running):
            try:
                self.statuses[name] = self._running[name].wait(30)
                del self._running[name]
            except subprocess.TimeoutExpired:
                self.kill(name)

    def log_of(self, name: str) -> str:
        return self._log(name).read_text(errors="replace")

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _has_begun_or_ended(self, name: str) -> bool:
        return self._is_ready(name) or self._running[name].poll() is not None

    def _is_ready(self, name: str) -> bool:
        if name == PHONES:
            return "messaging.worker.started" in self.log_of(name)
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/sign-in/")
            return connection.getresponse().status == HTTPStatus.OK
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()
