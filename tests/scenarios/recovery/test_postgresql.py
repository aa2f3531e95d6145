"""What PostgreSQL adds to a backup and a restore: a server, a password, and a database that others may hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.commands import environment_of, home_with_keys_of, refusal, succeed, watchword
from tests.postgres import Cluster
from tests.scenarios.recovery.conftest import Databases, Site, new_site

pytestmark = pytest.mark.scenario


@pytest.fixture(scope="module")
def made(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Return an installation on PostgreSQL with an archive beside its home."""
    site = new_site(tmp_path_factory.mktemp("made") / "home", Databases(cluster, ["taken"] * 100))
    succeed("backup", str(site.home.parent / "backup.tar.gz"), home=site.home, **site.variables)
    return site


@pytest.fixture
def elsewhere(made: Site, tmp_path: Path) -> Path:
    """Return another home that has the key ring."""
    return home_with_keys_of(made.home, tmp_path / "elsewhere")


def archive_of(site: Site) -> str:
    return str(site.home.parent / "backup.tar.gz")


def test_the_drill_restores_into_a_scratch_database_and_drops_it(made: Site, cluster: Cluster) -> None:
    assert "The drill succeeded" in succeed("backup", "--drill", home=made.home, **made.variables)
    with psycopg.connect(cluster.url("postgres")) as connection:
        rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE '%drill%'").fetchall()
    assert rows == []


def test_a_role_that_may_make_no_database_is_told(made: Site, cluster: Cluster) -> None:
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE ROLE reader LOGIN NOCREATEDB PASSWORD 'hunter2 %/@'")
        connection.execute("GRANT pg_read_all_data, pg_write_all_data TO reader")
    url = made.variables["WATCHWORD_DATABASE_URL"].replace("postgres@", "reader:hunter2%20%25%2F%40@")
    said = refusal("backup", "--drill", home=made.home, WATCHWORD_DATABASE_URL=url)
    assert said == "the drill needs a scratch database: let the role make one (ALTER ROLE … CREATEDB)"


def test_a_database_that_holds_anything_is_left_as_it_is(made: Site, elsewhere: Path) -> None:
    variables = made.databases.new()
    with psycopg.connect(variables["WATCHWORD_DATABASE_URL"], autocommit=True) as connection:
        connection.execute("CREATE TABLE theirs (id int)")
        said = refusal("restore", archive_of(made), home=elsewhere, **variables)
        assert "holds 1 tables: a backup is restored only where no database is" in said
        assert connection.execute("SELECT count(*) FROM theirs").fetchone() == (0,)


def test_an_archive_of_the_other_kind_is_refused(made: Site, elsewhere: Path) -> None:
    said = refusal("restore", archive_of(made), home=elsewhere)
    assert said.startswith(
        "the archive holds a database of postgresql, and WATCHWORD_DATABASE_URL names one of sqlite;"
    )


def test_a_restore_that_was_killed_is_not_served_and_begins_anew(made: Site, elsewhere: Path) -> None:
    variables = made.databases.new()
    words = [sys.executable, "-m", "watchword.cli.main", "restore", archive_of(made)]
    process = subprocess.Popen(
        words, env=environment_of(elsewhere, variables), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with psycopg.connect(variables["WATCHWORD_DATABASE_URL"], autocommit=True) as connection:
        try:
            while connection.execute("SELECT to_regclass('watchword_unfinished')").fetchone() == (None,):
                assert process.poll() is None
        finally:
            process.kill()
            process.wait()
    for command in (["check"], ["serve", "web"], ["migrate"]):
        done = watchword(*command, home=elsewhere, **variables)
        assert "a restore into this database was not finished, so nobody is served from it" in done.stderr
        assert done.returncode == 1
    succeed("restore", archive_of(made), home=elsewhere, **variables)
    succeed("verify", home=elsewhere, **variables)


def test_without_the_client_programs_the_package_is_named(made: Site, tmp_path: Path) -> None:
    said = refusal("backup", str(tmp_path / "x.tar.gz"), home=made.home, **{**made.variables, "PATH": str(tmp_path)})
    assert said.startswith("pg_dump can't be run (No such file or directory); install PostgreSQL's client programs")
    assert list(tmp_path.iterdir()) == []
