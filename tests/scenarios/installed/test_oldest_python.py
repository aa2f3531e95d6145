"""The wheel on the oldest Python that its metadata names."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.left_out import NO_PACKAGE_BRINGS_IT
from tests.scenarios.installed.builds import Release
from tests.scenarios.installed.installation import Installation, first_steps, make_environment, play_demo

pytestmark = pytest.mark.scenario

OLDEST = "3.12"


def test_on_the_oldest_python_an_operator_gets_to_a_page_and_to_the_demo(release: Release, tmp_path: Path) -> None:
    python = _oldest_python()
    if python is None:
        pytest.skip(f"{NO_PACKAGE_BRINGS_IT}the wheel on Python {OLDEST}: Debian 12 and 13 have no such package")
    environment = make_environment(
        tmp_path / "env", release.wheel, extras=["demo", "phones", "postgres"], python=python
    )
    home = tmp_path / "home"
    home.mkdir()
    installation = Installation(environment, home, log=tmp_path / "log")
    assert installation.python("import sys; print('%d.%d' % sys.version_info[:2])") == f"{OLDEST}\n"
    first_steps(installation)
    (tmp_path / "demo").mkdir()
    play_demo(installation.with_home("demo"))


def _oldest_python() -> str | None:
    """Return a Python of that version that can make environments: one on the PATH, or one that pyenv has built."""
    built = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = [shutil.which(f"python{OLDEST}"), *map(str, built.glob(f"{OLDEST}.*/bin/python{OLDEST}"))]
    for python in filter(None, found):
        asked = subprocess.run([python, "-c", "import ensurepip, venv"], capture_output=True, timeout=60, check=False)
        if asked.returncode == 0:
            return python
    return None
