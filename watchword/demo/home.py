"""The demo's folder: one demo at a time, and only what a demo made is ever forgotten."""

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
    """The folder is somebody else's, or another demo runs in it; the words say which."""


@contextmanager
def hold(home: Path) -> Iterator[None]:
    """Keep other demos out of a folder, for as long as this process lives; raises CannotUse."""
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
    """Remove what an earlier demo made in its folder; raises CannotUse if what is there is no demo's."""
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
    """Whether there is anything to lose: the checks at the start connect, and leave a new file without tables."""
    try:
        return bool(connection.introspection.table_names())
    except DatabaseError:
        return True


def forget_mails(home: Path) -> None:
    """Remove all mailboxes of the demo."""
    if (home / MAILBOXES).is_dir():
        shutil.rmtree(home / MAILBOXES)
