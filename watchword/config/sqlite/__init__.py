"""Django's SQLite backend with a library that is new enough not to corrupt the write-ahead log.

A bug fixed in SQLite 3.51.3 could corrupt a database in WAL mode, and most systems still ship older libraries. The
`pysqlite3` wheel brings its own; it replaces `sqlite3` here, before Django's backend is imported.
"""

import sys

import pysqlite3
from pysqlite3 import dbapi2

OLDEST_SOUND_LIBRARY = (3, 51, 3)

sys.modules["sqlite3"] = pysqlite3
sys.modules["sqlite3.dbapi2"] = dbapi2


def library_version() -> tuple[int, ...]:
    """Return the version of the SQLite library in use, such as `(3, 53, 4)`."""
    return tuple(dbapi2.sqlite_version_info)


def unsound_library(version: tuple[int, ...]) -> str | None:
    """Return why a database must not be opened with a version of the library, or None if it is sound."""
    if version >= OLDEST_SOUND_LIBRARY:
        return None
    found, wanted = (".".join(map(str, numbers)) for numbers in (version, OLDEST_SOUND_LIBRARY))
    return (
        f"The SQLite library is {found}, which can corrupt a database in WAL mode; {wanted} or newer is needed. "
        "Install the pysqlite3 wheel named in requirements.txt, or use PostgreSQL (WATCHWORD_DATABASE_URL)."
    )
