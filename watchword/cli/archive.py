"""The archive of a backup: a compressed tar that begins with a manifest, which has the hash of every other member.

The manifest has a MAC under the key ring, so that an archive is recognised as one of this installation, unchanged.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Self

from watchword.core.codes import same
from watchword.core.keyring import KeyRing, KeyRingError

FORMAT = 1
PURPOSE = "cli.backup_manifest"
PROBE_PURPOSE = "audit.sealing_key"
MANIFEST, MAC = "manifest.json", "manifest.mac"
_MOST_MANIFEST = 4_000_000
_READ_AT_ONCE = 1 << 20
_COMPRESSION = 3


class ArchiveError(Exception):
    """The archive can't be written or used; the message is one sentence that says why."""


def exit_status(command: str, act: Callable[[], int]) -> int:
    """Return what the act returns; if it raises ArchiveError, print that as the command's error and return 1."""
    try:
        return act()
    except ArchiveError as error:
        print(f"watchword {command}: {error}", file=sys.stderr)
        return 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an archive holds, and what it needs."""

    made_at: str
    """In ISO 8601, UTC."""
    release: str
    lowest_release: str
    """The lowest release that may serve the database in it."""
    engine: str
    """``sqlite`` or ``postgresql``."""
    migrations: list[list[str]]
    """Pairs of app and name."""
    keys: dict[str, str]
    """The ids of the keys that sealed the database, each with its probe in hexadecimal."""
    seal: str
    """The last seal of the audit log, in hexadecimal; empty if there is none."""
    members: dict[str, str] = field(default_factory=dict)
    """The names of the other members, each with its SHA-256 in hexadecimal."""
    format: int = FORMAT

    @property
    def moment(self) -> datetime:
        """When the backup began."""
        return datetime.fromisoformat(self.made_at)

    def missing_keys(self, ring: KeyRing) -> list[str]:
        """Return the ids of keys that sealed the database and are not on the ring, or have another value there."""
        return [key_id for key_id, probe in sorted(self.keys.items()) if not _opens(ring, key_id, probe)]

    @classmethod
    def parse(cls, octets: bytes) -> Self:
        """Return the manifest of these octets; raises ArchiveError."""
        try:
            read: dict[str, Any] = json.loads(octets)
            if read["format"] != FORMAT:
                raise ArchiveError(f"has the format {read['format']}, which this release does not know")
            manifest = cls(**read)
            assert manifest.moment.tzinfo is not None
        except (ValueError, TypeError, KeyError, AssertionError):
            raise ArchiveError("has no readable manifest, so it is no backup of Watchword") from None
        return manifest


def write(path: Path, manifest: Manifest, files: Mapping[str, Path], ring: KeyRing) -> Manifest:
    """Write an archive with these members; return its manifest with their hashes. Raises ArchiveError.

    The file appears complete or not at all, is readable by its owner alone, and replaces none.
    """
    members = {name: _digest(file) for name, file in files.items()}
    complete = Manifest(**{**asdict(manifest), "members": members})
    octets = json.dumps(asdict(complete), indent=1, sort_keys=True).encode()
    with new_file(path) as file, tarfile.open(fileobj=file, mode="w:gz", compresslevel=_COMPRESSION) as tar:
        for name, content in ((MANIFEST, octets), (MAC, ring.mac(PURPOSE, octets).hex().encode())):
            _add(tar, name, len(content), io.BytesIO(content))
        for name, member in files.items():
            with member.open("rb") as opened:
                _add(tar, name, member.stat().st_size, opened)
    return complete


def check(path: Path) -> tuple[Manifest, Callable[[KeyRing], bool]]:
    """Read the whole archive, compare every hash, and return the manifest and the check of its MAC with a ring.

    Writes nothing. Raises ArchiveError for what is no archive, is cut off or was changed.
    """
    found: dict[str, str] = {}
    octets = mac = b""
    with _members(path) as members:
        for name, content in members:
            if name == MANIFEST:
                octets = content.read(_MOST_MANIFEST)
            elif name == MAC:
                mac = content.read(_MOST_MANIFEST)
            else:
                found[name] = _digest_of(content)
    manifest = Manifest.parse(octets)
    if found != manifest.members:
        raise ArchiveError("is damaged: what it holds is not what its manifest says")

    def is_ours(ring: KeyRing) -> bool:
        return any(same(mac, expected.hex().encode()) for expected in ring.macs(PURPOSE, octets))

    return manifest, is_ours


def extract(path: Path, manifest: Manifest, name: str, to: Path) -> None:
    """Write one member to a new file; raises ArchiveError if the archive was changed since it was checked."""
    hashed = hashlib.sha256()
    with _members(path) as members:
        content = next((content for member, content in members if member == name), None)
        if content is None:
            raise ArchiveError("was changed while it was read")
        try:
            with to.open("xb") as file:
                while chunk := content.read(_READ_AT_ONCE):
                    hashed.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ArchiveError(f"{to.parent} can't be written ({error.strerror}); nothing is in its place") from None
    if hashed.hexdigest() != manifest.members[name]:
        raise ArchiveError("was changed while it was read")


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file that takes its name when it is complete and on the disk. Raises ArchiveError, also if one exists."""
    if path.exists():
        # Seen before the work; the link below decides.
        raise ArchiveError(f"{path} exists already and was left as it is; choose another name")
    written: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        written = Path(name)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.link(written, path)
        sync_folder(path.parent)
    except FileExistsError:
        raise ArchiveError(f"{path} exists already and was left as it is; choose another name") from None
    except OSError as error:
        raise ArchiveError(f"{path} can't be written ({error.strerror})") from None
    finally:
        if written is not None:
            written.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _members(path: Path) -> Iterator[Iterator[tuple[str, BinaryIO]]]:
    try:
        with gzip.open(path, "rb") as compressed:
            with tarfile.open(fileobj=compressed, mode="r|") as tar:
                yield _files(tar)
            while compressed.read(_READ_AT_ONCE):
                # The end of a tar is not the end of the file, where the checksum over all of it stands.
                pass
    except (tarfile.TarError, EOFError, zlib.error):
        raise ArchiveError("is cut off or damaged, or no backup of Watchword") from None
    except OSError as error:
        # The checksum of gzip is an OSError without a number.
        why = error.strerror or "it is damaged: a checksum is wrong"
        raise ArchiveError(f"can't be read ({why})") from None


def _files(tar: tarfile.TarFile) -> Iterator[tuple[str, BinaryIO]]:
    for member in tar:
        content = tar.extractfile(member) if member.isfile() else None
        if content is None:
            raise ArchiveError("holds something else than files, so it is no backup of Watchword")
        yield member.name, content  # type: ignore[misc]  # (tarfile's type is IO[bytes])


def _add(tar: tarfile.TarFile, name: str, size: int, content: BinaryIO) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    tar.addfile(member, content)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return _digest_of(file)


def _digest_of(content: BinaryIO) -> str:
    hashed = hashlib.sha256()
    while chunk := content.read(_READ_AT_ONCE):
        hashed.update(chunk)
    return hashed.hexdigest()


def _opens(ring: KeyRing, key_id: str, probe: str) -> bool:
    try:
        return ring.open(PROBE_PURPOSE, bytes.fromhex(probe)) == key_id.encode()
    except (KeyRingError, ValueError):
        return False
