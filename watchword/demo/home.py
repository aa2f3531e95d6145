"""The demo's folder: a lock for one demo at a time, and the removal of files that a demo created."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import DatabaseError, connection

from watchword.demo import card, ports, real_phones

DATABASE = "watchword.sqlite3"
LOCK = "demo.lock"
MAILBOXES = "mailboxes"
_FORGOTTEN = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", card.FILE, ports.FILE, real_phones.FILE)


class CannotUse(Exception):
    """The folder belongs to another program, or another demo runs in it; the message says which."""


@contextmanager
def hold(home: Path) -> Iterator[None]:
    """Lock a folder against other demos for the lifetime of this process; raise CannotUse."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(home / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotUse(f"another demo runs in {home}; end it first, or choose another WATCHWORD_HOME") from None
        yield
    finally:
        os.close(descriptor)


def forget(home: Path) -> None:
    """Remove the files of an earlier demo from its folder; raise CannotUse if no demo created them."""
    if Path(str(connection.settings_dict["NAME"])) != home / DATABASE:
        raise CannotUse(
            "only a SQLite file of its own is forgotten; empty the database of WATCHWORD_DATABASE_URL yourself"
        )
    if (home / DATABASE).exists() and not (home / card.FILE).exists() and _has_tables():
        raise CannotUse(f"{home} holds a database that no demo made, so nothing was removed")
    connection.close()
    for name in _FORGOTTEN:
        (home / name).unlink(missing_ok=True)
    forget_mails(home)


def _has_tables() -> bool:
    """Return whether data could be lost: the checks at the start connect, and leave a new file without tables."""
    try:
        return bool(connection.introspection.table_names())
    except DatabaseError:
        return True


def forget_mails(home: Path) -> None:
    """Remove all mailboxes of the demo."""
    if (home / MAILBOXES).is_dir():
        shutil.rmtree(home / MAILBOXES)
