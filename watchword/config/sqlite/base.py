"""The database backend that Django loads for `ENGINE = "watchword.config.sqlite"`."""

import itertools
import time
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.sqlite3 import base, features, operations
from pysqlite3 import dbapi2

from watchword.audit.metrics import LOCK_WAIT_SECONDS, SHORTEST_WAIT_SECONDS
from watchword.config.sqlite import library_version, unsound_library

# SQLite's own limits as the wheel compiles it; its connections can't be queried (they lack `getlimit`).
MOST_PARAMETERS = 250_000
MOST_COLUMNS = 2_000

BUSY_SECONDS = 10
PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA trusted_schema = OFF",
    # Deleted content is overwritten with zeros on every page that is written anyway.
    "PRAGMA secure_delete = FAST",
)


class DatabaseFeatures(features.DatabaseFeatures):
    """Features of this build of SQLite."""

    max_query_params = MOST_PARAMETERS


class DatabaseOperations(operations.DatabaseOperations):
    """Django's operations, without asking the connection for its limits."""

    def _quote_params_for_last_executed_query(self, params: Any) -> tuple[Any, ...]:
        quoted: list[Any] = []
        for chunk in itertools.batched(params, MOST_COLUMNS):
            select = "SELECT " + ", ".join(["QUOTE(?)"] * len(chunk))
            cursor = self.connection.connection.cursor()
            try:
                quoted += cursor.execute(select, chunk).fetchone()
            finally:
                cursor.close()
        return tuple(quoted)


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that is durable after each commit, waits for the write lock, and enforces foreign keys."""

    features_class = DatabaseFeatures
    ops_class = DatabaseOperations

    def get_connection_params(self) -> dict[str, Any]:
        """Return Django's parameters, with BEGIN IMMEDIATE, so that no transaction fails on the write lock later."""
        if reason := unsound_library(library_version()):
            raise ImproperlyConfigured(reason)
        options = {"timeout": BUSY_SECONDS, "transaction_mode": "IMMEDIATE", **self.settings_dict["OPTIONS"]}
        self.settings_dict["OPTIONS"] = options
        return super().get_connection_params()

    def _start_transaction_under_autocommit(self) -> None:
        # SQLite has one write lock: this is where processes wait for each other.
        began = time.perf_counter()
        super()._start_transaction_under_autocommit()  # type: ignore[misc]  # django-stubs lack it
        if (waited := time.perf_counter() - began) >= SHORTEST_WAIT_SECONDS:
            LOCK_WAIT_SECONDS.observe(waited)

    def get_new_connection(self, conn_params: dict[str, Any]) -> dbapi2.Connection:
        """Return a connection with the pragmas set (Django itself turns foreign keys on)."""
        connection = super().get_new_connection(conn_params)
        for pragma in PRAGMAS:
            connection.execute(pragma).close()
        return connection
