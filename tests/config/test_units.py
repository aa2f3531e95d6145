"""The units of ``deploy/systemd``: confined, verified by systemd, and with the names that the program knows."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from watchword.cli.web_server import WEB_SOCKET
from watchword.doors.mail.kick_server import KICK_SOCKET
from watchword.doors.mail.sockets import MAIL_SOCKETS

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
NIGHTLY = {"watchword-verify.service", "watchword-backup.service"}
MOST_EXPOSED = 2.5
UNKNOWN_BEFORE_254 = re.compile(r"Unknown key (name )?'?(RestartSteps|RestartMaxDelaySec)'?")

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


def values(name: str, key: str) -> list[str]:
    """Return what a unit says of a key, in the order of its lines."""
    return re.findall(rf"^{key}=(.*)$", (UNITS / name).read_text(), re.MULTILINE)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Return a folder with the units, which run this Python's own program."""
    program = shutil.which("watchword", path=str(Path(sys.executable).parent))
    assert program is not None
    for path in UNITS.iterdir():
        (tmp_path / path.name).write_text(path.read_text().replace("/usr/bin/watchword", program))
    for name in ("web", "mail"):
        shutil.copy(tmp_path / f"watchword-{name}@.service", tmp_path / f"watchword-{name}@1.service")
    return tmp_path


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_is_confined(units: Path, name: str) -> None:
    words = ["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED * 10:.0f}", str(units / name)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    found = re.search(r"Overall exposure level for .*: ([0-9.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert float(found[1]) <= MOST_EXPOSED, done.stdout
    assert done.returncode == 0


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_units(units: Path) -> None:
    names = [path.name for path in units.iterdir() if "@." not in path.name and path.suffix in {".service", ".socket"}]
    words = ["systemd-analyze", "verify", "--man=no", "watchword.target", *names]
    done = subprocess.run(
        words, env={"SYSTEMD_UNIT_PATH": f"{units}:"}, capture_output=True, text=True, timeout=60, check=False
    )
    said = [line for line in (done.stdout + done.stderr).splitlines() if not UNKNOWN_BEFORE_254.search(line)]
    assert [line for line in said if str(units) in line or "watchword" in line] == []


def test_every_socket_has_a_name_that_the_program_knows() -> None:
    named = {path.name: values(path.name, "FileDescriptorName") for path in UNITS.glob("*.socket")}
    assert named == {
        "watchword-web.socket": [WEB_SOCKET],
        "watchword-kick.socket": [KICK_SOCKET],
        **{f"watchword-mail-{name}.socket": [name] for name in MAIL_SOCKETS},
    }
    assert values("watchword-mail@.service", "Sockets") == [
        " ".join(f"watchword-mail-{name}.socket" for name in MAIL_SOCKETS)
    ]


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in NIGHTLY])
def test_a_process_that_dies_or_hangs_is_started_again(name: str) -> None:
    assert values(name, "Type") == ["notify"]
    assert values(name, "Restart") == ["always"]
    assert values(name, "StartLimitIntervalSec") == ["0"], "it is never given up"
    assert 0 < int(values(name, "WatchdogSec")[0]) <= 300


def test_only_the_daemon_that_closes_connections_runs_as_root_and_it_sees_no_secret() -> None:
    kick = "watchword-kick.service"
    assert [name for name in SERVICES if values(name, "User") != ["watchword"]] == [kick]
    assert values(kick, "LoadCredential") == []
    assert values(kick, "EnvironmentFile") == []
    assert values(kick, "PrivateNetwork") == ["yes"]
    assert values(kick, "CapabilityBoundingSet") == ["CAP_KILL"]
    assert all(values(name, "CapabilityBoundingSet") == [""] for name in SERVICES if name != kick)


def test_the_commands_of_the_operator_have_the_settings_of_the_units() -> None:
    script = (UNITS / "watchword-admin").read_text()
    for name in SERVICES:
        for value in values(name, "Environment"):
            assert f"--setenv={value} " in script
        for value in values(name, "LoadCredential"):
            assert f"--property=LoadCredential={value} " in script


def test_a_unit_names_each_key_once_in_a_section() -> None:
    many = {"Environment", "SystemCallFilter", "Wants"}
    for path in [*UNITS.glob("*.service"), *UNITS.glob("*.socket"), *UNITS.glob("*.timer")]:
        keys = [line.partition("=")[0] for line in path.read_text().splitlines() if "=" in line and line[0] != "#"]
        assert {key for key in keys if keys.count(key) > 1} <= many, path.name
