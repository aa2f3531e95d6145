"""Processes of `watchword serve` on a world of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.served.processes import Served
from tests.world import World, make_world


@pytest.fixture
def world(transactional_db: None) -> World:
    """Return the people of the tests, committed so that other processes see them."""
    return make_world()


@pytest.fixture
def served(tmp_path: Path, world: World) -> Iterator[Served]:
    """Yield two web processes, the mail daemon, the background worker and the messaging worker."""
    # Unix sockets have a short maximum path, which pytest's folders may exceed.
    running = Served(tmp_path)
    try:
        running.start_all()
        yield running
    finally:
        running.stop_all()
