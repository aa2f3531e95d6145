"""Each command on the pages about backup, upgrade and lost keys does what its page says, typed as it stands there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.commands import ROOT, environment_of, run_program, succeed
from tests.postgres import Cluster
from tests.scenarios.recovery.conftest import WORLD

pytestmark = pytest.mark.scenario

PAGES = ROOT / "docs" / "operating"
ARCHIVE = "watchword-2026-11-28T02-00-00Z.tar.gz"


def commands_of(page: str) -> list[str]:
    """Return the indented lines of a page: its commands, in their order."""
    lines = (PAGES / page).read_text().splitlines()
    return [line.strip() for line in lines if re.match(r" {4,}\S", line)]


class Machine:
    """A folder in place of the root of a machine: the folders that the pages name are in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "var/lib/watchword"
        self.variables: dict[str, str] = {}
        for folder in ("var/lib/watchword", "var/backups/watchword", "mnt/elsewhere", "bin", "run/postgresql", "home"):
            (root / folder).mkdir(parents=True)
        program = root / "bin" / "watchword"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m watchword.cli.main "$@"\n')
        program.chmod(0o755)

    def type(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a line in a shell; the machine's folders stand for those of the same name."""
        line = re.sub(r"(?<![\w.])/(var/lib|var/backups|mnt|run)/", rf"{self.root}/\1/", command)
        environment = environment_of(self.home, self.variables)
        environment |= {"PATH": f"{self.root}/bin:{os.environ['PATH']}", "HOME": str(self.root / "home")}
        return subprocess.run(
            ["bash", "-c", line], env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    def succeed(self, command: str) -> str:
        done = self.type(command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def install(self) -> None:
        succeed("keys", "create", home=self.home, **self.variables)
        succeed("migrate", "--verbosity", "0", home=self.home, **self.variables)
        run_program(WORLD, home=self.home, **self.variables)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a machine with an installation on SQLite."""
    if shutil.which("age-keygen") is None:
        pytest.skip("age is not installed (Debian's package: age)")
    machine = Machine(tmp_path / "machine")
    machine.install()
    return machine


def test_the_page_about_backups_leads_to_a_restored_machine(machine: Machine) -> None:
    typed = commands_of("backup.md")
    assert [command.split()[0] for command in typed] == ["age-keygen", *["watchword"] * 5]
    keygen, backup, drill, access_list, restore, verify = typed
    recipient = re.search(r"age1\w+", machine.type(keygen).stderr)
    assert recipient is not None
    machine.succeed(re.sub(r"age1\w+", recipient[0], backup))
    assert "The drill succeeded" in machine.succeed(drill)
    machine.succeed(access_list)
    (made,) = (machine.root / "var/backups/watchword").glob("*.tar.gz")
    made.rename(made.with_name(ARCHIVE))
    made.with_name(f"{made.name}.keys.age").rename(machine.root / "mnt/elsewhere" / f"{ARCHIVE}.keys.age")
    shutil.rmtree(machine.home)
    assert "By the access list of" in machine.succeed(restore)
    assert "Everything is as it must be." in machine.succeed(verify)


def test_the_page_about_lost_keys_leads_to_a_ring_again(machine: Machine) -> None:
    opened, private, check, look, give_up = commands_of("lost-keys.md")
    machine.succeed("age-keygen -o ~/watchword-identity")
    machine.succeed(
        f'watchword backup /var/backups/watchword/{ARCHIVE} --keys-to "$(age-keygen -y ~/watchword-identity)" '
        f"--keys-file /mnt/elsewhere/{ARCHIVE}.keys.age"
    )
    (machine.home / "keys").unlink()
    for command in (opened, private, check):
        machine.succeed(command)
    (machine.home / "keys").unlink()
    assert machine.type(look).returncode == 1
    assert "must register a telephone again" in machine.succeed(give_up)
    machine.succeed(check)


def test_the_page_about_upgrades_leads_to_postgresql(machine: Machine, cluster: Cluster) -> None:
    plan, upgrade, check, reload, move, export, verify = commands_of("upgrade.md")
    # It needs systemd; what it does under load is in tests/scenarios/served/test_zero_downtime.py.
    assert reload == "sudo systemctl reload watchword-web@1"
    run_program(
        "from django.core.management import call_command; call_command('migrate', 'audit', '0001')", home=machine.home
    )
    assert "The previous release may go on serving meanwhile." in machine.succeed(plan)
    machine.succeed(upgrade)
    machine.succeed(check)
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE ROLE watchword LOGIN")
        connection.execute("CREATE DATABASE watchword OWNER watchword")
    assert "/run/postgresql" in move
    assert "/run/postgresql" in export
    there = str(cluster.folder)
    machine.succeed(move.replace("/run/postgresql", there))
    machine.succeed(f"{export.replace('/run/postgresql', there)}\n{verify}")
