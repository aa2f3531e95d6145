"""Served processes on a world of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.served.processes import Served
from tests.world import World, make_world


@pytest.fixture
def world(transactional_db: None) -> World:
    """The people of the tests, committed so that other processes see them."""
    return make_world()


@pytest.fixture
def served(tmp_path: Path, world: World) -> Iterator[Served]:
    """Two web processes, the mail daemon, a worker and the way to phones."""
    # Sockets have short names only: pytest's folders may be too deep for them.
    running = Served(tmp_path)
    try:
        running.start_all()
        yield running
    finally:
        running.stop_all()
