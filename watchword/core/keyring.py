"""The keyring outside the database: it seals what must be read again and hashes what must only be compared.

Each key is 32 random bytes with a short public id. The newest comes first and is used for new values; older ones stay,
so that their values can still be read and found. From each key a separate key is derived for every purpose
(HKDF-SHA-256, RFC 5869), so that a value made for one purpose is worthless for another.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
ID_BYTES = 4
NONCE_BYTES = 12

_SEAL_VERSION = 1
_TEXT_VERSION = "v1"
_ID = re.compile(r"[a-z0-9]{1,32}")

type RandomBytes = Callable[[int], bytes]
"""A function that returns that many random bytes; `os.urandom` everywhere except in tests."""


class KeyRingError(ValueError):
    """The text of a keyring, or a sealed value, cannot be used; the message never contains a secret."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the ring."""

    id: str
    secret: bytes

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise KeyRingError("a key's id is 1 to 32 lower-case letters and digits")
        if len(self.secret) != KEY_BYTES:
            raise KeyRingError(f"key {self.id} has {len(self.secret)} bytes instead of {KEY_BYTES}")

    def __repr__(self) -> str:
        return f"Key({self.id})"

    def derive(self, use: str, purpose: str) -> bytes:
        """Return 32 bytes for one use ("mac" or "seal") and one purpose."""
        info = b"\x00".join((b"watchword", use.encode(), purpose.encode()))
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(self.secret)


class KeyRing:
    """The keys, newest first, and the random source for nonces."""

    __slots__ = ("_derived", "_random_source", "keys")

    def __init__(self, keys: tuple[Key, ...], *, random_source: RandomBytes) -> None:
        if not keys:
            raise KeyRingError("a key ring needs at least one key")
        ids = [key.id for key in keys]
        if len(set(ids)) != len(ids):
            raise KeyRingError("two keys of the ring have the same id")
        self.keys = keys
        self._random_source = random_source
        self._derived: dict[tuple[str, str, str], bytes] = {}

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(key.id for key in self.keys)})"

    @classmethod
    def create(cls, *, random_source: RandomBytes) -> "KeyRing":
        """Return a ring with one new key."""
        return cls((_new_key(random_source, taken=frozenset()),), random_source=random_source)

    @classmethod
    def parse(cls, text: str, *, random_source: RandomBytes) -> "KeyRing":
        """Parse `v1:<id>:<base64 of 32 bytes>`, one key a line, newest first; empty lines and `#` lines are skipped.

        Raises KeyRingError naming the line, never its contents.
        """
        lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
        keys = tuple(_parse_key(number, line) for number, line in lines if line and not line.startswith("#"))
        return cls(keys, random_source=random_source)

    def serialise(self) -> str:
        """Return the text that `parse` reads. It is the secret itself: only for the keyring file."""
        lines = (f"{_TEXT_VERSION}:{key.id}:{base64.b64encode(key.secret).decode()}" for key in self.keys)
        return "\n".join(lines) + "\n"

    def with_new_key(self) -> "KeyRing":
        """Return this ring with a new key at the end, which opens values; it seals only after ``using``."""
        taken = frozenset(key.id for key in self.keys)
        return KeyRing((*self.keys, _new_key(self._random_source, taken=taken)), random_source=self._random_source)

    def using(self, key_id: str) -> "KeyRing":
        """Return this ring with one of its keys in front; raise KeyRingError if the key is not on the ring."""
        chosen = [key for key in self.keys if key.id == key_id]
        if not chosen:
            raise KeyRingError(f"there is no key {key_id} on the ring")
        return KeyRing((*chosen, *(key for key in self.keys if key.id != key_id)), random_source=self._random_source)

    def without(self, key_id: str) -> "KeyRing":
        """Return this ring without one key; raise KeyRingError if it is in front or not on the ring."""
        if self.keys[0].id == key_id:
            raise KeyRingError(f"the key {key_id} is in use; use another one first")
        if key_id not in {key.id for key in self.keys}:
            raise KeyRingError(f"there is no key {key_id} on the ring")
        return KeyRing(tuple(key for key in self.keys if key.id != key_id), random_source=self._random_source)

    def mac(self, purpose: str, data: bytes) -> bytes:
        """Return the HMAC-SHA-256 of data under the newest key, 32 bytes."""
        return self._mac(self.keys[0], purpose, data)

    def macs(self, purpose: str, data: bytes) -> tuple[bytes, ...]:
        """Return the HMAC under every key, newest first, so that look-ups survive a rotation."""
        return tuple(self._mac(key, purpose, data) for key in self.keys)

    def seal(self, purpose: str, plaintext: bytes) -> bytes:
        """Seal with AES-256-GCM under the newest key and return version, key id, nonce, ciphertext, tag.

        The header (version and key id) is authenticated, and the derived key binds the purpose.
        """
        key = self.keys[0]
        nonce = self._random_source(NONCE_BYTES)
        if len(nonce) != NONCE_BYTES:
            raise AssertionError("chance gave a nonce of the wrong length")
        header = bytes((_SEAL_VERSION, len(key.id))) + key.id.encode()
        return header + nonce + AESGCM(self._key_for(key, "seal", purpose)).encrypt(nonce, plaintext, header)

    def open(self, purpose: str, sealed: bytes) -> bytes:
        """Return what was sealed for this purpose; raise KeyRingError if it is damaged, foreign, or its key is gone."""
        key_id, header, nonce, ciphertext = _unpack(sealed)
        key = next((key for key in self.keys if key.id == key_id), None)
        if key is None:
            raise KeyRingError(f"sealed with key {key_id}, which is not on the ring")
        try:
            return AESGCM(self._key_for(key, "seal", purpose)).decrypt(nonce, ciphertext, header)
        except InvalidTag:
            raise KeyRingError(f"the value sealed with key {key_id} was altered or is for another purpose") from None

    def needs_reseal(self, sealed: bytes) -> bool:
        """Return whether a key older than the newest sealed this."""
        return _unpack(sealed)[0] != self.keys[0].id

    def _mac(self, key: Key, purpose: str, data: bytes) -> bytes:
        return hmac.digest(self._key_for(key, "mac", purpose), data, sha256)

    def _key_for(self, key: Key, use: str, purpose: str) -> bytes:
        # Cached, because the mail door computes an HMAC for every login.
        place = (key.id, use, purpose)
        derived = self._derived.get(place)
        if derived is None:
            derived = self._derived[place] = key.derive(use, purpose)
        return derived


def _new_key(random_source: RandomBytes, *, taken: frozenset[str]) -> Key:
    while True:
        key = Key(id=random_source(ID_BYTES).hex(), secret=random_source(KEY_BYTES))
        if key.id not in taken:
            return key


def _parse_key(number: int, line: str) -> Key:
    parts = line.split(":")
    if len(parts) != 3 or parts[0] != _TEXT_VERSION:  # noqa: PLR2004  version, id, secret
        raise KeyRingError(f"line {number} is not of the form {_TEXT_VERSION}:<id>:<base64 of {KEY_BYTES} bytes>")
    try:
        secret = base64.b64decode(parts[2], validate=True)
    except (binascii.Error, ValueError):
        raise KeyRingError(f"line {number}: the key is not base64") from None
    try:
        return Key(id=parts[1], secret=secret)
    except KeyRingError as error:
        # The id may be a secret pasted into the wrong place: report the expected form, not the given text.
        reason = str(error) if _ID.fullmatch(parts[1]) else "a key's id is 1 to 32 lower-case letters and digits"
        raise KeyRingError(f"line {number}: {reason}") from None


def _unpack(sealed: bytes) -> tuple[str, bytes, bytes, bytes]:
    header_end = 2 + (sealed[1] if len(sealed) > 1 else 0)
    if len(sealed) < header_end + NONCE_BYTES + 16 or sealed[0] != _SEAL_VERSION:
        raise KeyRingError("this is not a sealed value")
    try:
        key_id = sealed[2:header_end].decode("ascii")
    except UnicodeDecodeError:
        raise KeyRingError("this is not a sealed value") from None
    nonce_end = header_end + NONCE_BYTES
    return key_id, sealed[:header_end], sealed[header_end:nonce_end], sealed[nonce_end:]
