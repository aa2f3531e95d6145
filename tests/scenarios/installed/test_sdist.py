"""The sdist is the whole tree: a packager can read the documents and run the tests from it."""

from __future__ import annotations

import subprocess
import tarfile

import pytest

from tests.left_out import NO_PACKAGE_BRINGS_IT
from tests.scenarios.installed.builds import ROOT, Release

pytestmark = pytest.mark.scenario


def test_the_sdist_holds_every_file_of_the_tree(release: Release) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    if listed.returncode != 0:
        pytest.skip(f"{NO_PACKAGE_BRINGS_IT}the tree is no git checkout, so that nothing says which files belong to it")
    with tarfile.open(release.sdist) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    wanted = {name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()}
    assert sorted(wanted - names) == []
    assert {"tests/conftest.py", "docs/operating/phones.md", "requirements-phones.txt", "LICENSE"} <= names


def test_the_sdist_holds_nothing_that_a_run_leaves_behind(release: Release) -> None:
    with tarfile.open(release.sdist) as sdist:
        names = [name.partition("/")[2] for name in sdist.getnames()]
    left = [
        name for name in names if name.endswith((".pyc", ".sqlite3")) or name.startswith((".venv", ".demo", ".git/"))
    ]
    assert left == []
