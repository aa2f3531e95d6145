"""The units of ``deploy/systemd`` under systemd itself: they start, come back, reload under load, and are confined."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.left_out import NO_PACKAGE_BRINGS_IT
from tests.scenarios.debian_tree import NotHere
from tests.scenarios.installed import debian
from tests.scenarios.installed.boot import Machine, booted
from tests.scenarios.installed.builds import ROOT, Release

pytestmark = pytest.mark.install

UNITS = ROOT / "deploy" / "systemd"
REQUESTS = int(os.environ.get("TEST_REQUESTS", "10000"))
SERVICES = ["watchword-web@1", "watchword-mail@1", "watchword-worker"]
SOCKETS = [path.name for path in UNITS.glob("*.socket")]
MAIL_SOCKETS = ["auth", "dict", "policy", "socketmap"]

_LOAD = """
import collections, http.client, json, sys, threading
least, results, lock, told = int(sys.argv[1]), collections.Counter(), threading.Lock(), threading.Event()
headers = {"Host": "watchword.example.org", "X-Forwarded-Proto": "https", "Connection": "close"}
def ask():
    while not told.is_set() or sum(results.values()) < least:
        connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=60)
        try:
            connection.request("GET", "/static/ui/watchword.css", headers=headers)
            response = connection.getresponse()
            response.read()
            result = str(response.status)
        except Exception as error:
            result = type(error).__name__
        connection.close()
        with lock:
            results[result] += 1
threads = [threading.Thread(target=ask) for _ in range(6)]
[thread.start() for thread in threads]
sys.stdin.read()
told.set()
[thread.join() for thread in threads]
print(json.dumps(results))
"""
"""Requests without a pause, until its standard input ends, and at least as many as its argument says."""

_DOVEADM = """#!/bin/sh
echo "$(id -u) $(grep CapBnd /proc/self/status | tr -d '\\t') $*" >> /tmp/kicks
"""

_ASK = """
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect("/run/watchword-kick.sock")
connection.sendall(sys.argv[1].encode() + b"\\n")
print(connection.recv(1000).decode(), end="")
"""


@pytest.fixture(scope="module")
def machine(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Yield a machine on which every process of Watchword runs, set up by what docs/operating/systemd.md says."""
    folder = tmp_path_factory.mktemp("machine")
    shared = folder / "shared"
    debian.fetch(shared / "wheels")
    shutil.copy(release.wheel, shared)
    shutil.copytree(UNITS, shared / "systemd")
    try:
        with booted(folder, shared=shared) as one:
            install(one, release.wheel.name)
            yield one
    except NotHere as reason:
        pytest.skip(f"{NO_PACKAGE_BRINGS_IT}a machine with systemd: {reason}")


def install(machine: Machine, wheel: str) -> None:
    machine.run("python3", "-m", "venv", "/usr/lib/watchword")
    pip = ["/usr/lib/watchword/bin/pip", "install", "--quiet", "--no-index", "--find-links", "/srv/shared/wheels"]
    machine.run(*pip, f"/srv/shared/{wheel}")
    machine.run("ln", "-s", "/usr/lib/watchword/bin/watchword", "/usr/bin/watchword")
    for command in commands("install"):
        machine.run("sh", "-ec", command.replace("deploy/systemd", "/srv/shared/systemd"))
    machine.write("/usr/bin/doveadm", _DOVEADM, "755")
    machine.write("/etc/watchword/watchword.env", ENVIRONMENT)
    for command in commands("start"):
        machine.run("sh", "-ec", command)
    for name in SERVICES:
        machine.wait_for(name)


PAGE = ROOT / "docs" / "operating" / "systemd.md"


def commands(part: str) -> list[str]:
    """Return the commands of one part of the page, which stand between two marks."""
    text = PAGE.read_text().partition(f"<!-- {part} -->")[2].partition("<!-- end -->")[0]
    found = [line[4:] for line in text.splitlines() if line.startswith("    ")]
    assert found, part
    return [line.removeprefix("sudo ") for line in found]


ENVIRONMENT = "\n".join(commands("settings")) + "\n"


def test_every_process_says_when_it_is_ready_and_what_it_does(machine: Machine) -> None:
    assert machine.show("watchword.target", "ActiveState") == "active"
    said = {name: machine.show(name, "StatusText") for name in SERVICES}
    assert said == {
        "watchword-web@1": "serving at http://127.0.0.1:8000",
        "watchword-mail@1": "serving at 4 sockets",
        "watchword-worker": "working",
    }
    assert machine.show("watchword-phones", "ConditionResult") == "no", "there is no file of gateways"
    for name in SERVICES:
        assert machine.run("stat", "-c", "%U", f"/proc/{machine.show(name, 'MainPID')}") == "watchword\n"
    for name in MAIL_SOCKETS:
        assert machine.run("stat", "-c", "%U %G %a", f"/run/watchword/mail/{name}") == "watchword watchword-mail 660\n"
    assert machine.run("systemctl", "--failed", "--quiet", "--no-legend") == ""


def test_a_reload_and_a_restart_under_load_refuse_nothing_and_lose_nothing(machine: Machine) -> None:
    words = machine.words("python3", "-c", _LOAD, str(REQUESTS))
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/") as load:
        before = machine.show("watchword-web@1", "MainPID")
        machine.run("systemctl", "reload", "watchword-web@1")
        machine.wait(lambda: machine.show("watchword-web@1", "SubState") == "running")
        assert machine.show("watchword-web@1", "MainPID") == before
        machine.run("systemctl", "restart", "watchword-web@1")
        assert machine.show("watchword-web@1", "MainPID") != before
        machine.run("systemctl", "start", "watchword-web@2")
        machine.run("systemctl", "stop", "watchword-web@2")
        said, _ = load.communicate(timeout=300)
    results = json.loads(said)
    assert results.keys() == {"200"}, results
    assert results["200"] >= REQUESTS
    machine.wait_for("watchword-web@1")


def test_what_is_killed_comes_back_and_what_hangs_is_ended_by_the_watchdog(machine: Machine) -> None:
    machine.run("systemctl", "kill", "-s", "KILL", "watchword-worker")
    machine.wait(lambda: machine.show("watchword-worker", "NRestarts") == "1")
    machine.wait_for("watchword-worker")
    machine.write("/etc/systemd/system/watchword-mail@.service.d/test.conf", "[Service]\nWatchdogSec=2\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "watchword-mail@1")
    before = machine.show("watchword-mail@1", "MainPID")
    machine.run("sh", "-c", f"kill -STOP {before}")
    machine.wait(lambda: machine.show("watchword-mail@1", "MainPID") not in {before, "0"})
    machine.wait_for("watchword-mail@1")
    assert "Watchdog timeout" in machine.run("journalctl", "--no-pager")
    machine.run("rm", "-r", "/etc/systemd/system/watchword-mail@.service.d")
    machine.run("systemctl", "daemon-reload")


def test_the_other_commands_of_the_page_do_what_it_says(machine: Machine) -> None:
    for user in ("dovecot", "postfix"):
        machine.run("useradd", "--system", user)
    for part in ("group", "restart", "more"):
        for command in commands(part):
            machine.run("sh", "-ec", command)
    assert "watchword-mail" in machine.run("id", "-nG", "postfix")
    for name in ("watchword-web@1", "watchword-web@2", "watchword-mail@1", "watchword-mail@2"):
        machine.wait_for(name)
    machine.run("systemctl", "disable", "--now", "watchword-web@2", "watchword-mail@2")


def test_of_two_mail_processes_one_is_primary_and_the_other_takes_over(machine: Machine) -> None:
    machine.run("systemctl", "start", "watchword-mail@2")
    machine.run("systemctl", "kill", "-s", "KILL", "watchword-mail@1")

    def second_is_primary() -> bool:
        return "mail.primary" in machine.run("journalctl", "-u", "watchword-mail@2", "--no-pager")

    machine.wait(second_is_primary)
    machine.run("systemctl", "stop", "watchword-mail@2")
    machine.wait_for("watchword-mail@1")


def test_root_closes_connections_for_the_mail_door_and_for_nobody_else(machine: Machine) -> None:
    as_user = ["runuser", "-u", "watchword", "--", "python3", "-c", _ASK]
    assert machine.run(*as_user, "alice@harbour.example") == "closed\n"
    assert machine.run(*as_user, "*").startswith("failed not a valid mailbox name")
    other = machine.run("runuser", "-u", "nobody", "--", "python3", "-c", _ASK, "alice@harbour.example", check=False)
    assert "PermissionError" in other
    [tmp] = machine.run("sh", "-c", "cat /tmp/systemd-private-*-watchword-kick.service-*/tmp/kicks").splitlines()
    user, capabilities, *words = tmp.split()
    assert (user, words) == ("0", ["kick", "--", "alice@harbour.example"])
    # CAP_KILL is bit 5 (capabilities(7)).
    assert int(capabilities.removeprefix("CapBnd:"), 16) == 1 << 5
    assert "can't be closed" not in machine.run("watchword-admin", "check", check=False)


def test_the_units_are_right_for_the_systemd_that_runs_them(machine: Machine) -> None:
    assert machine.run("systemd-analyze", "verify", "watchword.target", *SOCKETS) == ""
    for nightly in ("watchword-verify.service", "watchword-backup.service"):
        machine.run("systemctl", "start", nightly)
        assert machine.show(nightly, "Result") == "success"
    assert machine.run("sh", "-c", "ls /var/lib/watchword-backup") != ""
    for timer in UNITS.glob("*.timer"):
        assert machine.show(timer.name, "ActiveState") == "active"
    for name in [*SERVICES, "watchword-kick"]:
        machine.run("systemd-analyze", "security", "--threshold=25", f"{name}.service")


def test_all_of_it_stops_with_the_target(machine: Machine) -> None:
    machine.run("systemctl", "stop", "watchword.target")
    for name in [*SERVICES, "watchword-kick", *SOCKETS]:
        machine.wait_for(name, "inactive")
    machine.run("systemctl", "start", "watchword.target")
    machine.wait_for("watchword-web@1")
