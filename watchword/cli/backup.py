"""`watchword backup`: copies the database into an archive while it is served, and the key ring into another file.

`watchword access-list` stands beside it: it writes what a restore must not give back.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from watchword import __version__
from watchword.cli import archive, database_dump, key_copy
from watchword.cli.archive import ArchiveError, Manifest, exit_status
from watchword.cli.main import set_up_django

if TYPE_CHECKING:
    from watchword.core.keyring import KeyRing

_NAME = "watchword-%Y-%m-%dT%H-%M-%SZ.tar.gz"
_NAMED = re.compile(r"watchword-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ\.tar\.gz")
_KEYS_END = ".keys.age"


def backup(arguments: Sequence[str]) -> int:
    """Run the command; return 0 if the archive was written and the drill, if asked for, succeeded, else 1."""
    parser = argparse.ArgumentParser(
        prog="watchword backup",
        description="Copy the database into one archive, while everything goes on. Store it on another machine. The "
        "key ring is not in it: without the ring nobody can read the numbers in it, nor restore it.",
    )
    parser.add_argument("target", nargs="?", type=Path, metavar="FILE|FOLDER", help="a new file, or a folder for one")
    parser.add_argument(
        "--keys-to",
        action="append",
        default=[],
        metavar="RECIPIENT",
        help="encrypt the key ring to this recipient of age (age1…), into a file of its own; more than once for more",
    )
    parser.add_argument("--keys-file", type=Path, metavar="FILE", help="that file; otherwise FILE.keys.age")
    parser.add_argument(
        "--retain", type=_positive, metavar="N", help="in a FOLDER: delete all but the N newest archives"
    )
    parser.add_argument(
        "--drill", action="store_true", help="restore into a scratch database, verify it, and remove it"
    )
    config = parser.parse_args(arguments)
    if config.target is None and not config.drill:
        parser.error("name a FILE or a FOLDER; only --drill needs none")
    is_folder = config.target is not None and config.target.is_dir()
    if config.retain and not is_folder:
        parser.error("--retain wants a FOLDER that exists")
    if config.keys_file and not config.keys_to:
        parser.error("--keys-file wants --keys-to: the key ring is never written in clear")
    if (status := set_up_django()) != 0:
        return status
    return exit_status("backup", partial(_back_up, config))


def _back_up(config: argparse.Namespace) -> int:
    recipients = key_copy.recipients_of(config.keys_to)
    with tempfile.TemporaryDirectory(prefix="watchword-drill-") as scratch:
        target: Path = Path(scratch) if config.target is None else config.target
        path = target / datetime.now(UTC).strftime(_NAME) if target.is_dir() else target
        manifest = _write(path, is_real=config.target is not None)
        if recipients:
            keys_file = config.keys_file or path.with_name(f"{path.name}{_KEYS_END}")
            key_copy.write(keys_file, _ring(), recipients)
            print(f"Wrote {keys_file}: the key ring, encrypted. Store it apart from the archive.")
        if config.drill:
            _drill(path, manifest)
    if config.retain:
        _remove_old(config.target, config.retain)
    return 0


def write_access_list(arguments: Sequence[str]) -> int:
    """Run `watchword access-list`; return 0 if the list was written, else 1."""
    parser = argparse.ArgumentParser(
        prog="watchword access-list",
        description="Write who may come in now, and with which credentials: ids and names, no secret. Store it "
        "often, on another machine; `watchword restore --access-list` revokes by it what was revoked since a backup.",
    )
    parser.add_argument("file", metavar="FILE", help="replaced as a whole; - for standard output")
    config = parser.parse_args(arguments)
    if (status := set_up_django()) != 0:
        return status
    from django.utils import timezone

    from watchword.audit.maintenance import Task, note_run
    from watchword.cli import readiness
    from watchword.signin import access_list

    if reason := readiness.why_not_ready():
        print(f"watchword access-list: {reason}", file=sys.stderr)
        return 1
    now = timezone.now()
    octets = access_list.current(now=now).serialise(_ring())
    if config.file == "-":
        sys.stdout.buffer.write(octets)
        sys.stdout.buffer.flush()
    else:
        try:
            _replace(Path(config.file), octets)
        except OSError as error:
            print(f"watchword access-list: {config.file} can't be written ({error.strerror})", file=sys.stderr)
            return 1
    note_run(Task.ACCESS_LIST, now=now)
    return 0


def _write(path: Path, *, is_real: bool) -> Manifest:
    """Write the archive and record it, unless it is made for a drill alone."""
    from django.conf import settings
    from django.utils import timezone

    from watchword.cli import readiness

    if reason := readiness.why_unusable() or readiness.why_wrong_keys():
        raise ArchiveError(reason)
    now = timezone.now()
    database: Mapping[str, object] = settings.DATABASES["default"]
    engine = database_dump.engine_of(database)
    if path.exists():
        raise ArchiveError(f"{path} exists already and was left as it is; choose another name")
    try:
        # Beside the archive: this folder has the space, or the archive would not fit either.
        with tempfile.TemporaryDirectory(prefix=".watchword-", dir=path.parent) as folder:
            copy = Path(folder, database_dump.MEMBERS[engine])
            facts = database_dump.dump(database, copy)
            manifest = Manifest(
                made_at=now.isoformat(),
                release=__version__,
                lowest_release=facts.lowest_release,
                engine=engine,
                migrations=facts.migrations,
                keys=facts.keys,
                seal=facts.seal,
            )
            manifest = archive.write(path, manifest, {copy.name: copy}, _ring())
    except OSError as error:
        raise ArchiveError(f"{path.parent} can't be written ({error.strerror})") from None
    print(f"Wrote {path}: {engine}, {facts.events} events, last seal {facts.seal or 'none'}.")
    if is_real:
        _record(manifest, now)
    return manifest


def _record(manifest: Manifest, now: datetime) -> None:
    from watchword.audit.console import console_origin
    from watchword.audit.events import EventKind
    from watchword.audit.maintenance import Task, note_run
    from watchword.audit.record import record
    from watchword.cli import readiness

    if readiness.why_not_ready():
        # Before an upgrade: the tables of this release are not there yet.
        return
    record(EventKind.DATABASE_BACKED_UP, now=now, origin=console_origin(), details={"seal": manifest.seal})
    note_run(Task.BACKUP, now=now, details={"seal": manifest.seal})


def _drill(path: Path, manifest: Manifest) -> None:
    from django.utils import timezone

    from watchword.audit.maintenance import Task, note_run
    from watchword.cli import readiness
    from watchword.cli.drill import drill

    drill(path, manifest)
    print("The drill succeeded: the archive was restored into a scratch database, verified and removed.")
    if not readiness.why_not_ready():
        note_run(Task.DRILL, now=timezone.now(), details={"seal": manifest.seal})


def _remove_old(folder: Path, number: int) -> None:
    """Delete the oldest archives of a folder, with their encrypted key rings. Only files named by this command."""
    named = sorted((each for each in folder.iterdir() if _NAMED.fullmatch(each.name)), reverse=True)
    for old in named[number:]:
        for file in (old, old.with_name(f"{old.name}{_KEYS_END}")):
            file.unlink(missing_ok=True)
        print(f"Removed {old}.")


def _replace(path: Path, octets: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    written = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        written.replace(path)
        archive.sync_folder(path.parent)
    finally:
        written.unlink(missing_ok=True)


def _ring() -> KeyRing:
    from django.conf import settings

    ring: KeyRing = settings.WATCHWORD_KEY_RING
    return ring


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number
