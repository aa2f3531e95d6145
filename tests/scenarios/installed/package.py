"""The Debian package, as `make deb` builds it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.left_out import NO_PACKAGE_BRINGS_IT
from tests.scenarios.installed.builds import ROOT, Release
from tests.scenarios.installed.debian import PYTHON

_QUICKLY = {"DPKG_DEB_COMPRESSOR_TYPE": "gzip", "DPKG_DEB_COMPRESSOR_LEVEL": "1"}


def build(release: Release, folder: Path) -> Path:
    """Build the package of a release in a folder and return its path. Skip the test where no machine could."""
    if sys.version_info[:2] != PYTHON or shutil.which("dpkg-deb") is None:
        pytest.skip(f"{NO_PACKAGE_BRINGS_IT}the Debian package: it is built on Debian by Python 3.13")
    words = [str(ROOT / "scripts/build-deb"), sys.executable, str(release.wheel), str(folder)]
    done = subprocess.run(
        words, env={**os.environ, **_QUICKLY}, cwd="/", capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = folder.glob("*.deb")
    return made


def with_version(package: Path, version: str, folder: Path) -> Path:
    """Return a copy of a package that has another version and is otherwise the same."""
    tree = folder / "repacked"
    _run("dpkg-deb", "--raw-extract", str(package), str(tree))
    control = tree / "DEBIAN" / "control"
    lines = control.read_text().splitlines()
    control.write_text(
        "".join(f"Version: {version}\n" if line.startswith("Version:") else f"{line}\n" for line in lines)
    )
    copy = package.with_name(f"watchword_{version}_{package.stem.rpartition('_')[2]}.deb")
    _run("dpkg-deb", "--root-owner-group", "--build", str(tree), str(copy))
    shutil.rmtree(tree)
    return copy


def _run(*words: str) -> None:
    done = subprocess.run(
        words, env={**os.environ, **_QUICKLY}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
