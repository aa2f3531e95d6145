"""Two web and two mail processes at the same sockets: limits, sessions and ended access hold at each of them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.utils import timezone

from tests.doors.mail.peer import HELLO, look_up
from tests.environment import KEYS
from tests.ports import free_ports
from tests.scenarios.mail.site import database_url, wait_until
from tests.scenarios.served.listeners import variables, workers_of
from tests.scenarios.served.visitor import Visitor
from tests.world import World, make_world
from watchword.demo.auth_client import Login, ask
from watchword.signin import actions

pytestmark = [pytest.mark.scenario, pytest.mark.django_db(transaction=True)]

ALICE, CAROL = "alice@harbour.example", "carol@harbour.example"
PROMISE_SECONDS = 1.0
_KICK = "import os, sys; open(sys.argv[1], 'a').write(f'{os.getppid()} {sys.argv[2]}' + chr(10))"


class Several:
    """`watchword serve` with two processes of each door."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (self.port,) = free_ports(1)
        self.log, self.kicks = folder / "serve.log", folder / "kicks"
        self.kicks.touch()
        environment = variables(
            folder,
            WATCHWORD_KEYS=KEYS,
            WATCHWORD_DATABASE_URL=database_url(),
            WATCHWORD_PUBLIC_URL="http://127.0.0.1:8000",
            WATCHWORD_MAIL_KICK=f'{sys.executable} -c "{_KICK}" {self.kicks} {{user}}',
            WATCHWORD_WEB_WORKERS="2",
            WATCHWORD_MAIL_WORKERS="2",
        )
        words = [sys.executable, "-m", "watchword.cli.main", "serve", "--listen", f"127.0.0.1:{self.port}"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                words, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(lambda: self.count("web.listening") == 1 and self.count("mail.primary") == 1)
        wait_until(lambda: self.count("socketmap") == 2 and len(self.web) == 2)

    def count(self, code: str) -> int:
        assert self.process.poll() is None, self.log.read_text()
        return self.log.read_text().count(code)

    def children(self, name: str) -> list[int]:
        """Return the process ids of the children that serve this."""
        found = []
        for pid in workers_of(self.process.pid):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if name.encode() in words:
                found.append(pid)
        return found

    @property
    def web(self) -> list[int]:
        return sorted(workers_of(self.children("web")[0]))

    @property
    def mail(self) -> list[int]:
        return sorted(self.children("mail"))

    @contextmanager
    def only(self, pid: int, of: list[int]) -> Iterator[None]:
        """Let one process alone accept connections: the others stand still."""
        others = [one for one in of if one != pid]
        for one in others:
            os.kill(one, signal.SIGSTOP)
        try:
            yield
        finally:
            for one in others:
                os.kill(one, signal.SIGCONT)

    def dict(self, secret: str, name: str) -> str:
        """Ask as Dovecot asks, and return the first letter of the answer: found, not found or failed."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(str(self.folder / "mail" / "dict"))
            connection.sendall(HELLO + look_up(secret, name))
            return connection.recv(1)[:1].decode()

    def stop(self) -> None:
        for pid in (*self.web, *self.mail):
            os.kill(pid, signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


@pytest.fixture
def several(tmp_path: Path, world: World) -> Iterator[Several]:
    running = Several(tmp_path)
    try:
        yield running
    finally:
        running.stop()


def test_ended_access_holds_at_every_process(several: Several, world: World) -> None:
    mail, web = several.mail, several.web
    browser = Visitor(several.port)
    assert browser.begin(CAROL, world.passwords["carol"]).status == 302
    for pid in mail:
        with several.only(pid, mail):
            assert several.dict(world.alices_app_password, ALICE) == "O"
    for pid in web:
        with several.only(pid, web):
            assert browser.get("/").status == 200

    actions.delete_app_passwords(world.alice, by=world.root, now=timezone.now())
    actions.sign_out_everywhere(world.carol, by=world.root, now=timezone.now())
    committed = time.monotonic()
    for pid in mail:
        with several.only(pid, mail):
            assert several.dict(world.alices_app_password, ALICE) == "N"
    for pid in web:
        with several.only(pid, web):
            assert browser.get("/").status == 302
    assert time.monotonic() - committed < PROMISE_SECONDS or os.getloadavg()[0] > 2

    # Connections are closed by one process alone, at most twice for each mailbox.
    wait_until(lambda: {ALICE, CAROL} == {line.split()[1] for line in several.kicks.read_text().splitlines()})
    kicks = several.kicks.read_text().splitlines()
    [primary] = {int(line.split()[0]) for line in kicks}
    assert primary in mail
    assert len(kicks) <= 4

    # Its successor goes on where it was: it answers Postfix, and closes what is ended from now on.
    os.kill(primary, signal.SIGKILL)
    [other] = set(mail) - {primary}
    several.kicks.write_text("")
    assert ask(several.folder / "mail" / "auth", Login(CAROL, world.passwords["carol"], "smtp", "192.0.2.9")) == CAROL
    actions.block(world.carol, by=world.root, now=timezone.now())
    wait_until(lambda: f"{other} {CAROL}" in several.kicks.read_text())
    assert several.dict(world.passwords["carol"], CAROL) == "N"


def test_wrong_passwords_are_counted_for_all_processes_together(several: Several, world: World) -> None:
    mail = several.mail
    right = world.passwords["carol"]
    for pid in mail:
        with several.only(pid, mail):
            assert several.dict(right, CAROL) == "O"
    # Ten in a row make the next one wait; each process sees six of them.
    for number in range(12):
        with several.only(mail[number % 2], mail):
            assert several.dict(f"wrong number {number}", CAROL) != "O"
    for pid in mail:
        with several.only(pid, mail):
            assert several.dict(right, CAROL) != "O", "the right one has to wait, at each process"
