"""Copies the database into a file while it is served, and loads such a file into an empty database.

SQLite is copied by its online backup API, PostgreSQL by pg_dump in its custom format. The facts for the manifest are
read from the copy itself, or in the snapshot that pg_dump uses, so that they fit.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from watchword.cli.archive import ArchiveError
from watchword.config.databases import SQLITE, connection_parameters
from watchword.core.database_errors import name_of_trouble

MEMBERS = {"sqlite": "database.sqlite3", "postgresql": "database.pgdump"}
"""The name of the database within an archive, for each engine."""
UNFINISHED = "watchword_unfinished"
"""A table that stands in a PostgreSQL database while a restore into it is not complete, so that nothing serves it."""
_BUSY_SECONDS = 30
_SERVICE = "watchword"
_WHY_FAILED = 300
_FAILED_SECONDS = 2


@dataclass(frozen=True, slots=True)
class DumpFacts:
    """What a copy of the database says about itself."""

    migrations: list[list[str]]
    keys: dict[str, str]
    seal: str
    lowest_release: str
    events: int


def engine_of(database: Mapping[str, object]) -> str:
    """Return ``sqlite`` or ``postgresql`` for Django's entry of a database."""
    return "sqlite" if database["ENGINE"] == SQLITE else "postgresql"


def dump(database: Mapping[str, object], to: Path) -> DumpFacts:
    """Copy the database into a new file as it was at one moment; writers go on. Raises ArchiveError."""
    if engine_of(database) == "sqlite":
        return _dump_sqlite(Path(str(database["NAME"])), to)
    return _dump_postgresql(database, to)


def what_is_there(database: Mapping[str, object]) -> str:
    """Return what keeps a database from being loaded into, or an empty text; raises ArchiveError.

    A PostgreSQL database that an interrupted restore left is emptied.
    """
    if engine_of(database) == "sqlite":
        path = Path(str(database["NAME"]))
        # A journal of another database would be played into the restored one.
        found = [
            each for each in (path, *(Path(f"{path}{end}") for end in ("-wal", "-shm", "-journal"))) if each.exists()
        ]
        return f"{found[0]} exists" if found else ""
    import psycopg

    try:
        with psycopg.connect(**_parameters(database)) as connection:
            if tables := _tables(connection):
                if UNFINISHED not in tables:
                    return f"the database {database['NAME']} holds {len(tables)} tables"
                for table in tables:
                    connection.execute(f'DROP TABLE IF EXISTS "{table}" CASCADE')
    except psycopg.Error as error:
        raise ArchiveError(f"the database can't be used: {name_of_trouble(error)}") from None
    return ""


def load_postgresql(database: Mapping[str, object], dumped: Path) -> None:
    """Load a dump into an empty database, marked as unfinished; raises ArchiveError."""
    with _service(database) as environment:
        words = [
            "psql",
            "--no-psqlrc",
            "--quiet",
            "--single-transaction",
            "--set=ON_ERROR_STOP=1",
            "--output=/dev/null",
        ]
        # The table is made in the same transaction, so that the database is never seen without it.
        words += ["--file=-", "--command=SET search_path TO DEFAULT"]
        words += [f"--command=CREATE TABLE {UNFINISHED} (since timestamptz DEFAULT now())"]
        writer = _start([*words, f"--dbname=service={_SERVICE}"], environment, stdin=subprocess.PIPE)
        assert writer.stdin is not None
        reading = ["pg_restore", "--no-owner", "--no-privileges", "--file=-", str(dumped)]
        try:
            _finish(_start(reading, environment, stdout=writer.stdin))
        except ArchiveError:
            # psql takes the end of a script for its success: it must not commit what was cut off. If it failed first,
            # it has ended, and its error is the cause.
            with suppress(subprocess.TimeoutExpired):
                writer.wait(_FAILED_SECONDS)
            has_failed = writer.poll() is not None
            writer.kill()
            if has_failed:
                _finish(writer)
            raise
        finally:
            writer.stdin.close()
        _finish(writer)


def _dump_sqlite(source: Path, to: Path) -> DumpFacts:
    from pysqlite3 import dbapi2

    try:
        with (
            closing(dbapi2.connect(str(source), timeout=_BUSY_SECONDS)) as reader,
            closing(dbapi2.connect(str(to), timeout=_BUSY_SECONDS)) as copy,
        ):
            # All pages in one step: a snapshot, which no writer makes begin again, and which no writer waits for.
            reader.backup(copy, pages=-1)
            # A copy in one file: no journal that could be left behind.
            copy.execute("PRAGMA journal_mode = DELETE").fetchone()
            said = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
            if said != "ok":
                raise ArchiveError("the database is damaged (PRAGMA quick_check); restore the last good backup")
            return _facts(copy)
    except dbapi2.Error as error:
        # An error of the backup API has no code; its text is SQLite's own and holds no value.
        trouble = name_of_trouble(error) if hasattr(error, "sqlite_errorname") else str(error)
        raise ArchiveError(f"the database can't be copied: {trouble}") from None


def _dump_postgresql(database: Mapping[str, object], to: Path) -> DumpFacts:
    import psycopg

    try:
        with psycopg.connect(**_parameters(database)) as connection, _service(database) as environment:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            row = connection.execute("SELECT pg_export_snapshot()").fetchone()
            assert row is not None
            words = ["pg_dump", "--format=custom", f"--snapshot={row[0]}", "--no-owner", "--no-privileges"]
            _finish(_start([*words, f"--file={to}", f"--dbname=service={_SERVICE}"], environment))
            return _facts(connection)
    except psycopg.Error as error:
        raise ArchiveError(f"the database can't be copied: {name_of_trouble(error)}") from None


def _facts(connection: Any) -> DumpFacts:
    def rows(query: str) -> list[tuple[Any, ...]]:
        return list(connection.execute(query).fetchall())

    return DumpFacts(
        migrations=[list(row) for row in rows("SELECT app, name FROM django_migrations ORDER BY app, name")],
        keys={
            key: bytes(probe).hex()
            for key, probe in rows("SELECT key_id, probe FROM audit_sealingkey WHERE retired_at IS NULL")
        },
        seal=next((bytes(row[0]).hex() for row in rows("SELECT digest FROM audit_seal ORDER BY id DESC LIMIT 1")), ""),
        lowest_release=next((row[0] for row in rows("SELECT lowest FROM audit_release")), ""),
        events=rows("SELECT count(*) FROM audit_event")[0][0],
    )


def _tables(connection: Any) -> list[str]:
    query = (
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname = current_schema() ORDER BY 1"
    )
    return [row[0] for row in connection.execute(query).fetchall()]


def _parameters(database: Mapping[str, object]) -> dict[str, Any]:
    return {**connection_parameters(database)}


@contextmanager
def _service(database: Mapping[str, object]) -> Iterator[dict[str, str]]:
    """Yield the environment in which PostgreSQL's programs find the database as ``service=watchword``.

    The parameters, some of which are secret, stand in a file that only this user can read, and never in an argument.
    """
    with tempfile.TemporaryDirectory(prefix="watchword-") as folder:
        file = Path(folder, "pg_service.conf")
        parameters = connection_parameters(database)
        password = parameters.pop("password", "")
        lines = [f"[{_SERVICE}]", *(f"{name}={value}" for name, value in parameters.items())]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        passed = {name: value for name, value in os.environ.items() if not name.startswith("WATCHWORD_")}
        # libpq's file of services cuts spaces off the end of a line, which a password may have.
        secret = {"PGPASSWORD": password} if password else {}
        yield {**passed, "PGSERVICEFILE": str(file), **secret}


def _start(
    words: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: Any = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603  (PostgreSQL's own programs)
            words, env=dict(environment), stdin=stdin, stdout=stdout, stderr=subprocess.PIPE
        )
    except OSError as error:
        raise ArchiveError(
            f"{words[0]} can't be run ({error.strerror}); install PostgreSQL's client programs "
            "(Debian: postgresql-client), at least as new as the server"
        ) from None


def _finish(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a program; raises ArchiveError with its first error."""
    assert process.stderr is not None
    assert isinstance(process.args, list)
    with process.stderr as output:
        said = output.read().decode("utf-8", "replace").strip().splitlines()
    if process.wait() != 0:
        # The first line is the cause; a later one may quote data.
        raise ArchiveError(f"{process.args[0]} failed: {said[0][:_WHY_FAILED] if said else process.returncode}")
