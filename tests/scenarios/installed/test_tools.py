"""The wheel installed by pipx and by uv, as docs/install/source.md types it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.left_out import NO_PACKAGE_BRINGS_IT
from tests.scenarios.installed.builds import ROOT, Release
from watchword import __version__

pytestmark = pytest.mark.install

PAGE = ROOT / "docs/install/source.md"


def command(tool: str) -> str:
    """Return the page's command for a tool."""
    (found,) = [line.strip() for line in PAGE.read_text().splitlines() if line.startswith(f"    {tool} ")]
    return found


def run(words: list[str] | str, environment: dict[str, str], folder: Path) -> str:
    """Run a command in a folder and return its output."""
    done = subprocess.run(
        words, env=environment, cwd=folder, shell=isinstance(words, str), capture_output=True, text=True,
        timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("tool", ["pipx", "uv"])
def test_a_tool_installs_the_wheel_and_the_command_answers(tool: str, release: Release, tmp_path: Path) -> None:
    bin_folder = tmp_path / "bin"
    environment = {
        **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "LANG", "SSL_"))},
        "HOME": os.environ["HOME"],
        "PATH": f"{bin_folder}:{Path(sys.executable).resolve().parent}:{os.environ['PATH']}",
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(bin_folder),
        "UV_TOOL_DIR": str(tmp_path / "uv"),
        "UV_TOOL_BIN_DIR": str(bin_folder),
        "WATCHWORD_HOME": str(tmp_path / "home"),
        "WATCHWORD_PUBLIC_URL": "http://127.0.0.1:8000",
        "WATCHWORD_MAIL_KICK": "none",
    }
    if tool == "uv" and shutil.which("uv") is None:
        run([sys.executable, "-m", "venv", str(tmp_path / "tools")], environment, tmp_path)
        run([str(tmp_path / "tools/bin/pip"), "install", "--quiet", "uv"], environment, tmp_path)
        environment["PATH"] = f"{tmp_path}/tools/bin:{environment['PATH']}"
    elif shutil.which(tool) is None:
        pytest.skip(f"{NO_PACKAGE_BRINGS_IT}{tool}")
    (tmp_path / "dist").mkdir()
    shutil.copy(release.wheel, tmp_path / "dist")
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    python = "{}.{}".format(*sys.version_info[:2])
    typed = command(tool).replace("--python python3.13", f"--python {sys.executable}").replace("3.13", python)
    run(typed, environment, tmp_path)
    assert run(["watchword", "--version"], environment, tmp_path) == f"watchword {__version__}\n"
    (tmp_path / "home").mkdir(mode=0o700)
    run(["watchword", "keys", "create"], environment, tmp_path)
    run(["watchword", "migrate", "--verbosity", "0"], environment, tmp_path)
    run(["watchword", "check"], environment, tmp_path)
