"""A backup that is made while others write holds all that was acknowledged before it, and restores whole."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import PREAMBLE, environment_of, run_program, succeed
from tests.scenarios.recovery.conftest import Site

pytestmark = pytest.mark.scenario

WRITERS = 3
BACKUPS = 2
WRITER = """
import sys
from tests.world import ORIGIN
from watchword.audit import hash_chain
from watchword.core.policy import Door
from watchword.directory.models import User
from watchword.signin import invitations, non_interactive
from watchword.signin.non_interactive import AuthRequest, Secret
carol = User.objects.get(sign_in_name="carol@harbour.example")
while True:
    now = timezone.now()
    asked = AuthRequest(Door.MAIL, "alice@harbour.example", Secret(sys.argv[1]), "imap", "198.51.100.9")
    assert non_interactive.check_many([asked], now=now)[0].allowed
    invitations.make(carol, now=now)
    hash_chain.seal(now=now)
    print("acknowledged", flush=True)
"""
COUNT = """
from watchword.audit.models import Event
from watchword.signin.models import Invitation
print(Event.objects.filter(kind="sign_in.allowed").count(), Invitation.objects.count())
"""


def test_a_backup_under_load_holds_what_was_acknowledged(site: Site, tmp_path: Path) -> None:
    logs = [tmp_path / f"writer{number}" for number in range(WRITERS)]
    writers = []
    for log in logs:
        with log.open("wb") as output:
            words = [sys.executable, "-c", PREAMBLE + WRITER, site.app_password]
            environment = environment_of(site.home, site.variables)
            writers.append(subprocess.Popen(words, env=environment, stdout=output, stderr=output))
    try:
        acknowledged = []
        for number in range(BACKUPS):
            before = written(logs)
            while written(logs) < before + 20 and all(writer.poll() is None for writer in writers):
                writers[0].poll()
            acknowledged.append(written(logs))
            succeed("backup", str(tmp_path / f"{number}.tar.gz"), home=site.home, **site.variables)
        assert [writer.poll() for writer in writers] == [None] * WRITERS, logs[0].read_text()[-2000:]
    finally:
        for writer in writers:
            writer.kill()
        for writer in writers:
            writer.wait()
    assert acknowledged[0] < acknowledged[1], "the load did nothing"
    for number in range(BACKUPS):
        home = tmp_path / f"restored{number}"
        home.mkdir()
        shutil.copy2(site.home / "keys", home)
        variables = site.databases.new()
        succeed("restore", str(tmp_path / f"{number}.tar.gz"), home=home, **variables)
        succeed("verify", home=home, **variables)
        logins, links = map(int, run_program(COUNT, home=home, **variables).split())
        assert min(logins, links) >= acknowledged[number]


def written(logs: list[Path]) -> int:
    """Return how many acts of the writers were acknowledged so far."""
    return sum(log.read_bytes().count(b"acknowledged") for log in logs)
