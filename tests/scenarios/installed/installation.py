"""Watchword as an operator installs it: hashed requirements and the wheel, in an environment of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from tests.ports import free_ports
from tests.scenarios.installed.builds import ROOT
from tests.scenarios.mail.site import listens_at, wait_until

ADMINISTRATOR = "root@example.org"
STARTING_SECONDS = 120
"""The first start compiles every module, and the demo creates its organisation, on a machine that may be busy."""


class Installation:
    """One environment with Watchword in it. ``prefix`` holds arguments before each program, such as those of chroot."""

    def __init__(self, environment: Path, home: Path, *, prefix: Sequence[str] = (), log: Path) -> None:
        self.environment = environment
        self.home = home
        self._prefix = tuple(prefix)
        self._log = log
        (self.port,) = free_ports(1)

    def with_home(self, name: str) -> Installation:
        """Return the same environment with another home beside this one."""
        return Installation(self.environment, self.home.with_name(name), prefix=self._prefix, log=self._log)

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `watchword` with arguments, from outside the tree, and return the completed process."""
        return self._run("watchword", *words, **variables)

    def python(self, program: str) -> str:
        """Run a program with the environment's Python and return its output."""
        done = self._run("python", "-c", program)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def running(self, *words: str, ports: Sequence[int]) -> Iterator[subprocess.Popen[bytes]]:
        """Start `watchword` with arguments, wait until all ports answer, and end it as Ctrl-C does."""
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                self._words("watchword", words), env=self._variables(), cwd="/", stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        try:
            wait_until(lambda: all(map(listens_at, ports)) or process.poll() is not None, patience=STARTING_SECONDS)
            assert process.poll() is None, self.said
            yield process
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0, self.said
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        wait_until(lambda: not any(map(listens_at, ports)))

    @property
    def said(self) -> str:
        """Return the output of the process that ran last."""
        return self._log.read_text(errors="replace")

    def _run(self, program: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._words(program, words), env=self._variables() | variables, cwd="/", capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip

    def _words(self, program: str, words: Sequence[str]) -> list[str]:
        return [*self._prefix, str(self.environment / "bin" / program), *words]

    def _variables(self) -> dict[str, str]:
        return {
            "PATH": f"{self.environment}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.home.parent),
            "WATCHWORD_HOME": str(self.home),
            "WATCHWORD_PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "WATCHWORD_LISTEN": f"127.0.0.1:{self.port}",
            "WATCHWORD_MAIL_KICK": "none",
        }


def make_environment(folder: Path, wheel: Path, *, extras: Sequence[str] = (), python: str = sys.executable) -> Path:
    """Create an environment in a folder outside the tree, from the requirements with hashes and the wheel alone."""
    assert ROOT not in folder.parents
    pip = [sys.executable, "-m", "pip", "--python", str(folder)]
    # The files list every dependency, so pip resolves none; `pip check` would report a missing one.
    install = [*pip, "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile"]
    for words in (
        [python, "-m", "venv", "--without-pip", str(folder)],
        [*install, "--require-hashes", "--only-binary", ":all:", *requirements(extras)],
        [*install, "--no-index", str(wheel)],
        [*pip, "check"],
    ):
        done = subprocess.run(words, cwd="/", capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


def requirements(extras: Sequence[str]) -> list[str]:
    """Return pip's arguments for the requirements files of the base and of some extras."""
    files = ["requirements.txt", *(f"requirements-{extra}.txt" for extra in extras)]
    return [word for file in files for word in ("-r", str(ROOT / file))]


def first_steps(installation: Installation) -> None:
    """Take the README's first steps, from creating the key ring to a page and an administrator's link."""
    created = installation.run("keys", "create")
    assert (created.returncode, created.stderr) == (0, "")
    assert installation.run("keys", "create").returncode == 1, "a key ring is never overwritten"
    migrated = installation.run("migrate")
    assert migrated.returncode == 0, migrated.stderr
    assert "Applying audit.0001_initial" in migrated.stdout
    made = installation.run("createadmin", ADMINISTRATOR, "--region", "US")
    assert made.returncode == 0, made.stderr
    (link,) = [line.strip() for line in made.stdout.splitlines() if "/invitation/" in line]
    checked = installation.run("check")
    assert checked.returncode == 0, checked.stderr
    with installation.running("serve", "web", ports=[installation.port]):
        assert "Sign in" in page(installation.port, "/sign-in/")
        address = link.removeprefix(f"http://127.0.0.1:{installation.port}").partition("#")[0]
        assert "Code from the message" in page(installation.port, address)
    assert "Traceback" not in installation.said


def play_demo(installation: Installation) -> None:
    """Start the demo, look at its sign-in page, and end it."""
    web, imap, submission = ports = free_ports(3)
    words = ["--web-port", str(web), "--imap-port", str(imap), "--submission-port", str(submission)]
    with installation.running("demo", *words, ports=ports):
        assert "Sign in" in page(web, "/sign-in/")
        wait_until(lambda: "alice@harbour.example" in installation.said)
    assert "The demo ends." in installation.said
    assert "Traceback" not in installation.said


def page(port: int, path: str) -> str:
    """Return the text of a page of the web door."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        content = response.read().decode()
        assert response.status == 200, f"{path}: {response.status}"
        return content
    finally:
        connection.close()
