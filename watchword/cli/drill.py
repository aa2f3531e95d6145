"""The drill of `watchword backup --drill`: restores an archive into a scratch database, verifies and removes it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from watchword.cli.archive import ArchiveError, Manifest
from watchword.cli.database_dump import engine_of
from watchword.config.databases import connection_parameters, url_of
from watchword.config.environment import has_key_ring_in_variable
from watchword.config.setting_definitions import DATABASE_URL, HOME, KEYS
from watchword.core.database_errors import name_of_trouble

_SECONDS = 3600
_DATABASE = (DATABASE_URL.variable, DATABASE_URL.file_variable)


def drill(archive: Path, manifest: Manifest) -> None:
    """Restore an archive as an operator does, by the same commands, and verify it; raises ArchiveError if one fails."""
    from django.conf import settings

    with (
        tempfile.TemporaryDirectory(prefix="watchword-drill-") as folder,
        _scratch(settings.DATABASES["default"]) as url,
    ):
        home = Path(folder)
        address = home / "database-url"
        address.write_text(url or f"sqlite://{home}/watchword.sqlite3", encoding="utf-8")
        address.chmod(0o600)
        variables = {name: value for name, value in os.environ.items() if name not in _DATABASE}
        if not has_key_ring_in_variable(os.environ):
            variables[KEYS.file_variable] = str(settings.WATCHWORD_KEY_FILE)
        variables |= {HOME.variable: folder, DATABASE_URL.file_variable: str(address)}
        _run(["restore", str(archive.resolve())], variables)
        _run(["verify", *(["--expect", manifest.seal] if manifest.seal else [])], variables)


def _run(words: list[str], variables: Mapping[str, str]) -> None:
    done = subprocess.run(  # noqa: S603  (this program itself)
        [sys.executable, "-m", "watchword.cli.main", *words],
        env=dict(variables),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or f"it returned {done.returncode}").splitlines()
        raise ArchiveError(f"the drill failed, so this archive could not be restored: {said[0]}")


@contextmanager
def _scratch(database: Mapping[str, object]) -> Iterator[str]:
    """Yield the URL of an empty PostgreSQL database, removed afterwards; for SQLite an empty text."""
    if engine_of(database) == "sqlite":
        yield ""
        return
    import psycopg
    from psycopg import sql

    parameters = connection_parameters(database)
    name = f"watchword_drill_{uuid4().hex[:12]}"
    try:
        with psycopg.connect(psycopg.conninfo.make_conninfo(**parameters), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
            try:
                yield url_of({**parameters, "dbname": name})
            finally:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege:
        raise ArchiveError(
            "the drill needs a scratch database: let the role make one (ALTER ROLE … CREATEDB)"
        ) from None
    except psycopg.Error as error:
        raise ArchiveError(f"the drill's scratch database can't be used: {name_of_trouble(error)}") from None
