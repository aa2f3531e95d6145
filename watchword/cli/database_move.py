"""`watchword db move --to URL`: copies a SQLite database into an empty PostgreSQL one, and compares every row.

Everything happens in one transaction of PostgreSQL, the tables too, so that an interrupted move leaves the target empty
as it was. The source is locked against writers and not changed. Sealed values are copied as they are.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from watchword.cli import database_dump
from watchword.cli.archive import ArchiveError, exit_status
from watchword.cli.main import set_up_django
from watchword.config.databases import database_settings, url_without_password
from watchword.config.environment import SecretFileError, read_secret_file, read_setting
from watchword.config.parsers import InvalidSetting
from watchword.config.setting_definitions import DATABASE_URL

if TYPE_CHECKING:
    from django.db.models import Model

ROWS_AT_ONCE = 1000
_OWN_TABLES = frozenset({"django_migrations", "sqlite_sequence"})
_DIGEST_BITS = 256


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its columns, and the type of each as Django names it."""

    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]


@dataclass(slots=True)
class Checksum:
    """The number of rows and the sum of their digests, which does not depend on their order."""

    rows: int = 0
    digests: int = 0

    def add(self, row: Sequence[object]) -> None:
        """Count one row."""
        text = json.dumps([_canonical(value) for value in row], sort_keys=True, separators=(",", ":"))
        self.rows += 1
        self.digests = (self.digests + int.from_bytes(hashlib.sha256(text.encode()).digest())) % (1 << _DIGEST_BITS)


def move(arguments: Sequence[str]) -> int:
    """Run `watchword db`; return 0 if every row was moved, else 1, and then the target is as empty as before."""
    parser = argparse.ArgumentParser(
        prog="watchword db",
        description="Move the database from SQLite to PostgreSQL. Stop every process of Watchword first: the source is "
        "locked meanwhile, and is not served any more afterwards. It is not changed.",
    )
    parser.add_argument("act", choices=["move"], help="move: copy all rows into an empty database, and compare them")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument(
        "--to", metavar="URL", help="postgresql://…, without a password: arguments can be seen by others"
    )
    target.add_argument(
        "--to-file", type=Path, metavar="FILE", help="a file with that URL that only its owner can read"
    )
    config = parser.parse_args(arguments)
    return exit_status("db move", partial(_move, config))


def _move(config: argparse.Namespace) -> int:
    source, target, url = _both(config)
    place = Path(str(source["NAME"]))
    if not place.exists():
        raise ArchiveError(f"there is no database at {place}")
    if found := database_dump.what_is_there(target):
        raise ArchiveError(f"{found}; the target must be empty, and was left as it is")
    # Django's default database is the target, so that its migrations, its checks and the event go there.
    os.environ.pop(DATABASE_URL.file_variable, None)
    os.environ[DATABASE_URL.variable] = url
    if set_up_django() != 0:
        raise ArchiveError("the settings are wrong, and nothing was moved")
    from django.db import DatabaseError, connection, transaction
    from pysqlite3 import dbapi2

    from watchword.core.database_errors import name_of_trouble

    try:
        with closing(dbapi2.connect(str(place), timeout=5, isolation_level=None)) as reader:
            # Others may read; whoever wants to write waits, and then fails.
            reader.execute("BEGIN IMMEDIATE")
            with transaction.atomic():
                totals = _copy_all(reader)
            reader.execute("ROLLBACK")
    except dbapi2.Error as error:
        raise ArchiveError(
            f"the source can't be used: {name_of_trouble(error)}; is a process of Watchword still running?"
        ) from None
    except DatabaseError as error:
        raise ArchiveError(f"the target can't be used: {name_of_trouble(error)}; it is empty again") from None
    finally:
        connection.close()
    rows = sum(checksum.rows for checksum in totals.values())
    print(f"Moved {rows} rows of {len(totals)} tables to {url_without_password(target)}, and compared each.")
    print("Set WATCHWORD_DATABASE_URL to it, start Watchword, and run `watchword verify`.")
    print(f"Then take {place} away: it was not changed, and must not be served any more.")
    return 0


def _both(config: argparse.Namespace) -> tuple[Mapping[str, object], Mapping[str, object], str]:
    try:
        source = read_setting(os.environ, DATABASE_URL)
        url = config.to if config.to_file is None else read_secret_file(config.to_file).strip()
    except InvalidSetting as error:
        raise ArchiveError(str(error)) from None
    except SecretFileError as error:
        raise ArchiveError(str(error).replace("names ", "--to-file: ", 1)) from None
    if database_dump.engine_of(source) != "sqlite":
        raise ArchiveError("the database is on PostgreSQL already; only from SQLite to PostgreSQL can it be moved")
    try:
        target = database_settings(url)
    except InvalidSetting as error:
        raise ArchiveError(f"the URL of the target {error}") from None
    if database_dump.engine_of(target) != "postgresql":
        raise ArchiveError("the URL of the target must begin with postgresql://; only to PostgreSQL can be moved")
    if config.to is not None and target["PASSWORD"]:
        raise ArchiveError("the URL holds a password, which others can see in the arguments; use --to-file")
    return source, target, url


def _copy_all(reader: Any) -> dict[str, Checksum]:
    """Make the tables, copy and compare all rows, set the sequences, record it, and verify; raises ArchiveError."""
    from django.core.management import call_command
    from django.core.management.color import no_style
    from django.db import connection
    from django.utils import timezone

    from watchword.audit.console import console_origin
    from watchword.audit.events import EventKind
    from watchword.audit.maintenance import Task, note_run
    from watchword.audit.record import record
    from watchword.cli.verify import verify

    call_command("migrate", verbosity=0)
    models = _models()
    tables = [_table_of(model) for model in models]
    _refuse_what_is_not_known(reader, tables)
    totals = {}
    with connection.cursor() as cursor:
        for table in tables:
            totals[table.name] = _copy(reader, cursor, table)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in tables:
            if _checksum_of(cursor, table) != totals[table.name]:
                raise ArchiveError(
                    f"the rows of {table.name} are not the same on both sides; the target is empty again"
                )
        for statement in connection.ops.sequence_reset_sql(no_style(), models):
            cursor.execute(statement)
    now = timezone.now()
    record(EventKind.DATABASE_MOVED, now=now, origin=console_origin(), details={"from": "sqlite", "to": "postgresql"})
    note_run(Task.MOVE, now=now)
    if problems := verify(now=now).problems:
        raise ArchiveError(f"the moved database is not as it must be: {problems[0]}; the target is empty again")
    return totals


def _models() -> list[type[Model]]:
    from django.apps import apps

    return [model for model in apps.get_models(include_auto_created=True) if model._meta.managed]


def _table_of(model: type[Model]) -> Table:
    fields = model._meta.concrete_fields
    columns = [field.column for field in fields]
    assert all(columns)
    types = []
    for field in fields:
        # A key to another table has the type of that table's key, which may itself be a key to a third.
        of = field
        while (target := getattr(of, "target_field", None)) is not None:
            of = target
        types.append(of.get_internal_type())
    return Table(model._meta.db_table, tuple(str(column) for column in columns), tuple(types))


def _refuse_what_is_not_known(reader: Any, tables: list[Table]) -> None:
    """Raise ArchiveError if the source has other tables or migrations than the target: rows would be lost."""
    from django.db import connection

    there = {name for (name,) in reader.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    known = {table.name for table in tables}
    if other := sorted(there - known - _OWN_TABLES):
        raise ArchiveError(
            f"the source has the table {other[0]}, which this installation does not know; nothing was moved"
        )
    query = "SELECT app, name FROM django_migrations"
    with connection.cursor() as cursor:
        cursor.execute(query)
        ours = set(cursor.fetchall())
    if known - there or {tuple(row) for row in reader.execute(query)} != ours:
        raise ArchiveError("the source isn't up to date with this release; run `watchword migrate` on it first")


def _copy(reader: Any, cursor: Any, table: Table) -> Checksum:
    from psycopg import DataError, sql

    checksum = Checksum()
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, table.columns))
    )
    try:
        with cursor.copy(statement) as copy:
            for row in _rows_of(reader, table):
                checksum.add(row)
                copy.write_row([_written(value) for value in row])
    except DataError:
        raise ArchiveError(
            f"a row of {table.name} doesn't fit into PostgreSQL (a longer text than allowed, or a NUL); "
            "the target is empty again"
        ) from None
    return checksum


def _rows_of(reader: Any, table: Table) -> Iterator[list[object]]:
    columns = ", ".join(f'"{column}"' for column in table.columns)
    readers = [_READ.get(kind) for kind in table.types]
    for row in reader.execute(f'SELECT {columns} FROM "{table.name}"'):  # noqa: S608  (names of the models)
        yield [
            value if value is None or read is None else read(value) for value, read in zip(row, readers, strict=True)
        ]


def _checksum_of(cursor: Any, table: Table) -> Checksum:
    checksum = Checksum()
    columns = ", ".join(f'"{column}"' for column in table.columns)
    is_json = [kind == "JSONField" for kind in table.types]
    cursor.execute(f'DECLARE moved NO SCROLL CURSOR FOR SELECT {columns} FROM "{table.name}"')  # noqa: S608  (names of the models)
    while True:
        cursor.execute(f"FETCH {ROWS_AT_ONCE} FROM moved")
        rows = cursor.fetchall()
        for row in rows:
            checksum.add(
                [
                    _Json(json.loads(value) if isinstance(value, str) else value)
                    if of_json and value is not None
                    else value
                    for value, of_json in zip(row, is_json, strict=True)
                ]
            )
        if not rows:
            break
    cursor.execute("CLOSE moved")
    return checksum


@dataclass(frozen=True, slots=True)
class _Json:
    value: object


def _moment(text: str) -> datetime:
    # Django writes times in UTC and without an offset.
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


_READ: Mapping[str, Callable[[Any], object]] = {
    "UUIDField": lambda text: UUID(hex=text),
    "DateTimeField": _moment,
    "DateField": date.fromisoformat,
    "BooleanField": bool,
    "BinaryField": bytes,
    "JSONField": lambda text: _Json(json.loads(text)),
}
"""How values of SQLite become those of Python, by the type of the field."""


def _written(value: object) -> object:
    return json.dumps(value.value) if isinstance(value, _Json) else value


def _canonical(value: object) -> object:
    """Return a value in one form, whichever database it was read from."""
    match value:
        case _Json():
            return ["json", _number_free(value.value)]
        case datetime():
            return ["time", value.astimezone(UTC).isoformat()]
        case date() | UUID():
            return [type(value).__name__, str(value)]
        case bytes() | memoryview():
            return ["octets", bytes(value).hex()]
        case _:
            return value


def _number_free(value: object) -> object:
    """Return JSON in which 1.0 and 1 are the same: PostgreSQL stores numbers, not their spelling."""
    if isinstance(value, dict):
        return {key: _number_free(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_number_free(each) for each in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
