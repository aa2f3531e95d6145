"""A Debian 13 tree with Watchword for an ordinary user.

The tree has Debian's own Python 3.13 and no network settings: packages come in as files. Nothing is mounted in it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.scenarios.debian_tree import RELEASE, NotHere, make_tree
from tests.scenarios.installed.builds import Release
from tests.scenarios.installed.installation import Installation, requirements

PYTHON = (3, 13)
UNPRIVILEGED = 65534
"""Debian's user and group without any rights."""
EXTRAS = ("demo", "phones", "postgres", "telemetry")


@contextmanager
def installed(release: Release, folder: Path) -> Iterator[Installation]:
    """Install the release with all extras in the tree, as an ordinary user. Raise NotHere where that is impossible."""
    if os.geteuid() != 0:
        raise NotHere("only root can make and enter a tree")
    if sys.version_info[:2] != PYTHON:
        raise NotHere("packages are fetched for the Python of this run, which is not the tree's 3.13")
    tree = make_tree(RELEASE, ["python3", "python3-venv"])
    own = Path(tempfile.mkdtemp(prefix="watchword-", dir=tree / "srv"))
    try:
        fetch(own / "wheels")
        shutil.copy(release.wheel, own)
        within = Path("/") / own.relative_to(tree)
        for path in (own, *own.rglob("*")):
            os.chown(path, UNPRIVILEGED, UNPRIVILEGED)
        prefix = ["chroot", f"--userspec={UNPRIVILEGED}:{UNPRIVILEGED}", "--groups=", str(tree)]
        files = _copy_requirements(own, within)
        pip = [*prefix, str(within / "env/bin/pip"), "--no-cache-dir"]
        install = [*pip, "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
        for words in (
            [*prefix, "/usr/bin/python3", "-m", "venv", str(within / "env")],
            [*install, "--require-hashes", "--find-links", str(within / "wheels"), *files],
            [*install, str(within / release.wheel.name)],
            [*pip, "check"],
        ):
            _run(words)
        yield Installation(within / "env", within / "home", prefix=prefix, log=folder / "log")
    finally:
        shutil.rmtree(own)


def fetch(folder: Path) -> None:
    """Download the wheels of the base and all extras into a folder."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    _run([*pip, "--require-hashes", "--only-binary", ":all:", "--dest", str(folder), *requirements(EXTRAS)])


def _copy_requirements(own: Path, within: Path) -> Sequence[str]:
    """Copy the requirements files with hashes into the tree and return pip's arguments for them."""
    files = [Path(word) for word in requirements(EXTRAS) if word != "-r"]
    for file in files:
        shutil.copy(file, own)
    return [word for file in files for word in ("-r", str(within / file.name))]


def _run(words: Sequence[str]) -> None:
    environment = {**os.environ, "HOME": "/nonexistent"} if words[0] == "chroot" else None
    done = subprocess.run(words, env=environment, cwd="/", capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
