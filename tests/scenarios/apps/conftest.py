"""A served Watchword, and a browser in which Alice is signed in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone

from tests.scenarios.served.processes import Served
from tests.world import ORIGIN, World, evidence_for, make_world
from watchword.core.policy import FactorKind
from watchword.signin import cookies, sessions


class Provider(Served):
    """One web process at its own public URL."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.url = f"http://127.0.0.1:{self.ports['web1']}"
        self.environment["WATCHWORD_PUBLIC_URL"] = self.url


@pytest.fixture
def world(transactional_db: None) -> World:
    """Return the people of the tests, committed so that other processes see them."""
    return make_world()


@pytest.fixture
def provider(tmp_path: Path, world: World, settings: pytest.FixtureRequest) -> Iterator[Provider]:
    """Yield a served Watchword; the test's own process knows it by the same public URL."""
    running = Provider(tmp_path)
    settings.WATCHWORD_PUBLIC_URL = running.url  # type: ignore[attr-defined]  # pytest-django's settings
    try:
        running.start("web1")
        running.wait("web1")
        yield running
    finally:
        running.stop_all()


@pytest.fixture
def alices_cookie(world: World) -> str:
    """Return the Cookie header of a browser in which Alice is signed in with both factors."""
    evidence = evidence_for(FactorKind.PASSWORD, FactorKind.PHONE)
    opened = sessions.open_session(world.alice, evidence, origin=ORIGIN, now=timezone.now())
    return f"{cookies._name(cookies._SESSION)}={opened.token}"
