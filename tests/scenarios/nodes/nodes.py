"""Two nodes of Watchword on one database: HAProxy before the web, and one on each node before PostgreSQL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from tests.environment import KEYS
from tests.ports import free_ports
from tests.scenarios.mail.site import answers, listens_at, wait_until

ROLES = ("web", "mail", "worker", "phones")

WEB_CONFIGURATION = """\
global
  maxconn 2000
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  retries 2
  option redispatch
listen web
  bind 127.0.0.1:{front}
  option httpchk
  http-check send meth GET uri /health/live hdr Host 127.0.0.1
  http-check expect status 200
  default-server check inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions
{servers}
"""

DATABASE_CONFIGURATION = """\
global
  maxconn 500
defaults
  mode tcp
  timeout connect 2s
  timeout client 30m
  timeout server 30m
listen primary
  bind 127.0.0.1:{port}
{check}
{servers}
"""

PATRONI_CHECK = """\
  option httpchk OPTIONS /primary
  http-check expect status 200
  default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions"""


class Link:
    """A network of its own for a node's way to the database: a pair of virtual interfaces, one end in a namespace."""

    def __init__(self, number: int) -> None:
        self.namespace = f"watchword{os.getpid()}n{number}"
        self._outer, inner = f"ww{os.getpid() % 100000}o{number}", f"ww{os.getpid() % 100000}i{number}"
        self.address = f"198.19.{number}.2"
        for words in (
            ["netns", "add", self.namespace],
            ["link", "add", self._outer, "type", "veth", "peer", "name", inner, "netns", self.namespace],
            ["address", "add", f"198.19.{number}.1/30", "dev", self._outer],
            ["link", "set", self._outer, "up"],
            ["-n", self.namespace, "address", "add", f"{self.address}/30", "dev", inner],
            ["-n", self.namespace, "link", "set", inner, "up"],
            ["-n", self.namespace, "link", "set", "lo", "up"],
        ):
            _ip(*words)

    def cut(self) -> None:
        """Take the cable out: packets go nowhere, and connections stay open."""
        _ip("link", "set", self._outer, "down")

    def heal(self) -> None:
        """Put the cable in again."""
        _ip("link", "set", self._outer, "up")

    def remove(self) -> None:
        """Remove the network."""
        _ip("netns", "delete", self.namespace)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=30)


def can_link() -> bool:
    """Return whether this machine lets networks be made: only root can, and a container may not."""
    name = f"watchword{os.getpid()}"
    try:
        _ip("netns", "add", name)
        _ip("netns", "delete", name)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


class Node:
    """One machine: its home, its web process, mail daemon, workers, and its way to the database."""

    def __init__(self, folder: Path, name: str, link: Link | None = None) -> None:
        self.name, self.home, self.link = name, folder / name, link
        self.home.mkdir()
        self.web_port, self.database_port = free_ports(2)
        self.door = self.home / "mail" / "auth"
        self.environment: dict[str, str] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, role: str, words: Sequence[str]) -> None:
        """Start a process in a group of its own, so that its children die with it."""
        with (self.home / f"{role}.log").open("ab") as log:
            self._running[role] = subprocess.Popen(
                words, env=self.environment or None, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def start(self, role: str) -> None:
        """Start one of ROLES."""
        words = [sys.executable, "-m", "watchword.cli.main", "serve", role]
        self.run(role, words + (["--listen", f"127.0.0.1:{self.web_port}"] if role == "web" else []))

    def wait(self, role: str) -> None:
        """Wait until a web process or mail daemon answers."""
        wait_until(lambda: self.answers(role) or self._running[role].poll() is not None)
        assert self._running[role].poll() is None, f"{self.name} {role} ended:\n{self.log_of(role)}"

    def answers(self, role: str) -> bool:
        """Return whether a process answers; only the web and the mail daemon can be asked."""
        if role == "mail":
            return answers(self.door)
        if role != "web":
            return True
        connection = HTTPConnection("127.0.0.1", self.web_port, timeout=5)
        try:
            connection.request("GET", "/sign-in/", headers={"Host": "127.0.0.1"})
            return connection.getresponse().status in {200, 503}
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def signal(self, role: str, number: signal.Signals) -> None:
        """Send a signal to a process and its children."""
        os.killpg(self._running[role].pid, number)
        if number == signal.SIGKILL:
            self._running[role].wait()

    def cut(self) -> None:
        """Cut the node off from the database: by its cable, or else by stopping what forwards its packets."""
        if self.link is not None:
            self.link.cut()
        else:
            self.signal("database", signal.SIGSTOP)

    def heal(self) -> None:
        """Connect the node with the database again."""
        if self.link is not None:
            self.link.heal()
        else:
            self.signal("database", signal.SIGCONT)

    def end(self, roles: Sequence[str] = ROLES) -> None:
        """End processes as a service manager does, and wait until they have ended."""
        for role in roles:
            os.kill(self._running[role].pid, signal.SIGTERM)
        for role in roles:
            self._running[role].wait(30)

    def stop(self) -> None:
        """Stop every process; one that doesn't end within 30 seconds is killed."""
        if self.link is not None:
            self.link.heal()
        for process in self._running.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGCONT)
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._running.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if self.link is not None:
            self.link.remove()

    def log_of(self, role: str) -> str:
        return (self.home / f"{role}.log").read_text(errors="replace")[-3000:]


class Nodes:
    """Two nodes and the load balancer before their web processes."""

    def __init__(self, folder: Path, *, database: str, check: str, servers: Sequence[str], links: bool = False) -> None:
        """``database`` is the name and account of the database's address; ``servers`` are lines for HAProxy.

        With ``links`` each node has a network of its own towards the database.
        """
        self.folder = folder
        self.nodes = [Node(folder, name, Link(number) if links else None) for number, name in enumerate(("a", "b"))]
        (self.front,) = free_ports(1)
        self._balancer = Node(folder, "balancer")
        self._check, self._servers = check, servers
        for node in self.nodes:
            url = database.format(port=node.database_port)
            if node.link is not None:
                # A server at another machine's address has to show a certificate, unless that is switched off.
                url = url.replace("127.0.0.1", node.link.address) + "?sslmode=disable"
            node.environment = {
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(Path(__file__).parents[3]),
                "WATCHWORD_DEMO": "yes",
                "WATCHWORD_HOME": str(node.home),
                "WATCHWORD_KEYS": KEYS,
                "WATCHWORD_DATABASE_URL": url,
                "WATCHWORD_PUBLIC_URL": "http://127.0.0.1:8000",
                "WATCHWORD_TRUSTED_PROXIES": "127.0.0.1",
                "WATCHWORD_MAIL_KICK": "none",
                "WATCHWORD_LOG_LEVEL": "WARNING",
            }

    def start_database_proxies(self) -> None:
        """Start HAProxy on each node, which leads to the primary."""
        for node in self.nodes:
            text = DATABASE_CONFIGURATION.format(
                port=node.database_port, check=self._check, servers="\n".join(self._servers)
            )
            if node.link is not None:
                text = text.replace(
                    f"bind 127.0.0.1:{node.database_port}", f"bind {node.link.address}:{node.database_port}"
                )
                self._haproxy(node, "database", text, ["ip", "netns", "exec", node.link.namespace])
                wait_until(partial(listens_at, node.database_port, node.link.address))
            else:
                self._haproxy(node, "database", text)
                wait_until(partial(listens_at, node.database_port))

    def skew(self, node: Node, seconds: int) -> None:
        """Let the processes of a node, from their next start, see a wall clock that is wrong by these seconds."""
        library = self.folder / "clock.so"
        source = Path(__file__).with_name("clock.c")
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True, timeout=60)
        node.environment |= {"LD_PRELOAD": str(library), "CLOCK_SKEW": str(seconds)}

    def start(self) -> None:
        """Start every process of both nodes, and the load balancer."""
        for node in self.nodes:
            for role in ROLES:
                node.start(role)
        for node in self.nodes:
            for role in ROLES:
                node.wait(role)
        servers = "\n".join(f"  server {node.name} 127.0.0.1:{node.web_port}" for node in self.nodes)
        self._haproxy(self._balancer, "front", WEB_CONFIGURATION.format(front=self.front, servers=servers))
        wait_until(lambda: listens_at(self.front))

    def stop(self) -> None:
        for node in [self._balancer, *self.nodes]:
            node.stop()

    def _haproxy(self, node: Node, role: str, text: str, prefix: Sequence[str] = ()) -> None:
        path = node.home / f"{role}.cfg"
        path.write_text(text)
        node.run(role, [*prefix, "haproxy", "-f", str(path)])
