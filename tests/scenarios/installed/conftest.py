"""The release is built once in a run, and its environments lie outside the tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.installed import builds, installation
from tests.scenarios.installed.installation import Installation


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> builds.Release:
    """Return the sdist and the wheel of the current tree."""
    return builds.build(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="session")
def base_environment(release: builds.Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an environment with the base and no extra."""
    return installation.make_environment(tmp_path_factory.mktemp("base") / "env", release.wheel)


@pytest.fixture(scope="session")
def demo_environment(release: builds.Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an environment with the base and the extra `demo`."""
    return installation.make_environment(tmp_path_factory.mktemp("demo") / "env", release.wheel, extras=["demo"])


@pytest.fixture
def base(base_environment: Path, tmp_path: Path) -> Installation:
    """Return the base with an empty home."""
    return Installation(base_environment, _home(tmp_path), log=tmp_path / "log")


@pytest.fixture
def with_demo(demo_environment: Path, tmp_path: Path) -> Installation:
    """Return the base and the demo with an empty home."""
    return Installation(demo_environment, _home(tmp_path), log=tmp_path / "log")


def _home(folder: Path) -> Path:
    home = folder / "home"
    home.mkdir()
    return home
