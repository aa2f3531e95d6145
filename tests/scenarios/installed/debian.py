"""A Debian 13 tree, made by debootstrap once and stored in the user's cache, with Watchword for an ordinary user.

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

from tests.scenarios.installed.builds import Release
from tests.scenarios.installed.installation import Installation, requirements

RELEASE = "trixie"
PYTHON = (3, 13)
NOBODY = 65534
"""Debian's user and group without any rights."""
EXTRAS = ("demo", "phones", "postgres")
MAKING_SECONDS = 900


class NotHere(Exception):
    """This machine can't create or enter the tree; the message says why."""


@contextmanager
def installed(release: Release, folder: Path) -> Iterator[Installation]:
    """Install the release with all extras in the tree, as an ordinary user. Raise NotHere where that is impossible."""
    if os.geteuid() != 0:
        raise NotHere("only root can make and enter a tree")
    if sys.version_info[:2] != PYTHON:
        raise NotHere("packages are fetched for the Python of this run, which is not the tree's 3.13")
    tree = _tree()
    own = Path(tempfile.mkdtemp(prefix="watchword-", dir=tree / "srv"))
    try:
        _fetch(own / "wheels")
        shutil.copy(release.wheel, own)
        within = Path("/") / own.relative_to(tree)
        for path in (own, *own.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        prefix = ["chroot", f"--userspec={NOBODY}:{NOBODY}", "--groups=", str(tree)]
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


def _tree() -> Path:
    """Return the tree in the cache; create it if it is missing."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "watchword-tests"
    tree = cache / RELEASE
    if tree.is_dir():
        return tree
    if shutil.which("debootstrap") is None:
        raise NotHere("debootstrap is not installed")
    cache.mkdir(parents=True, exist_ok=True)
    # Renamed at the end, so that an interrupted tree is never taken for a complete one.
    made = Path(tempfile.mkdtemp(prefix=f"{RELEASE}-", dir=cache))
    made.chmod(0o755)
    words = ["debootstrap", "--variant=minbase", "--include=python3,python3-venv", RELEASE, str(made)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=MAKING_SECONDS, check=False)
        if done.returncode != 0:
            said = (done.stderr + done.stdout).strip().splitlines()
            raise NotHere(f"debootstrap made no tree: {said[-1] if said else done.returncode}")
        made.rename(tree)
    except subprocess.TimeoutExpired:
        raise NotHere(f"debootstrap made no tree within {MAKING_SECONDS} seconds") from None
    finally:
        _remove(made)
    return tree


def _remove(made: Path) -> None:
    """Remove an unfinished tree, but never through a mount that debootstrap may have left in it."""
    for name in ("sys", "proc"):
        if (made / name).is_mount():
            subprocess.run(["umount", str(made / name)], timeout=60, check=False)
    if made.exists() and not any((made / name).is_mount() for name in ("sys", "proc")):
        shutil.rmtree(made)


def _fetch(folder: Path) -> None:
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
