"""Checks whether this release can serve the database with its key ring; each reason why not is one sentence."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from watchword import __version__
from watchword.audit import installation
from watchword.audit.models import Release, SealingKey
from watchword.cli.database_dump import UNFINISHED
from watchword.config.databases import SQLITE
from watchword.config.environment import has_key_ring_in_variable
from watchword.core.database_errors import name_of_trouble

PAUSES = (0.1, 0.3, 0.6)
"""Seconds between the retries of a query."""


def why_not_ready() -> str | None:
    """Return why the database can't be served, or None. Writes nothing and creates no file.

    Checks in this order: the database exists and is writable, it answers, its migrations are neither older nor newer
    than this release, the key ring can open its sealed values.
    """
    return why_unusable() or _asked(lambda: _why_unfinished() or _why_wrong_release() or why_wrong_keys())


def why_not_migratable() -> str | None:
    """Return why the database must not be migrated, or None. A SQLite file that does not exist yet is created by it."""
    if is_sqlite() and not _path().exists():
        return None
    return why_unusable() or _asked(
        lambda: _why_unfinished() or _why_newer(MigrationLoader(connections[DEFAULT_DB_ALIAS])) or why_wrong_keys()
    )


def why_newer() -> str | None:
    """Return why this release is too old for the migrations of the database, or None."""
    return _asked(lambda: _why_newer(MigrationLoader(connections[DEFAULT_DB_ALIAS])))


def why_keys_not_noted() -> str | None:
    """Record which key seals from now on; return why that is not possible, or None.

    Called by every process before it writes.
    """
    return _asked(_note_keys)


def note_migrated() -> None:
    """Record which release migrated the database, and which key seals it; raises an error of the database."""
    installation.note_release(__version__, now=timezone.now())
    _note_keys()
    connections[DEFAULT_DB_ALIAS].close()


def _note_keys() -> None:
    installation.register_key(settings.WATCHWORD_KEY_RING, now=timezone.now())


def why_unusable() -> str | None:
    """Return why the database can't be opened for reading and writing, or None; for SQLite check its file first."""
    if is_sqlite():
        path = _path()
        if not path.parent.is_dir():
            return f"there is no folder {path.parent} for the database (WATCHWORD_HOME, WATCHWORD_DATABASE_URL)."
        if not path.exists():
            return (
                f"there is no database at {path}. If it should be there, correct WATCHWORD_DATABASE_URL or "
                "WATCHWORD_HOME; a new one is made by `watchword migrate`."
            )
        for place in (path, path.parent):
            if not os.access(place, os.R_OK | os.W_OK):
                return f"this user may not read and write {place}; see whose it is (ls -l) and mend that."
    return _asked(_connect)


def why_wrong_keys() -> str | None:
    """Return which keys that sealed the database the ring lacks; None if it lacks none, or if none is recorded yet."""
    if not has_table(SealingKey._meta.db_table):
        return None
    missing = installation.missing_keys(settings.WATCHWORD_KEY_RING)
    if not missing:
        return None
    which = f"the key {missing[0]}, which is" if len(missing) == 1 else f"the keys {', '.join(missing)}, which are"
    return (
        f"this database was sealed with {which} not on the ring in {_place_of_ring()}; restore that file from its "
        "copy. Where no copy is left, `watchword keys give-up` tells what can be done."
    )


def why_no_connection() -> str | None:
    """Return why the database can't be read and written now, or None; once, with the connection that is open.

    Raises the exceptions of a database that does not answer.
    """
    return _connect()


def failed_parts() -> tuple[str, ...]:
    """Return which of `keys` and `migrations` do not fit the database; asked once, with the connection that is open."""
    failed = {"keys": why_wrong_keys, "migrations": _why_wrong_release}
    return tuple(name for name, reason in failed.items() if reason() is not None)


def has_table(name: str) -> bool:
    """Return whether the database has a table of this name."""
    return name in connections[DEFAULT_DB_ALIAS].introspection.table_names()


def is_sqlite() -> bool:
    """Return whether the database is a SQLite file."""
    return bool(connections[DEFAULT_DB_ALIAS].settings_dict["ENGINE"] == SQLITE)


def _path() -> Path:
    return Path(str(connections[DEFAULT_DB_ALIAS].settings_dict["NAME"]))


def _place_of_ring() -> str:
    return "WATCHWORD_KEYS" if has_key_ring_in_variable(os.environ) else str(settings.WATCHWORD_KEY_FILE)


def _asked(question: Callable[[], str | None]) -> str | None:
    """Run a check on the database, with retries; an error that stays is the result.

    Close the connection: it must not be shared across a fork.
    """
    trouble = ""
    for pause in (*PAUSES, None):
        try:
            return question()
        except (DatabaseError, InterfaceError) as error:
            trouble = f"the database can't be used: {name_of_trouble(error)}."
        finally:
            connections[DEFAULT_DB_ALIAS].close()
        if pause is not None:
            # A lock, or a disk that fails once, is no reason not to start.
            time.sleep(pause)
    return trouble


def _connect() -> str | None:
    connection = connections[DEFAULT_DB_ALIAS]
    connection.ensure_connection()
    with connection.cursor() as cursor:
        # Opening a file proves nothing: SQLite reads it with the first query.
        cursor.execute("PRAGMA schema_version" if is_sqlite() else "SELECT 1")
        cursor.fetchone()
        if is_sqlite():
            return None
        cursor.execute("SHOW transaction_read_only")
        return "the database is read-only; is it a replica?" if cursor.fetchone()[0] == "on" else None


def _why_unfinished() -> str | None:
    if not has_table(UNFINISHED):
        return None
    return "a restore into this database was not finished, so nobody is served from it; run `watchword restore` again."


def _why_wrong_release() -> str | None:
    executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
    if not executor.loader.applied_migrations:
        return "the database is empty; run `watchword migrate` first, or correct WATCHWORD_DATABASE_URL."
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return "the database isn't up to date; run `watchword migrate` first."
    return _why_newer(executor.loader)


def _why_newer(loader: MigrationLoader) -> str | None:
    ours = {app for app, _name in loader.disk_migrations}
    unknown = [each for each in loader.applied_migrations if each[0] in ours and each not in loader.disk_migrations]
    row = None
    if has_table(Release._meta.db_table):
        row = installation.noted_release()
    if installation.may_serve(__version__, row) or (row is None and not unknown):
        return None
    made_by, lowest = (row.migrated_by, row.lowest) if row is not None else ("a newer release", "")
    requires = f"needs Watchword {lowest} or newer" if lowest else "needs that release"
    return f"this database was migrated by {made_by} and {requires}; this is Watchword {__version__}."
