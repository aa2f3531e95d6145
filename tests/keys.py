"""A key ring after a rotation."""

from __future__ import annotations

from watchword.core.keyring import KeyRing


def rotated(ring: KeyRing) -> KeyRing:
    """Return the ring with a new key in front, as both steps of a rotation leave it."""
    added = ring.with_new_key()
    return added.using(added.keys[-1].id)
