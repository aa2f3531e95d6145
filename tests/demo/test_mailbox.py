"""The embedded mailbox through its real processes: sign-ins of mail programs, failures, and ended access."""

from __future__ import annotations

import imaplib
import os
import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.demo import Demo, running_demo
from watchword.demo.mailbox_store import folder_of

pytestmark = pytest.mark.scenario

ALICE = "alice@harbour.example"
BOB = "bob@harbour.example"
WITHIN_SECONDS = 10
END_ACCESS = """
import django
django.setup()
from django.utils import timezone
from watchword.directory.actions import find_by_name
from watchword.signin import actions
actions.delete_app_passwords(find_by_name("alice@harbour.example"), None, by=None, now=timezone.now())
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("odd hömé")


@pytest.fixture(scope="module")
def demo(home: Path) -> Iterator[Demo]:
    with running_demo(home) as running:
        yield running


@pytest.fixture
def program(demo: Demo) -> Iterator[imaplib.IMAP4]:
    program = imaplib.IMAP4("127.0.0.1", demo.imap_port, timeout=20)
    yield program
    program.shutdown()


def subjects(program: imaplib.IMAP4) -> str:
    program.select("INBOX", readonly=True)
    _status, found = program.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    return repr(found)


def send(demo: Demo, name: str, password: str, to: str, subject: str) -> None:
    with smtplib.SMTP("127.0.0.1", demo.submission_port, timeout=20) as server:
        server.login(name, password)
        server.sendmail(name, [to], f"From: {name}\r\nTo: {to}\r\nSubject: {subject}\r\n\r\nhello\r\n")


def test_curl_lists_the_inbox(demo: Demo) -> None:
    words = ["curl", "--silent", "--url", f"imap://127.0.0.1:{demo.imap_port}/INBOX?ALL"]
    words += ["--user", f"{ALICE}:{demo.alices_app_password}"]
    assert subprocess.run(words, capture_output=True, timeout=30, check=True).stdout.startswith(b"* SEARCH 1")


def test_a_program_may_authenticate_plainly_too(demo: Demo, program: imaplib.IMAP4) -> None:
    program.authenticate("PLAIN", lambda _challenge: f"\0{ALICE}\0{demo.alices_app_password}".encode())
    assert "Welcome to the demo" in subjects(program)


def test_a_mail_that_was_sent_is_in_the_other_persons_mailbox_alone(
    demo: Demo, home: Path, program: imaplib.IMAP4
) -> None:
    send(demo, ALICE, demo.alices_app_password, BOB, "From Alice with love")
    others = [path.read_bytes() for path in (home / "mailboxes" / folder_of(BOB)).rglob("*") if path.is_file()]
    assert any(b"Subject: From Alice with love" in mail for mail in others)
    program.login(ALICE, demo.alices_app_password)
    assert "From Alice with love" not in subjects(program)
    send(demo, ALICE, demo.alices_app_password, ALICE, "From Alice to herself")
    program.select("INBOX")
    assert "From Alice to herself" in subjects(program)


def test_a_connection_that_waits_for_its_program_stays_open(demo: Demo, program: imaplib.IMAP4) -> None:
    for _ in range(30):
        other = imaplib.IMAP4("127.0.0.1", demo.imap_port, timeout=20)
        other.login(ALICE, demo.alices_app_password)
        other.logout()
    program.login(ALICE, demo.alices_app_password)
    assert "Welcome to the demo" in subjects(program)


def test_an_initial_password_opens_no_mailbox(demo: Demo, program: imaplib.IMAP4) -> None:
    with pytest.raises(imaplib.IMAP4.error):
        program.login(BOB, demo.passwords["bob"])


def test_nobody_sends_in_another_persons_name(demo: Demo) -> None:
    with smtplib.SMTP("127.0.0.1", demo.submission_port, timeout=20) as server:
        server.login(ALICE, demo.alices_app_password)
        assert server.docmd(f"MAIL FROM:<{BOB}>")[0] == 553
        assert server.docmd("MAIL FROM:<mallory@elsewhere.example>")[0] == 553
        assert server.docmd("MAIL FROM:<Alice@HARBOUR.example>")[0] == 250


def test_a_door_that_is_silent_means_later_and_never_a_wrong_password(tmp_path: Path) -> None:
    """The socket file of the mail door is removed while the mailbox runs."""
    with running_demo(tmp_path) as running:
        (tmp_path / "mail" / "auth").unlink()
        program = imaplib.IMAP4("127.0.0.1", running.imap_port, timeout=20)
        with pytest.raises(imaplib.IMAP4.error, match="later") as refused:
            program.login(ALICE, running.alices_app_password)
        assert "AUTHENTICATIONFAILED" not in str(refused.value)
        program.shutdown()
        with smtplib.SMTP("127.0.0.1", running.submission_port, timeout=20) as server:
            with pytest.raises(smtplib.SMTPAuthenticationError) as delayed:
                server.login(ALICE, running.alices_app_password)
            assert delayed.value.smtp_code == 454


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_an_end_while_it_starts_leaves_no_process_behind(tmp_path: Path, number: signal.Signals) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WATCHWORD_")}
    process = subprocess.Popen(
        [sys.executable, "-c", _HALF_STARTED, str(tmp_path / "children")],
        env=environment,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"started\n"
    children = [int(word) for word in (tmp_path / "children").read_text().split()]
    process.send_signal(number)
    assert process.wait(30) == 0
    process.stdout.close()
    assert len(children) == 2
    for pid in children:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


_HALF_STARTED = """
import signal, sys
from pathlib import Path
from watchword.demo.processes import DemoProcess, Processes
# Whoever runs the tests by nohup has a hang-up ignored, which the demo respects.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
sleeper = [sys.executable, "-c", "import time; time.sleep(120)"]
children = [DemoProcess("one", sleeper), DemoProcess("two", sleeper)]
processes = Processes(children, {})
processes.start()
Path(sys.argv[1]).write_text(" ".join(str(child.process.pid) for child in children))
print("started", flush=True)
ready = processes.wait_until_ready([], ["/nobody/makes/this"])
processes.stop()
sys.exit(1 if ready else 0)
"""


def test_open_connections_end_when_access_ends(tmp_path: Path) -> None:
    with running_demo(tmp_path) as running:
        open_one = imaplib.IMAP4("127.0.0.1", running.imap_port, timeout=WITHIN_SECONDS)
        open_one.login(ALICE, running.alices_app_password)
        open_one.select("INBOX")
        _run_beside(tmp_path, END_ACCESS)
        # The server speaks first, by closing the session: the program sent no command.
        said = b"".join(iter(lambda: open_one.sock.recv(4096), b""))
        assert said.startswith(b"* BYE")
        open_one.shutdown()
        again = imaplib.IMAP4("127.0.0.1", running.imap_port, timeout=WITHIN_SECONDS)
        with pytest.raises(imaplib.IMAP4.error):
            again.login(ALICE, running.alices_app_password)
        again.shutdown()


def _run_beside(home: Path, program: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WATCHWORD_")}
    environment |= {
        "WATCHWORD_DEMO": "yes",
        "WATCHWORD_HOME": str(home),
        "DJANGO_SETTINGS_MODULE": "watchword.config.settings",
    }
    subprocess.run([sys.executable, "-c", program], env=environment, timeout=60, check=True)
