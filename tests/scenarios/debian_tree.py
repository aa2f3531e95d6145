"""Trees of Debian 13, made by debootstrap once and stored in the user's cache."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

RELEASE = "trixie"
MAKING_SECONDS = 900


class NotHere(Exception):
    """This machine can't create or enter the tree; the message says why."""


def make_tree(name: str, packages: Sequence[str]) -> Path:
    """Return the tree of this name in the cache; create it with these packages if it is missing. Raises NotHere."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "watchword-tests"
    tree = cache / name
    if not tree.is_dir():
        if shutil.which("debootstrap") is None:
            raise NotHere("debootstrap is not installed")
        cache.mkdir(parents=True, exist_ok=True)
        # Tests run in several processes: one makes the tree, the others wait for it.
        with (cache / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not tree.is_dir():
                _make(tree, packages)
    return tree


def _make(tree: Path, packages: Sequence[str]) -> None:
    # Renamed at the end, so that an interrupted tree is never taken for a complete one.
    made = Path(tempfile.mkdtemp(prefix=f"{tree.name}-", dir=tree.parent))
    made.chmod(0o755)
    words = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", RELEASE, str(made)]
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


def _remove(made: Path) -> None:
    """Remove an unfinished tree, but never through a mount that debootstrap may have left in it."""
    for name in ("sys", "proc"):
        if (made / name).is_mount():
            subprocess.run(["umount", str(made / name)], timeout=60, check=False)
    if made.exists() and not any((made / name).is_mount() for name in ("sys", "proc")):
        shutil.rmtree(made)
