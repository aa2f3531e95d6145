"""A full disk, and a disk that fails now and then, under a running web process."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.scenarios.mail.site import listens_at, wait_until
from tests.scenarios.served.processes import Served
from tests.scenarios.served.visitor import Visitor
from tests.scenarios.small_disk import mounted

pytestmark = [pytest.mark.scenario, pytest.mark.django_db(transaction=True)]

FAULTS = ("rw/pread64", "rw/pwrite64", "rw/pwrite", "sync/fsync", "sync/fdatasync")
COUNT = """
import django; django.setup()
from watchword.signin.models import SignInAttempt
print(SignInAttempt.objects.exclude(evidence=[]).count())
"""
SETUP = """
import django; django.setup()
from django.utils import timezone
from watchword.directory import actions
from watchword.signin.actions import reset_password
from watchword.directory.roles import Role
now = timezone.now()
organisation = actions.create_organisation("Disk", domains=["disk.example"], region="DE", by=None, now=now)
for name in ("root", "carol"):
    roles = (Role.GLOBAL_ADMINISTRATOR,) if name == "root" else ()
    about = {"sign_in_name": name + "@disk.example", "display_name": name, "roles": roles}
    user = actions.create_person(organisation, **about, by=None, now=now)
    print(reset_password(user, by=None, now=now).secret)
"""


class Alone(Served):
    """One web process with a database of its own, in a folder whose disk the test breaks."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.environment["WATCHWORD_DATABASE_URL"] = f"sqlite://{folder}/watchword.sqlite3"

    def prepare(self) -> str:
        """Create the database and return the password of an administrator."""
        environment = {**self.environment, "DJANGO_SETTINGS_MODULE": "watchword.config.settings"}
        words = [sys.executable, "-m", "watchword.cli.main", "migrate", "--verbosity", "0"]
        subprocess.run(words, env=environment, check=True, timeout=60)
        made = subprocess.run(
            [sys.executable, "-c", SETUP], env=environment, check=True, capture_output=True, text=True, timeout=60
        )
        return made.stdout.split()[0]

    def verify(self) -> str:
        """Return the output of ``watchword verify``."""
        words = [sys.executable, "-m", "watchword.cli.main", "verify"]
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout + done.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield the folder of a disk of twelve megabytes."""
    with mounted(tmp_path / "disk", "12m") as folder:
        yield folder


def test_flt_09_a_full_disk_is_said_plainly_and_heals_without_a_restart(
    small_disk: Path, transactional_db: None
) -> None:
    """On a full disk every sign-in fails cleanly; with free space again everything works without a restart."""
    served = Alone(small_disk)
    password = served.prepare()
    served.start("web1")
    try:
        served.wait("web1")
        filler = small_disk / "filler"
        with filler.open("wb") as file, suppress(OSError):
            while True:
                file.write(b"\0" * 4096)
                file.flush()
        seen = set()
        visitor = Visitor(served.ports["web1"])
        visitor.get("/sign-in/")
        # The journal has some free space left, which is used up soon.
        for _ in range(3000):
            page = visitor.post("/sign-in/", name="root@disk.example")
            seen.add(page.status)
            if page.status == 503:
                assert "Traceback" not in page.text
                assert "watchword-attempt" not in page.new_cookies
                break
        assert 503 in seen, seen
        filler.unlink()
        visitor = Visitor(served.ports["web1"])
        assert visitor.begin("root@disk.example", password).status == 302
        assert "Everything is as it must be." in served.verify()
    finally:
        served.stop_all()


def _start_in_spite_of_faults(served: Alone) -> None:
    """Start the web process, and again where a fault hit its start, of which it says so in one sentence."""
    for _ in range(10):
        served.start("web1")
        wait_until(lambda: listens_at(served.ports["web1"]) or not served.is_running("web1"))
        if served.is_running("web1"):
            served.wait("web1")
            return
        said = served.log_of("web1")
        assert "the database can't be used: " in said, said
        assert "Traceback" not in said, said
    raise AssertionError("ten starts were hit by a fault")


def test_flt_10_a_disk_that_fails_now_and_then_loses_nothing_acknowledged(
    tmp_path: Path, transactional_db: None
) -> None:
    """One read, write or sync in a hundred fails: every acknowledged sign-in is stored, and the data are consistent."""
    if shutil.which("fiu-run") is None:
        pytest.skip("fiu-run is not installed")
    served = Alone(tmp_path)
    password = served.prepare()
    faults = ["fiu-run", "-x"]
    for name in FAULTS:
        faults += ["-c", f"enable_random name=posix/io/{name},probability=0.01"]
    served.prefix = faults
    acknowledged, failed = 0, 0
    try:
        _start_in_spite_of_faults(served)
        for _ in range(60):
            visitor = Visitor(served.ports["web1"])
            try:
                page = visitor.begin("root@disk.example", password)
            except (OSError, HTTPException):
                failed += 1
                continue
            assert page.status in {200, 302, 500, 503}, page.status
            assert "Traceback" not in page.text
            failed += page.status >= 500
            acknowledged += page.location == "/methods/add/password/"
    finally:
        served.stop_all()
    assert acknowledged > 0
    assert "Everything is as it must be." in served.verify()
    count = subprocess.run(
        [sys.executable, "-c", COUNT],
        env={**served.environment, "DJANGO_SETTINGS_MODULE": "watchword.config.settings"},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert int(count.stdout) >= acknowledged
