"""The demo, started as a newcomer starts it: its card, its mailbox, its shutdown, its second start."""

from __future__ import annotations

import imaplib
import os
import re
import shlex
import signal
import smtplib
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.demo import Demo, running_demo
from tests.browser.player import open_mailbox
from tests.ports import free_ports

pytestmark = pytest.mark.scenario


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def demo(home: Path) -> Iterator[Demo]:
    with running_demo(home) as running:
        yield running


def children_of(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(each) for each in found]


def is_alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_the_line_of_the_card_reads_mail(demo: Demo) -> None:
    line = re.search(r"curl --silent .*", demo.card)
    assert line is not None
    mail = subprocess.run(shlex.split(line[0]), capture_output=True, text=True, timeout=30, check=True).stdout
    assert "Subject: Welcome to the demo" in mail


def test_the_own_password_is_refused_by_mail_for_the_enforced(demo: Demo) -> None:
    program = imaplib.IMAP4("127.0.0.1", demo.imap_port)
    with pytest.raises(imaplib.IMAP4.error):
        program.login("alice@harbour.example", demo.passwords["alice"])
    program.shutdown()


def test_submission_takes_mail_for_the_demo_only_and_only_after_a_login(demo: Demo) -> None:
    with smtplib.SMTP("127.0.0.1", demo.submission_port) as program:
        program.ehlo()
        assert program.docmd("MAIL FROM:<alice@harbour.example>")[0] == 530
        with pytest.raises(smtplib.SMTPAuthenticationError):
            program.login("alice@harbour.example", "wrong")
        program.login("alice@harbour.example", demo.alices_app_password.upper().replace(" ", "-"))
        assert program.docmd("MAIL FROM:<alice@harbour.example>")[0] == 250
        assert program.docmd("RCPT TO:<stranger@elsewhere.example>")[0] == 550
        assert program.docmd("RCPT TO:<BOB@harbour.example>")[0] == 250


def test_an_open_connection_is_closed_when_access_ends(demo: Demo, home: Path) -> None:
    program = imaplib.IMAP4("127.0.0.1", demo.imap_port)
    program.login("alice@harbour.example", demo.alices_app_password)
    program.select("INBOX")
    ended = (
        "import django; django.setup()\n"
        "from django.utils import timezone\n"
        "from watchword.directory.actions import find_by_name\n"
        "from watchword.signin.actions import sign_out_everywhere\n"
        "sign_out_everywhere(find_by_name('alice@harbour.example'), by=None, now=timezone.now())\n"
    )
    environment = {
        "WATCHWORD_DEMO": "yes",
        "WATCHWORD_HOME": str(home),
        "DJANGO_SETTINGS_MODULE": "watchword.config.settings",
    }
    subprocess.run([sys.executable, "-c", ended], env={**_plain_environment(), **environment}, timeout=60, check=True)
    program.sock.settimeout(5)
    received = program.sock.recv(1000)
    while received:
        received = program.sock.recv(1000)
    program.shutdown()


def test_what_the_demo_keeps_is_its_owners_alone(demo: Demo, home: Path) -> None:
    assert demo.process.poll() is None
    for name in ("demo-card.json", "keys"):
        assert stat.S_IMODE((home / name).stat().st_mode) & 0o077 == 0


def test_a_busy_port_is_named_before_anything_starts(demo: Demo, tmp_path: Path) -> None:
    web, imap = free_ports(2)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        words = ["demo", f"--web-port={web}", f"--imap-port={imap}", f"--submission-port={port}"]
        done = subprocess.run(
            [sys.executable, "-m", "watchword.cli.main", *words],
            env={**_plain_environment(), "WATCHWORD_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert f"port {port} (submission) is in use; choose another: make demo SUBMISSION_PORT={port + 1}" in done.stderr
    assert not (tmp_path / "demo-card.json").exists()


def test_ctrl_c_ends_everything_and_the_next_start_goes_on(tmp_path: Path) -> None:
    with running_demo(tmp_path, WATCHWORD_LOG_LEVEL="INFO") as first:
        children = children_of(first.process.pid)
        assert len(children) >= 3
        first.process.send_signal(signal.SIGINT)
        assert first.process.wait(30) == 0
        assert first.process.stdout is not None
        log = first.card + first.process.stdout.read()
        assert f": listening on 127.0.0.1 port {first.imap_port} (IMAP)" in log
        assert f": listening on 127.0.0.1 port {first.submission_port} (SMTP)" in log
        assert f": listening on {first.web}" in log
        assert f": listening on {tmp_path}/mail/auth" in log
    assert not any(is_alive(pid) for pid in children)
    with running_demo(tmp_path) as second:
        assert second.passwords == first.passwords
        assert second.alices_app_password == first.alices_app_password
        program = imaplib.IMAP4("127.0.0.1", second.imap_port)
        program.login("alice@harbour.example", first.alices_app_password)
        program.logout()


def test_beginning_anew_may_be_the_first_command_of_a_newcomer(tmp_path: Path) -> None:
    home = tmp_path / "new"
    with running_demo(home, "--reset") as first:
        open_mailbox(first, "alice", first.alices_app_password).logout()
    with running_demo(home, "--reset") as second:
        assert second.passwords != first.passwords


def test_a_process_that_dies_ends_the_demo_and_is_named(tmp_path: Path) -> None:
    with running_demo(tmp_path) as running:
        children = children_of(running.process.pid)
        os.kill(children[1], signal.SIGKILL)
        assert running.process.wait(30) == 1
        assert running.process.stdout is not None
        assert "the mail door ended by itself" in running.process.stdout.read()
    assert not any(is_alive(pid) for pid in children)


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("WATCHWORD_", "DJANGO_"))}
