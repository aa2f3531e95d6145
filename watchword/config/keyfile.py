"""The file that holds the key ring: created once, never overwritten by a new ring, readable by its owner alone."""

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from watchword.config.databases import SQLITE, connection_parameters
from watchword.config.environment import SecretFileError, read_secret_file
from watchword.core.database_errors import name_of_trouble
from watchword.core.keyring import KeyRing, KeyRingError

OWNER_READS = 0o400


class KeyFileError(Exception):
    """The key file can't be made or changed; the message says why."""


def read(path: Path) -> KeyRing:
    """Return the ring in a file; raises KeyFileError."""
    try:
        return KeyRing.parse(read_secret_file(path), random_source=os.urandom)
    except SecretFileError as error:
        raise KeyFileError(str(error).replace("names ", "", 1)) from None
    except KeyRingError as error:
        raise KeyFileError(f"{path}: {error}") from None


def create(path: Path, restored: KeyRing | None = None) -> KeyRing:
    """Write a restored ring, or one with a new key, into a new file, and return it.

    Raises KeyFileError if the file exists: everything sealed with its keys would be lost.
    """
    ring = restored or KeyRing.create(random_source=os.urandom)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise KeyFileError(f"{path.parent} can't be made ({error.strerror})") from None
    try:
        # A hard link, unlike a rename, fails if the name is taken, and the file appears complete or not at all.
        _write(path, ring, lambda written: os.link(written, path))
    except FileExistsError:
        raise KeyFileError(f"{path} exists already and was left as it is; `watchword keys rotate` adds a key") from None
    except OSError as error:
        raise KeyFileError(f"{path} can't be written ({error.strerror})") from None
    return ring


def add(path: Path) -> str:
    """Append a new key to the ring in a file and return its id.

    It only opens at first: every process must have it before one process seals with it, otherwise the others reject
    valid passwords meanwhile.
    """
    ring = read(path).with_new_key()
    replace(path, ring)
    return ring.keys[-1].id


def use(path: Path, key_id: str) -> None:
    """Make a key of the ring in a file the first one, which seals."""
    try:
        replace(path, read(path).using(key_id))
    except KeyRingError as error:
        raise KeyFileError(f"{error} in {path}") from None


def without(path: Path, ring: KeyRing, key_id: str) -> KeyRing:
    """Return the ring of a file without one of its keys; raises KeyFileError if it is in use or not on the ring."""
    try:
        return ring.without(key_id)
    except KeyRingError as error:
        raise KeyFileError(f"{error} in {path}") from None


def replace(path: Path, ring: KeyRing) -> None:
    """Replace the ring in an existing file atomically."""
    try:
        _write(path, ring, lambda written: written.replace(path))
    except OSError as error:
        raise KeyFileError(f"{path} can't be written ({error.strerror})") from None


def read_or_create(path: Path) -> KeyRing:
    """Return the ring in a file, creating it if the file does not exist. For the demo."""
    try:
        return create(path)
    except KeyFileError:
        return read(path)


def _write(path: Path, ring: KeyRing, put: Callable[[Path], object]) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    written = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(ring.serialise())
            file.flush()
            os.fsync(file.fileno())
        written.chmod(OWNER_READS)
        put(written)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        written.unlink(missing_ok=True)


def what_database_holds(database: Mapping[str, object]) -> tuple[str, str]:
    """Return a description of the database if it holds data of Watchword, and the reason if that can't be determined.

    Query it without Django, which can't start without a ring. Create nothing.
    """
    if database.get("ENGINE") == SQLITE:
        path = Path(str(database["NAME"]))
        return (f"the database {path}", "") if path.exists() and path.stat().st_size else ("", "")
    if not database:
        return "", "WATCHWORD_DATABASE_URL is wrong"
    import psycopg
    from psycopg.conninfo import make_conninfo

    try:
        with psycopg.connect(make_conninfo(**connection_parameters(database))) as connection:
            found = connection.execute("SELECT to_regclass('django_migrations') IS NOT NULL").fetchone()
    except psycopg.Error as error:
        return "", name_of_trouble(error)
    return (f"the database {database['NAME']}", "") if found is not None and found[0] else ("", "")
