"""A mail site on loopback: real Dovecot and Postfix in a temporary folder, and the mail door as a process of its own.

The mail servers' configuration for Watchword is exactly what `watchword mail-config` wrote; the rest is what every site
configures itself: ports, folders, users, the place of mail.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection

from tests.environment import KEYS
from tests.ports import free_ports
from tests.scenarios.mail.server_files import DOVECOT_REST, POSTFIX_REST, POSTFIX_SERVICES
from tests.scenarios.mail.servers import DOVECOT, LDA, POSTFIX, Missing, Servers, servers

PATIENCE_SECONDS = 30


class Program:
    """A process that is started, awaited and stopped by its id."""

    def __init__(
        self,
        words: list[str],
        log: Path,
        *,
        environment: dict[str, str] | None = None,
        ending: list[str] | None = None,
    ) -> None:
        self.log = log
        self._ending = ending
        self._words = words
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, is_ready: Callable[[], bool]) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._words, stdout=log, stderr=log, env=self._environment)
        try:
            wait_until(lambda: is_ready() or not self.is_running)
            assert self.is_running, f"{self._words[0]} ended:\n{self.log.read_text()}"
        except BaseException:
            self.stop()
            raise

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> int:
        assert self._process is not None
        if self.is_running and self._ending is not None:
            # The started program is a script around the real server, and only its own stop command ends that server.
            subprocess.run(self._ending, check=True, capture_output=True, timeout=PATIENCE_SECONDS)
        elif self.is_running:
            self._process.terminate()
        try:
            return self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise


class Site:
    """The processes of one site, with its ports, folders and sockets."""

    def __init__(self, folder: Path, database_url: str, programs: Servers) -> None:
        self.folder = folder
        self.programs = programs
        self.imap, self.pop3, self.smtp, self.submission, self.sieve, self.relay = free_ports(6)
        self._postfix_user, group = programs.postfix_ids()
        self.doveadm = self.command("doveadm", "-c", f"{folder}/dovecot/dovecot.conf")
        self.sockets = folder / "sockets"
        self.environment = {
            "PATH": os.environ["PATH"],
            "WATCHWORD_HOME": str(folder / "home"),
            "WATCHWORD_KEYS": KEYS,
            "WATCHWORD_DATABASE_URL": database_url,
            "WATCHWORD_PUBLIC_URL": "https://watchword.harbour.example",
            "WATCHWORD_DEFAULT_DOMAIN": "harbour.example",
            "WATCHWORD_TRUSTED_PROXIES": "127.0.0.1",
            "WATCHWORD_MAIL_SOCKET_DIRECTORY": str(self.sockets),
            "WATCHWORD_MAIL_SOCKET_OWNER": f":{group}",
            "WATCHWORD_MAIL_KICK": f"{shlex.join([*self.doveadm, 'kick', '--'])} {{user}}",
        }
        self.door = Program(self._watchword("serve", "mail"), folder / "door.log", environment=self.environment)
        self.dovecot = Program(
            self.command(DOVECOT, "-F", "-c", str(folder / "dovecot/dovecot.conf")), folder / "dovecot.out"
        )
        postfix = self.command(POSTFIX, "-c", str(folder / "postfix/etc"))
        self.postfix = Program([*postfix, "start-fg"], folder / "postfix.log", ending=[*postfix, "stop"])
        self._started: list[Program] = []

    def command(self, *words: str) -> list[str]:
        """Return the command that runs a program of this site's mail servers."""
        return self.programs.command(self.folder, *words)

    def start(self) -> None:
        self.programs.prepare(self.folder)
        self.write_configuration()
        self.open_door()
        self._start(self.dovecot, lambda: listens(self.imap) and listens(self.pop3))
        self._start(self.postfix, lambda: listens(self.smtp))

    def stop(self) -> None:
        for program in reversed(self._started):
            program.stop()
        self._started.clear()
        self.programs.clear(self.folder)

    def open_door(self) -> None:
        if not self.door.is_running:
            self._start(
                self.door, lambda: all(answers(self.sockets / name) for name in ("dict", "auth", "socketmap", "policy"))
            )

    def close_door(self) -> None:
        assert self.door.stop() == 0
        self._started.remove(self.door)
        assert list(self.sockets.iterdir()) == []

    @property
    def logs(self) -> str:
        files = [self.folder / name for name in ("door.log", "dovecot.log", "dovecot.out", "postfix.log")]
        return "\n".join(file.read_text(errors="replace") for file in files if file.exists())

    def maildir(self, name: str) -> Path:
        return self.folder / "mail/harbour.example" / name / "Maildir"

    def _start(self, program: Program, is_ready: Callable[[], bool]) -> None:
        program.start(is_ready)
        self._started.append(program)

    def _watchword(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "watchword.cli.main", *words]

    def write_mail_config(self, server: str, folder: Path, *options: str) -> None:
        """Run `watchword mail-config` to write a mail server's configuration."""
        words = self._watchword("mail-config", server, "--folder", str(folder), "--write", *options)
        subprocess.run(words, env=self.environment, check=True, capture_output=True)

    def write_configuration(self) -> None:
        for name in ("home", "dovecot/run", "dovecot/state", "mail", "postfix/etc", "postfix/spool", "postfix/data"):
            (self.folder / name).mkdir(parents=True)
        shutil.chown(self.folder / "mail", "nobody", "nogroup")
        shutil.chown(self.folder / "postfix/data", self._postfix_user)
        # Dovecot's delivery agent writes to the same log, as the mail user.
        (self.folder / "dovecot.log").touch()
        (self.folder / "dovecot.log").chmod(0o666)
        values = {"folder": self.folder, "imap": self.imap, "pop3": self.pop3, "smtp": self.smtp, "lda": LDA}
        values |= {"submission": self.submission, "sieve": self.sieve, "relay": self.relay}
        self.write_mail_config("dovecot", self.folder / "dovecot", "--version", self.programs.dovecot)
        self.write_mail_config("postfix", self.folder / "postfix")
        (self.folder / "dovecot/dovecot.conf").write_text(DOVECOT_REST[self.programs.dovecot].format(**values))
        printed = (self.folder / "postfix/watchword-main.cf").read_text()
        (self.folder / "postfix/etc/main.cf").write_text(printed + POSTFIX_REST.format(**values))
        (self.folder / "postfix/etc/master.cf").write_text(POSTFIX_SERVICES.format(**values))


def database_url() -> str:
    """Return the URL of the database that the tests write to, for another process."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite://{settings['NAME']}"
    parts = urlsplit(os.environ["WATCHWORD_DATABASE_URL"])
    return urlunsplit(parts._replace(path=f"/{settings['NAME']}"))


@contextmanager
def started[S: Site](kind: type[S], dovecot: str) -> Iterator[S]:
    """Run a mail site with this version of Dovecot in a folder of its own; skip the test where this machine can't."""
    programs = servers(dovecot)
    if isinstance(programs, Missing):
        pytest.skip(str(programs))
    # Not pytest's own folder, which the mail servers' users could not traverse.
    folder = Path(tempfile.mkdtemp(prefix="watchword-site-"))
    folder.chmod(0o755)
    site = kind(folder, database_url(), programs)
    try:
        site.start()
        yield site
    finally:
        site.stop()
        shutil.rmtree(folder)


def wait_until(is_so: Callable[[], bool], *, patience: float = PATIENCE_SECONDS) -> float:
    """Wait until a condition holds and return the seconds that took; fail after ``patience`` seconds."""
    begin = time.monotonic()
    while not is_so():
        assert time.monotonic() - begin < patience, "it did not happen"
        time.sleep(0.01)
    return time.monotonic() - begin


def listens(port: int) -> bool:
    """Return whether a server listens on a local port and sends its greeting."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            return bool(connection.recv(1))
    except OSError:
        return False


def listens_at(port: int, address: str = "127.0.0.1") -> bool:
    """Return whether a server accepts connections on a port, whether it greets first or not."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


def answers(path: Path) -> bool:
    """Return whether a server accepts connections at a Unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
