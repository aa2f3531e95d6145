"""An installation on SQLite and one on PostgreSQL, each with people in it, and a way to empty databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from tests import postgres
from tests.commands import run_program, succeed
from tests.postgres import Cluster

WORLD = """
from tests.world import make_world
from watchword.audit import hash_chain
world = make_world()
print(world.alices_app_password)
hash_chain.seal(now=now)
"""


@dataclass
class Databases:
    """Names of new databases on a server; without one, SQLite's file in the home."""

    cluster: Cluster | None
    made: list[str] = field(default_factory=list)

    def new(self) -> dict[str, str]:
        """Return the variables that name a new, empty database."""
        if self.cluster is None:
            return {}
        name = f"site{len(self.made)}"
        with psycopg.connect(self.cluster.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        self.made.append(name)
        return {"WATCHWORD_DATABASE_URL": self.cluster.url(name)}


@dataclass(frozen=True)
class Site:
    """A home, the variables of its database, and Alice's app password."""

    home: Path
    variables: dict[str, str]
    app_password: str
    databases: Databases


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Yield a PostgreSQL server for these tests, or skip."""
    with postgres.running() as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    """Return a new installation on each kind of database."""
    databases = Databases(request.getfixturevalue("cluster") if request.param == "postgresql" else None)
    return new_site(tmp_path / "home", databases)


def new_site(home: Path, databases: Databases) -> Site:
    """Return a new installation with the people of the tests."""
    variables = databases.new()
    succeed("keys", "create", home=home, **variables)
    succeed("migrate", "--verbosity", "0", home=home, **variables)
    return Site(home, variables, run_program(WORLD, home=home, **variables).strip(), databases)
