"""Decrypts the passwords that Dovecot encrypts before it puts them into a look-up key.

Dovecot's dict protocol has no other place for a password than the key, and Dovecot writes the key into its log
whenever a look-up fails or is slow. So the printed configuration makes Dovecot encrypt the password first
(`%{encrypt;...:password}`, AES-256-CBC, a fresh IV each time) with a key derived from Watchword's key ring.
The encryption needs no authentication: a process that may write to the socket may send any request anyway.
"""

from __future__ import annotations

import re

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from watchword.core.keyring import KeyRing

ALGORITHM = "aes-256-cbc"
"""The cipher's name in OpenSSL and Dovecot."""

_PURPOSE = "doors.mail.dovecot"
_SEALED = re.compile(r"([0-9a-f]{32})\$((?:[0-9a-f]{32})+)\$")


class CannotOpen(Exception):
    """A password that can't be decrypted: its key is not on the ring, or it is damaged; the message has no secret."""


def sealing_key(ring: KeyRing) -> tuple[str, bytes]:
    """Return the key for Dovecot's configuration, derived from the newest key of the ring: its id and 32 octets."""
    return ring.keys[0].id, ring.mac(_PURPOSE, b"")


def open_sealed(ring: KeyRing, key_id: str, sealed: str) -> bytes:
    """Return the octets of the password in `IV$ciphertext$` (hexadecimal); raises CannotOpen.

    The mail program chose the octets: octets that are not UTF-8 do not mean that the key was wrong.
    """
    keys = {key.id: mac for key, mac in zip(ring.keys, ring.macs(_PURPOSE, b""), strict=True)}
    if key_id not in keys:
        raise CannotOpen("Dovecot's configuration holds a key that is not on the ring: print it anew")
    parts = _SEALED.fullmatch(sealed)
    if parts is None:
        raise CannotOpen("this is not what Dovecot's encrypt makes")
    decryptor = Cipher(AES256(keys[key_id]), CBC(bytes.fromhex(parts[1]))).decryptor()
    unpadder = PKCS7(128).unpadder()
    try:
        padded = decryptor.update(bytes.fromhex(parts[2])) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError:
        raise CannotOpen("the key in Dovecot's configuration is not the one of this id: print it anew") from None
