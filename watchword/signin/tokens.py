"""The random source of the running server: the operating system's generator."""

import hashlib
import secrets


class SystemRandomSource:
    """Unpredictable values from the operating system."""

    def below(self, bound: int) -> int:
        """Return a uniform number from 0 to ``bound`` - 1."""
        return secrets.randbelow(bound)

    def octets(self, length: int) -> bytes:
        """Return ``length`` unpredictable octets."""
        return secrets.token_bytes(length)


RANDOM_SOURCE = SystemRandomSource()


def new_token() -> str:
    """Return a token of 256 bits for a cookie or a link."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """Return the stored form of a token. A token has 256 random bits, so a plain hash reveals nothing."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
