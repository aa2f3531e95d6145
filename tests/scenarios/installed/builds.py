"""Builds of the sdist and the wheel from a copy of the tree, with the pinned build tools and without a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
BUILD_TOOLS = Path(sys.prefix) / "build-tools"
"""The folder where `make` installs setuptools: beside the environment's packages, so that only a build sees it."""
_LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv*", ".demo", ".*_cache", ".hypothesis", ".pictures", "__pycache__", "*.egg-info", "build", "dist",
    "test-results",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Release:
    """The files of a release."""

    sdist: Path
    wheel: Path


def build(folder: Path) -> Release:
    """Build the sdist and the wheel in a folder and return their paths; the wheel is built from the sdist."""
    assert (BUILD_TOOLS / "setuptools").is_dir(), f"{BUILD_TOOLS} is missing; run: make .venv/.installed-dev"
    tree, made = folder / "tree", folder / "dist"
    shutil.copytree(ROOT, tree, ignore=_LEFT_OUT)
    made.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(BUILD_TOOLS)}
    hook = f"from setuptools.build_meta import build_sdist; build_sdist({str(made)!r})"
    _run([sys.executable, "-c", hook], cwd=tree, env=environment)
    (sdist,) = made.glob("*.tar.gz")
    words = [
        "wheel",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(made),
        str(sdist),
    ]
    _run([sys.executable, "-m", "pip", *words], cwd=folder, env=environment)
    (wheel,) = made.glob("*.whl")
    return Release(sdist, wheel)


def _run(words: list[str], *, cwd: Path, env: dict[str, str]) -> None:
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
