"""`watchword restore`: loads a backup into an empty home, and makes it safe to serve."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from watchword.cli import archive, database_dump, key_copy
from watchword.cli.archive import ArchiveError, Manifest, exit_status
from watchword.cli.main import set_up_django
from watchword.config import keyfile
from watchword.config.environment import has_key_ring_in_variable, key_file_path, read_setting
from watchword.config.parsers import InvalidSetting
from watchword.config.setting_definitions import DATABASE_URL, KEYS
from watchword.core.keyring import KeyRing, KeyRingError

if TYPE_CHECKING:
    from watchword.signin.access_list import AccessList
    from watchword.signin.restored_database import EndedAccess, RevokedAgain

_MOST_NAMES = 200


def restore(arguments: Sequence[str]) -> int:
    """Run the command; return 0 if the database was restored and verified, else 1, and then nothing is in its place."""
    parser = argparse.ArgumentParser(
        prog="watchword restore",
        description="Load a backup into an empty home: no database may be there. Afterwards every session, code and "
        "one-time link has ended. What was revoked since the backup is revoked again by an access list.",
    )
    parser.add_argument("archive", type=Path, help="as `watchword backup` wrote it")
    parser.add_argument("--access-list", type=Path, metavar="FILE", help="the newest one of `watchword access-list`")
    parser.add_argument("--pause-app-passwords", action="store_true", help="until their owners resume them on a page")
    parser.add_argument(
        "--keys", type=Path, metavar="FILE", help="the encrypted key ring of `watchword backup --keys-to`"
    )
    parser.add_argument("--identity", type=Path, metavar="FILE", help="the identity of age that opens it")
    parser.add_argument("--expect", default="", metavar="SEAL", help="a seal that must be in the restored log")
    config = parser.parse_args(arguments)
    if (config.keys is None) != (config.identity is None):
        parser.error("--keys and --identity belong together")
    return exit_status("restore", partial(_restore, config))


def _restore(config: argparse.Namespace) -> int:
    path: Path = config.archive
    try:
        manifest, is_ours = archive.check(path)
    except ArchiveError as error:
        raise ArchiveError(f"{path} {error}; nothing was written") from None
    try:
        database = read_setting(os.environ, DATABASE_URL)
    except InvalidSetting as error:
        raise ArchiveError(str(error)) from None
    engine = database_dump.engine_of(database)
    if engine != manifest.engine:
        raise ArchiveError(
            f"the archive holds a database of {manifest.engine}, and WATCHWORD_DATABASE_URL names one of {engine}; "
            "restore it into one of its kind (`watchword db move` leads from SQLite to PostgreSQL afterwards)"
        )
    if found := database_dump.what_is_there(database):
        raise ArchiveError(f"{found}: a backup is restored only where no database is, so nothing was written")
    with _keys_in_place(config, manifest, is_ours) as ring, _loaded(path, manifest, database) as put_in_place:
        if set_up_django() != 0:
            raise ArchiveError("the settings are wrong, so nothing is in its place")
        newer = _access_list(config.access_list, manifest, ring)
        now = _make_safe(config, manifest, newer)
        put_in_place()
    print(f"Restored the backup of {manifest.moment:%Y-%m-%d %H:%M:%S} UTC, at {now:%Y-%m-%d %H:%M:%S} UTC.")
    return 0


@contextmanager
def _keys_in_place(
    config: argparse.Namespace, manifest: Manifest, is_ours: Callable[[KeyRing], bool]
) -> Iterator[KeyRing]:
    """Yield the ring that opens this archive; a decrypted one is put into the key file, and taken away on failure."""
    path = key_file_path(os.environ)
    if config.keys is not None:
        if path.exists() or has_key_ring_in_variable(os.environ):
            raise ArchiveError("there is a key ring already; leave out --keys, or take that ring away")
        ring = key_copy.read(config.keys, config.identity)
    else:
        ring = _ring_here(path)
    if missing := manifest.missing_keys(ring):
        raise ArchiveError(
            f"this archive was sealed with the key {missing[0]}, which is not on the ring; restore the copy of the key "
            "ring that was made with the archive. Nothing was written."
        )
    if not is_ours(ring):
        raise ArchiveError(f"{config.archive} was changed, or made with another key ring; nothing was written")
    if config.keys is not None:
        try:
            keyfile.create(path, ring)
        except keyfile.KeyFileError as error:
            raise ArchiveError(str(error)) from None
    try:
        yield ring
    except BaseException:
        if config.keys is not None:
            path.unlink(missing_ok=True)
        raise


def _ring_here(path: Path) -> KeyRing:
    try:
        if has_key_ring_in_variable(os.environ):
            return KeyRing.parse(os.environ[KEYS.variable], random_source=os.urandom)
        return keyfile.read(path)
    except (keyfile.KeyFileError, KeyRingError) as error:
        raise ArchiveError(
            f"the key ring can't be read: {error}; put its copy there, or name one with --keys and --identity"
        ) from None


@contextmanager
def _loaded(path: Path, manifest: Manifest, database: Mapping[str, object]) -> Iterator[Callable[[], None]]:
    """Load the database where nothing serves it yet, for Django too; yield the function that puts it into service."""
    member = database_dump.MEMBERS[manifest.engine]
    try:
        if manifest.engine == "sqlite":
            place = Path(str(database["NAME"]))
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".watchword-restore-", dir=place.parent) as folder:
                copy = Path(folder, member)
                archive.extract(path, manifest, member, copy)
                os.environ.pop(DATABASE_URL.file_variable, None)
                os.environ[DATABASE_URL.variable] = f"sqlite://{quote(str(copy))}"
                yield lambda: _put_sqlite_in_place(copy, place)
        else:
            with tempfile.TemporaryDirectory(prefix="watchword-restore-") as folder:
                copy = Path(folder, member)
                archive.extract(path, manifest, member, copy)
                database_dump.load_postgresql(database, copy)
            yield _put_postgresql_in_place
    except OSError as error:
        raise ArchiveError(f"the database can't be written ({error.strerror}); nothing is in its place") from None


def _put_sqlite_in_place(copy: Path, place: Path) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        # Into one file: a journal would not come along.
        cursor.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    os.link(copy, place)
    archive.sync_folder(place.parent)


def _put_postgresql_in_place() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {database_dump.UNFINISHED}")
    connection.close()


def _access_list(path: Path | None, manifest: Manifest, ring: KeyRing) -> AccessList | None:
    from watchword.signin import access_list

    if path is None:
        return None
    try:
        found = access_list.parse(path.read_bytes(), ring)
    except OSError as error:
        raise ArchiveError(f"{path} can't be read ({error.strerror})") from None
    except access_list.AccessListError as error:
        raise ArchiveError(f"{path} {error}; nothing is in its place") from None
    if found.at < manifest.moment:
        raise ArchiveError(f"{path} is of {found.at:%Y-%m-%d %H:%M}, older than the backup: it says nothing of later")
    return found


def _make_safe(config: argparse.Namespace, manifest: Manifest, newer: AccessList | None) -> datetime:
    """Upgrade, end, revoke, record and verify; raises ArchiveError if the database is not as it must be."""
    from django.core.management import call_command
    from django.db import DatabaseError, transaction
    from django.utils import timezone

    from watchword.audit.console import console_origin
    from watchword.audit.events import EventKind
    from watchword.audit.maintenance import Task, note_run
    from watchword.audit.record import record
    from watchword.cli import readiness
    from watchword.cli.verify import verify
    from watchword.core.database_errors import name_of_trouble
    from watchword.signin import restored_database

    if reason := readiness.why_newer():
        raise ArchiveError(f"{reason} Nothing is in its place.")
    now = timezone.now()
    try:
        call_command("migrate", verbosity=0)
        readiness.note_migrated()
        with transaction.atomic():
            ended = restored_database.end_everything(now=now)
            again = restored_database.revoke_again(newer, origin=console_origin(), now=now) if newer else None
            paused = restored_database.pause_app_passwords(now=now) if config.pause_app_passwords else 0
            details = {"backup_of": manifest.made_at, "by_access_list": newer is not None, "paused": paused}
            record(EventKind.DATABASE_RESTORED, now=now, origin=console_origin(), details=details)
            note_run(Task.RESTORE, now=now, details={"backup_of": manifest.made_at})
        problems = list(verify(now=now).problems)
        expected = filter(None, (manifest.seal, config.expect))
        problems += [f"the seal {seal} is not in the log" for seal in expected if not _is_in_log(seal)]
    except DatabaseError as error:
        raise ArchiveError(f"the database can't be used: {name_of_trouble(error)}; nothing is in its place") from None
    if problems:
        for problem in problems:
            print(problem, file=sys.stderr)
        raise ArchiveError(f"{len(problems)} things are not as they must be, so nothing is in its place")
    _tell(manifest, ended, again, newer, paused)
    return now


def _tell(
    manifest: Manifest, ended: EndedAccess, again: RevokedAgain | None, newer: AccessList | None, paused: int
) -> None:
    print(
        f"Ended: {ended.sessions} sessions, {ended.attempts} sign-ins, {ended.codes} codes, {ended.links} links, "
        f"{ended.access_passes} access passes."
    )
    if paused:
        print(f"Paused: {paused} app passwords, until their owners resume them.")
    if again is not None and newer is not None:
        print(f"By the access list of {newer.at:%Y-%m-%d %H:%M:%S} UTC:")
        for words, names in (
            ("blocked again", again.blocked),
            ("deleted again", again.deleted),
            ("roles taken again", again.without_role),
            ("rights to send as others taken again", again.without_send_as),
            ("app passwords revoked again", again.app_passwords),
            ("app passwords paused again", again.paused),
            ("phones revoked again: these people need an administrator to register another", again.phones),
            ("account passwords revoked, as they were changed since: give new ones", again.passwords),
            (
                "people whose second factor was registered since: the password alone registers none",
                again.needs_second_factor,
            ),
            ("app passwords made since are lost: their owners make new ones", again.lost_app_passwords),
            ("phones registered since are lost", again.lost_phones),
            ("account passwords set since are lost", again.lost_passwords),
            ("people created since are lost", again.lost_people),
            ("organisations whose settings were changed since: look at them", again.changed_settings),
        ):
            _print_names(words, names)
    print("Look at:")
    if again is None:
        print(
            f"  - what was revoked after {manifest.moment:%Y-%m-%d %H:%M:%S} UTC is valid again: blocked people, "
            "deleted app passwords, roles, old account passwords. Only an access list could tell which."
        )
    print("  - mail servers: restart Dovecot and Postfix, so that open connections sign in again.")
    print("  - the settings and the phones file: they are not in a backup.")
    print("  - people who hold one of the ended links: make new invitations.")
    print(f"  - the log: its last seal was {manifest.seal or 'none'}; compare it with the one you stored.")


def _print_names(words: str, names: list[str]) -> None:
    if not names:
        return
    print(f"  {words} ({len(names)}):")
    for name in names[:_MOST_NAMES]:
        print(f"    {name}")
    if len(names) > _MOST_NAMES:
        print(f"    and {len(names) - _MOST_NAMES} more; the log has all of them")


def _is_in_log(seal: str) -> bool:
    from watchword.audit.models import Seal

    try:
        return Seal.objects.filter(digest=bytes.fromhex(seal)).exists()
    except ValueError:
        return False
