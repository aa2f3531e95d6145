"""A move to PostgreSQL takes every row of every table along, or leaves the target as empty as it was."""

from __future__ import annotations

import lzma
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.commands import environment_of, refusal, run_program, succeed
from tests.environment import KEYS
from tests.postgres import Cluster
from tests.upgrades.test_upgrade import COUNT, FIXTURES, HERE

pytestmark = pytest.mark.scenario

VARIABLES = {"WATCHWORD_DEMO": "yes", "WATCHWORD_KEYS": KEYS}
MORE = """
from watchword.audit.models import Event
print(Event.objects.order_by("-id").values_list("kind", flat=True)[0])
from watchword.audit.events import EventKind
from watchword.audit.record import record
record(EventKind.DATABASE_BACKED_UP, now=now)
"""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home whose SQLite database has rows in every table of its release, and is up to date."""
    home = tmp_path_factory.mktemp("filled")
    dump = lzma.decompress((HERE / FIXTURES[-1] / "sqlite.sql.xz").read_bytes()).decode()
    with closing(sqlite3.connect(home / "watchword.sqlite3")) as database:
        database.executescript(dump)
    succeed("migrate", "--verbosity", "0", home=home, **VARIABLES)
    return home


@pytest.fixture
def home(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled, tmp_path / "home"))


@pytest.fixture
def target(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    """Return the URL of an empty database."""
    name = f"move{abs(hash(request.node.name))}"
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return cluster.url(name)


def counts(home: Path, **variables: str) -> dict[str, int]:
    rows = run_program(COUNT, home=home, **{**VARIABLES, **variables}).splitlines()
    return {table: int(number) for table, number in (row.split() for row in rows)}


def is_empty(url: str) -> bool:
    with psycopg.connect(url) as connection:
        query = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        return connection.execute(query).fetchone() == (0,)


@contextmanager
def changed(home: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(home / "watchword.sqlite3")) as database:
        yield database
        database.commit()


def test_every_row_is_moved_the_source_untouched_and_new_rows_follow(home: Path, target: str) -> None:
    before = counts(home)
    octets = (home / "watchword.sqlite3").read_bytes()
    said = succeed("db", "move", "--to", target, home=home, **VARIABLES)
    assert "and compared each." in said
    assert (home / "watchword.sqlite3").read_bytes() == octets
    moved = {**VARIABLES, "WATCHWORD_DATABASE_URL": target}
    after = counts(home, WATCHWORD_DATABASE_URL=target)
    added = {"audit_event": 1, "audit_maintenancerun": 1}
    assert after == {table: number + added.get(table, 0) for table, number in before.items() if table in after}
    assert set(before) == set(after)
    assert run_program(MORE, home=home, **moved).split() == ["database.moved"]
    succeed("verify", home=home, **moved)


def test_a_target_that_holds_anything_is_left_as_it_is(home: Path, target: str) -> None:
    with psycopg.connect(target, autocommit=True) as connection:
        connection.execute("CREATE TABLE theirs AS SELECT 1 AS id")
        said = refusal("db", "move", "--to", target, home=home, **VARIABLES)
        assert said.endswith("holds 1 tables; the target must be empty, and was left as it is")
        assert connection.execute("SELECT id FROM theirs").fetchone() == (1,)


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE audit_event SET subject_name = 'a' || char(0) || 'b' WHERE id = 1", "doesn't fit into PostgreSQL"),
        ("UPDATE audit_event SET reason = printf('%41s', 'x') WHERE id = 1", "doesn't fit into PostgreSQL"),
        ("UPDATE audit_event SET reason = 'forged' WHERE id = 1", "the moved database is not as it must be: I8"),
        ("CREATE TABLE theirs (id int)", "has the table theirs, which this installation does not know"),
        ("DELETE FROM django_migrations WHERE name = '0002_maintenance_run'", "isn't up to date with this release"),
        ("PRAGMA foreign_keys=OFF; DELETE FROM directory_organisation", "can't be used"),
    ],
)
def test_a_source_that_does_not_fit_leaves_the_target_empty(home: Path, target: str, statement: str, says: str) -> None:
    with changed(home) as database:
        database.executescript(statement)
    assert says in refusal("db", "move", "--to", target, home=home, **VARIABLES)
    assert is_empty(target)


def test_a_source_that_is_being_written_is_refused(home: Path, target: str) -> None:
    with changed(home) as database:
        database.execute("BEGIN IMMEDIATE")
        said = refusal("db", "move", "--to", target, home=home, **VARIABLES)
    assert said == "the source can't be used: locked (SQLITE_BUSY); is a process of Watchword still running?"
    assert is_empty(target)


def test_a_move_that_was_killed_leaves_the_target_empty_and_is_repeated(home: Path, target: str) -> None:
    words = [sys.executable, "-m", "watchword.cli.main", "db", "move", "--to", target]
    process = subprocess.Popen(
        words, env=environment_of(home, VARIABLES), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    writing = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL"
    with psycopg.connect(target, autocommit=True) as connection:
        try:
            while connection.execute(writing).fetchone() == (0,):
                assert process.poll() is None
        finally:
            process.kill()
            process.wait()
        while connection.execute(writing).fetchone() != (0,):
            pass
    assert is_empty(target)
    succeed("db", "move", "--to", target, home=home, **VARIABLES)


def test_a_password_in_the_arguments_and_a_wrong_kind_are_refused(home: Path, tmp_path: Path) -> None:
    said = refusal("db", "move", "--to", "postgresql://me:hunter2@127.0.0.1/x", home=home, **VARIABLES)
    assert said == "the URL holds a password, which others can see in the arguments; use --to-file"
    said = refusal("db", "move", "--to", f"sqlite://{tmp_path}/x", home=home, **VARIABLES)
    assert "must begin with postgresql://" in said
    file = tmp_path / "url"
    file.write_text("postgresql://me:hunter2@127.0.0.1:1/x")
    assert "which others may read or change" in refusal("db", "move", "--to-file", str(file), home=home, **VARIABLES)
    file.chmod(0o600)
    said = refusal("db", "move", "--to-file", str(file), home=home, **VARIABLES)
    assert said == "the database can't be used: unreachable (OperationalError)"
