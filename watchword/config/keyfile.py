"""The file that holds the key ring: made once, rotated, never overwritten, readable by its owner alone."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from watchword.config.secret_files import SecretFileError, read_secret_file
from watchword.core.keyring import KeyRing, KeyRingError

OWNER_READS = 0o400


class KeyFileError(Exception):
    """The key file can't be made or changed; the message says why."""


def read(path: Path) -> KeyRing:
    """The ring in that file."""
    try:
        return KeyRing.parse(read_secret_file(path), chance=os.urandom)
    except SecretFileError as error:
        raise KeyFileError(str(error).replace("names ", "", 1)) from None
    except KeyRingError as error:
        raise KeyFileError(f"{path}: {error}") from None


def create(path: Path) -> KeyRing:
    """Writes a ring with one new key. Refuses if there is a file already: all that it sealed would be lost."""
    ring = KeyRing.create(chance=os.urandom)
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


def rotate(path: Path) -> KeyRing:
    """Puts a new key in front of the ring in that file, in one step."""
    ring = read(path).rotated()
    try:
        _write(path, ring, lambda written: written.replace(path))
    except OSError as error:
        raise KeyFileError(f"{path} can't be written ({error.strerror})") from None
    return ring


def read_or_create(path: Path) -> KeyRing:
    """For the demo: the ring in that file, made if this is the first start."""
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
