"""The state of each release is upgraded on both databases: every row stays, and everybody comes in as before."""

from __future__ import annotations

import json
import lzma
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests import postgres
from tests.commands import run_program, succeed
from tests.environment import KEYS
from tests.postgres import Cluster
from watchword.config.databases import database_settings

HERE = Path(__file__).parent
FIXTURES = sorted(folder.name for folder in HERE.iterdir() if (folder / "known.json").exists())
VARIABLES = {"WATCHWORD_DEMO": "yes", "WATCHWORD_KEYS": KEYS}
MOST_OCTETS = 200_000
COUNT = """
from django.db import connection
with connection.cursor() as cursor:
    for table in sorted(connection.introspection.table_names(cursor)):
        cursor.execute(f'SELECT count(*) FROM "{table}"')
        print(table, cursor.fetchone()[0])
"""
COLUMNS = """
from django.db import connection
with connection.cursor() as cursor:
    for table in sorted(connection.introspection.table_names(cursor)):
        for column in sorted(connection.introspection.get_table_description(cursor, table)):
            print(table, column.name, column.type_code, column.null_ok)
        for name, each in sorted(connection.introspection.get_constraints(cursor, table).items()):
            print(table, each["columns"], each["unique"], each["primary_key"], each["foreign_key"], each["index"])
"""
COME_IN = """
import json, sys
from django.test import Client
from watchword.core.policy import Door
from watchword.signin import non_interactive
from watchword.signin.non_interactive import AuthRequest, Secret
known = {known!r}
for name in ("app_password", "gone_app_password"):
    asked = AuthRequest(Door.MAIL, "alice@harbour.example", Secret(known[name]), "imap", "198.51.100.9")
    print("in" if non_interactive.check_many([asked], now=now)[0].allowed else "refused")
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Yield a PostgreSQL server for these tests, or skip."""
    with postgres.running() as cluster:
        yield cluster


def restored(name: str, kind: str, home: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """Load the dump of a release, and return the variables that name its database."""
    dump = lzma.decompress((HERE / name / f"{kind}.sql.xz").read_bytes()).decode()
    if kind == "sqlite":
        with closing(sqlite3.connect(home / "watchword.sqlite3")) as database:
            database.executescript(dump)
        return VARIABLES
    return {**VARIABLES, "WATCHWORD_DATABASE_URL": new_database(request, dump)}


def new_database(request: pytest.FixtureRequest, dump: str) -> str:
    cluster: Cluster = request.getfixturevalue("cluster")
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        number = connection.execute("SELECT count(*) FROM pg_database").fetchone()
        assert number is not None
        connection.execute(f"CREATE DATABASE fixture{number[0]}")
    url = cluster.url(f"fixture{number[0]}")
    words = ["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null", url]
    done = subprocess.run(words, input=dump, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert database_settings(url)["ENGINE"] == "django.db.backends.postgresql"
    return url


@pytest.mark.parametrize("name", FIXTURES)
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.scenario)])
def test_the_state_of_a_release_is_upgraded_with_every_row(
    name: str, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    variables = restored(name, kind, tmp_path, request)
    before = counts(tmp_path, variables)
    assert len(before) > 30
    assert [table for table, number in before.items() if not number] == []
    said = succeed("upgrade", "--plan", home=tmp_path, **variables)
    plan = said
    # The newest fixture has all migrations, until the next one is written.
    assert "The previous release may go on serving meanwhile." in plan or "up to date" in plan
    succeed("migrate", "--verbosity", "0", home=tmp_path, **variables)
    after = counts(tmp_path, variables)
    lost = {table for table, number in before.items() if after.get(table, 0) < number}
    assert lost == set(), "a migration lost rows"
    succeed("verify", home=tmp_path, **variables)
    known = json.loads((HERE / name / "known.json").read_text())
    assert run_program(COME_IN.format(known=known), home=tmp_path, **variables).split() == ["in", "refused"]
    assert schema(tmp_path, variables) == schema_of_a_new_one(kind, tmp_path, request), (
        "an upgraded database is not as a new one: a migration that a release has must not be edited. Before the first "
        "release, `python -m tests.upgrades.write_fixture 0.1.0 --initial` writes the state anew."
    )


def counts(home: Path, variables: dict[str, str]) -> dict[str, int]:
    rows = run_program(COUNT, home=home, **variables).splitlines()
    return {table: int(number) for table, number in (row.split() for row in rows)}


def schema(home: Path, variables: dict[str, str]) -> list[str]:
    """Return every column and constraint; the order of columns and the names of constraints may differ."""
    return sorted(run_program(COLUMNS, home=home, **variables).splitlines())


def schema_of_a_new_one(kind: str, folder: Path, request: pytest.FixtureRequest) -> list[str]:
    home = folder / "new"
    home.mkdir()
    variables = VARIABLES
    if kind == "postgresql":
        variables = {**VARIABLES, "WATCHWORD_DATABASE_URL": new_database(request, "")}
    succeed("migrate", "--verbosity", "0", home=home, **variables)
    return schema(home, variables)


def test_the_fixtures_are_small() -> None:
    assert FIXTURES
    for name in FIXTURES:
        assert sum(file.stat().st_size for file in (HERE / name).iterdir()) < MOST_OCTETS
