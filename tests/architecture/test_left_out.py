"""Skipped tests are listed at the end of a run, and fail where the environment demands every test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.left_out import DEMAND, LIST, ON_THE_OTHER_DATABASE

ROOT = Path(__file__).parents[2]
PLAYED = f"""
import pytest

@pytest.fixture(scope="session")
def browser():
    pytest.skip("Chromium is not installed")

def test_one(browser): pass
def test_two(browser): pass
def test_other(): pytest.skip({ON_THE_OTHER_DATABASE!r} + "PostgreSQL")
def test_good(): pass

@pytest.mark.xfail(reason="known")
def test_known(): assert False
"""
SKIPPED_AS_A_WHOLE = "import pytest; pytest.skip('the kernel is too old', allow_module_level=True)"


def played(folder: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on two small files, with only the plugins that are tested."""
    (folder / "test_played.py").write_text(PLAYED)
    (folder / "test_skipped.py").write_text(SKIPPED_AS_A_WHOLE)
    words = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "-p", "tests.left_out", *options, str(folder)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", **variables}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("options", [(), ("-p", "xdist.plugin", "-n", "1")], ids=["in one process", "in workers"])
def test_what_is_left_out_is_listed_with_its_reason(tmp_path: Path, options: tuple[str, ...]) -> None:
    listed = tmp_path / "listed"
    listed.write_text("an earlier part (1 skipped)\n")
    done = played(tmp_path, *options, **{LIST: str(listed)})
    assert done.returncode == 0, done.stdout
    assert "# LEFT OUT #" in done.stdout
    assert listed.read_text().splitlines() == [
        "an earlier part (1 skipped)",
        "Chromium is not installed (2 skipped)",
        "the kernel is too old (1 skipped)",
    ]


def test_everything_is_demanded_where_the_environment_says_so(tmp_path: Path) -> None:
    done = played(tmp_path, **{DEMAND: "1", LIST: str(tmp_path / "listed")})
    assert done.returncode != 0
    assert f"LEFT OUT, but {DEMAND} demands everything: the kernel is too old" in done.stdout
    assert not (tmp_path / "listed").exists()


def test_a_test_is_demanded_and_what_runs_on_the_other_database_is_not(tmp_path: Path) -> None:
    done = played(tmp_path, f"--ignore={tmp_path / 'test_skipped.py'}", **{DEMAND: "1"})
    assert done.stdout.count(f"LEFT OUT, but {DEMAND} demands everything: Chromium is not installed") == 2
    assert "1 passed, 1 skipped, 1 xfailed, 2 errors" in done.stdout


def test_continuous_integration_demands_everything() -> None:
    assert f"export {DEMAND}=1\n" in (ROOT / ".ci/run").read_text()
