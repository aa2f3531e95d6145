"""Starts a server at sockets that the test holds, as a service manager does, and asks it without a pause."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import IO

from tests.ports import free_ports

_PASS_ON = """
import os, sys
descriptors, names, words = sys.argv[1].split(","), sys.argv[2], sys.argv[3:]
# First out of the way, then to their places: the two ranges may overlap.
high = [os.dup2(int(one), 500 + number) for number, one in enumerate(descriptors)]
for number, one in enumerate(high):
    os.dup2(one, 3 + number)
    os.close(one)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(high)), "LISTEN_FDNAMES": names}
os.execv(words[0], words)
"""
"""Passes sockets by the protocol of sd_listen_fds(3); it needs the process id, which is only known in the child."""


def listening_port() -> socket.socket:
    """Return a listening socket on a free port of this machine."""
    (port,) = free_ports(1)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(2048)
    return listener


def start_at(
    sockets: Sequence[tuple[str, socket.socket]],
    words: Sequence[str],
    environment: Mapping[str, str],
    log: IO[bytes],
) -> subprocess.Popen[bytes]:
    """Start ``watchword WORDS`` at named listening sockets that stay open here."""
    descriptors = [one.fileno() for _, one in sockets]
    program = [sys.executable, "-m", "watchword.cli.main", *words]
    passing = [sys.executable, "-c", _PASS_ON, ",".join(map(str, descriptors)), ":".join(name for name, _ in sockets)]
    return subprocess.Popen(
        [*passing, *program],
        env=environment,
        pass_fds=descriptors,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


class Load:
    """Threads that send requests, each on a connection of its own, until there were enough.

    With ``until_finished`` they go on after that until ``finish`` is called, so that whatever happens meanwhile happens
    under load however slow the machine is.
    """

    def __init__(
        self, port: int, path: str, *, requests: int, threads: int = 6, host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None, until_finished: bool = False,
    ) -> None:  # fmt: skip
        self.results: Counter[str] = Counter()
        self._port, self._path, self._host, self._tls = port, path, host, tls
        self._left = requests
        self._lock = threading.Lock()
        self._halfway = threading.Event()
        self._may_end = threading.Event()
        if not until_finished:
            self._may_end.set()
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]
        self._half = requests // 2
        for thread in self._threads:
            thread.start()

    def wait_for_half(self) -> None:
        """Wait until half of the requests were sent."""
        assert self._halfway.wait(120)

    def finish(self) -> Counter[str]:
        """Wait for the rest, and return how often each result came."""
        self._may_end.set()
        for thread in self._threads:
            thread.join(240)
        return self.results

    @property
    def is_over(self) -> bool:
        return self._left <= 0

    def _ask(self) -> None:
        while True:
            with self._lock:
                if self._left <= 0 and self._may_end.is_set():
                    self._halfway.set()
                    return
                self._left -= 1
                if self._left <= self._half:
                    self._halfway.set()
            result = self._one()
            with self._lock:
                self.results[result] += 1

    def _one(self) -> str:
        connection = self._connection()
        try:
            connection.request("GET", self._path, headers={"Connection": "close", "Host": self._host})
            response = connection.getresponse()
            response.read()
            return str(response.status)
        except (OSError, HTTPException) as error:
            return type(error).__name__
        finally:
            connection.close()

    def _connection(self) -> HTTPConnection:
        if self._tls is None:
            return HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection = HTTPSConnection(self._host, self._port, timeout=60, context=self._tls)
        connection._create_connection = lambda _address, *rest: socket.create_connection(  # type: ignore[attr-defined]  # the name leads nowhere
            ("127.0.0.1", self._port), rest[0]
        )
        return connection


def workers_of(pid: int) -> set[int]:
    """Return the process ids of a process's children."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return set()
    return {int(word) for word in text.split()}


def variables(home: os.PathLike[str], **more: str) -> dict[str, str]:
    """Return the environment of a server in the demo's way, on a database of its own."""
    return {
        "PATH": os.environ["PATH"],
        "WATCHWORD_DEMO": "yes",
        "WATCHWORD_HOME": os.fspath(home),
        "WATCHWORD_MAIL_KICK": "none",
        **more,
    }
