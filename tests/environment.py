"""Set the environment of every test run; pytest loads it first (`-p tests.environment`), before Django's settings.

The run is on SQLite, or with `--database postgresql` (or WATCHWORD_TEST_DATABASE=postgresql) on a PostgreSQL server of
its own. Parallel workers share that server and have a database each. On PostgreSQL only those tests run that may use
the tests' database.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.left_out import ON_THE_OTHER_DATABASE

KEYS = "v1:testkey1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
DATABASES = ("sqlite", "postgresql")

# The first process passes the server's address to the parallel workers in this variable.
SERVER_URL = "TEST_POSTGRESQL_URL"

# Parallel workers have a folder each inside the first process's folder, which that process removes at its end.
PARENT_FOLDER = "TEST_PARENT_FOLDER"

home = Path(tempfile.mkdtemp(prefix="watchword-tests-", dir=os.environ.get(PARENT_FOLDER)))
if PARENT_FOLDER not in os.environ:
    os.environ[PARENT_FOLDER] = str(home)
    atexit.register(shutil.rmtree, home, ignore_errors=True)

_requested = os.environ.get("WATCHWORD_TEST_DATABASE", "sqlite")

for _name in [name for name in os.environ if name.startswith("WATCHWORD_")]:
    del os.environ[_name]
os.environ.update(WATCHWORD_DEMO="yes", WATCHWORD_HOME=str(home), WATCHWORD_KEYS=KEYS)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option."""
    parser.addoption("--database", choices=DATABASES, default=None, help="what the tests' database is on")


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Start the server before Django's settings are read."""
    requested = early_config.known_args_namespace.database or _requested
    if requested not in DATABASES:
        raise pytest.UsageError(f"WATCHWORD_TEST_DATABASE is {requested!r}; expected one of {', '.join(DATABASES)}")
    if url := os.environ.get(SERVER_URL):
        os.environ["WATCHWORD_DATABASE_URL"] = url
    elif requested == "postgresql":
        from tests import postgres

        try:
            cluster = postgres.start()
        except postgres.NoPostgres as reason:
            raise pytest.UsageError(f"can't run on PostgreSQL: {reason}") from None
        atexit.register(cluster.stop)
        os.environ[SERVER_URL] = os.environ["WATCHWORD_DATABASE_URL"] = cluster.url("watchword")
    yield


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip on SQLite the tests that need PostgreSQL; deselect on PostgreSQL those that don't use a database."""
    if SERVER_URL not in os.environ:
        for item in items:
            if item.get_closest_marker("postgres"):
                item.add_marker(pytest.mark.skip(reason=f"{ON_THE_OTHER_DATABASE}PostgreSQL"))
        return
    same = [item for item in items if not differs_by_database(item)]
    if same:
        config.hook.pytest_deselected(items=same)
        items[:] = [item for item in items if differs_by_database(item)]


def differs_by_database(item: pytest.Item) -> bool:
    """Return whether a test may use the tests' database: pytest-django denies it to all others."""
    if item.get_closest_marker("any_database"):
        return False
    named = {"db", "transactional_db", "django_db_setup"} & set(getattr(item, "fixturenames", ()))
    return bool(named) or item.get_closest_marker("django_db") is not None


def pytest_report_header() -> str:
    """Return the line that names the database of the run."""
    if os.environ.get(SERVER_URL):
        return "database: PostgreSQL, for the tests that may use one; the others are the same on SQLite"
    return "database: SQLite"
