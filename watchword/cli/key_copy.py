"""A copy of the key ring, encrypted to the operator with age, so that it can be stored without being a key in clear.

The format is age-encryption.org/v1: the program `age` opens such a file on any machine, without Watchword.
"""

from __future__ import annotations

import os
from pathlib import Path

import pyrage
from pyrage import x25519

from watchword.cli.archive import ArchiveError, new_file
from watchword.config.environment import SecretFileError, read_secret_file
from watchword.core.keyring import KeyRing, KeyRingError

_IDENTITY = "AGE-SECRET-KEY-"


def recipients_of(texts: list[str]) -> list[x25519.Recipient]:
    """Return the recipients that these texts (``age1…``) name; raises ArchiveError, which never repeats a secret."""
    found = []
    for text in texts:
        if text.upper().startswith(_IDENTITY):
            raise ArchiveError("--keys-to wants the recipient (age1…), and was given the identity, which is secret")
        try:
            found.append(x25519.Recipient.from_str(text.strip()))
        except pyrage.RecipientError:
            raise ArchiveError(
                "--keys-to wants a recipient of age: age1 and 58 letters, as `age-keygen` prints"
            ) from None
    return found


def write(path: Path, ring: KeyRing, recipients: list[x25519.Recipient]) -> None:
    """Write the ring, encrypted to these recipients, into a new file; raises ArchiveError."""
    with new_file(path) as file:
        file.write(pyrage.encrypt(ring.serialise().encode(), recipients))


def read(path: Path, identity_file: Path) -> KeyRing:
    """Return the ring of an encrypted copy, opened with the identities in a private file; raises ArchiveError."""
    try:
        lines = read_secret_file(identity_file).splitlines()
        identities = [x25519.Identity.from_str(line.strip()) for line in lines if line.upper().startswith(_IDENTITY)]
    except SecretFileError as error:
        raise ArchiveError(str(error).replace("names ", "--identity: ", 1)) from None
    except pyrage.IdentityError:
        raise ArchiveError(f"{identity_file} holds no identity of age (AGE-SECRET-KEY-1…)") from None
    if not identities:
        raise ArchiveError(f"{identity_file} holds no identity of age (AGE-SECRET-KEY-1…)")
    try:
        text = pyrage.decrypt(path.read_bytes(), identities).decode()
        return KeyRing.parse(text, random_source=os.urandom)
    except OSError as error:
        raise ArchiveError(f"{path} can't be read ({error.strerror})") from None
    except pyrage.DecryptError:
        raise ArchiveError(f"{path} is not encrypted to the identity in {identity_file}, or is damaged") from None
    except (UnicodeDecodeError, KeyRingError):
        raise ArchiveError(f"{path} holds no key ring") from None
