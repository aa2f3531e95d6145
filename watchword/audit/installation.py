"""Records the keys that seal this database and the releases that may serve it, so that a wrong one is noticed."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction

from watchword.audit.models import Release, SealingKey
from watchword.core.keyring import KeyRing, KeyRingError
from watchword.core.log_events import log_event

LOWEST_RELEASE = "0.1.0"
"""The lowest release that may serve a database of this release. A contracting migration, which removes what an older
release reads, raises it to the release that contains the migration; an expanding migration leaves it, so that the
previous release can continue to serve during an upgrade."""

WATCHED_EVERY = timedelta(seconds=5)

logger = logging.getLogger(__name__)

_PURPOSE = "audit.sealing_key"
_ONLY = 1


def register_key(ring: KeyRing, *, now: datetime) -> bool:
    """Record the key that seals from now on, and return whether it is new. Call it when a process starts to serve."""
    key_id = ring.keys[0].id
    if SealingKey.objects.filter(key_id=key_id).exists():
        return False
    _row, is_new = SealingKey.objects.get_or_create(
        key_id=key_id, defaults={"probe": ring.seal(_PURPOSE, key_id.encode()), "first_used_at": now}
    )
    return is_new


def missing_keys(ring: KeyRing) -> list[str]:
    """Return the ids of keys that sealed this database and are not on the ring, or have another value there.

    A retired key is never missing, because no value is sealed with it any more.
    """
    missing = []
    for row in SealingKey.objects.filter(retired_at=None).order_by("first_used_at"):
        try:
            opened = ring.open(_PURPOSE, bytes(row.probe))
        except KeyRingError:
            opened = b""
        if opened != row.key_id.encode():
            missing.append(row.key_id)
    return missing


class KeyWatch:
    """A cached check whether this process lacks a key that another process seals with, read every few seconds."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._asked_at: datetime | None = None
        self._lacks = False

    def lacks_a_key(self, *, now: datetime) -> bool:
        """Return whether a value may be sealed with a key that this process does not have."""
        if self._asked_at is None or abs(now - self._asked_at) >= WATCHED_EVERY:
            missing = missing_keys(self._ring)
            if missing and not self._lacks:
                logger.error(
                    "key ring lacks %s: copy the key file and restart this process",
                    ", ".join(missing),
                    extra=log_event("keys.missing"),
                )
            self._lacks, self._asked_at = bool(missing), now
        return self._lacks


def forget_keys(key_ids: list[str], *, now: datetime) -> None:
    """Record that no value is sealed with these keys any more."""
    SealingKey.objects.filter(key_id__in=key_ids).update(retired_at=now)


def note_release(release: str, *, now: datetime) -> None:
    """Record after a migration the release that made it and the lowest release; neither is ever lowered."""
    with transaction.atomic():
        row = Release.objects.select_for_update().filter(pk=_ONLY).first()
        before = row or Release(pk=_ONLY, migrated_by=release, lowest=LOWEST_RELEASE)
        newest = max(before.migrated_by, release, key=_as_numbers)
        lowest = max(before.lowest, LOWEST_RELEASE, key=_as_numbers)
        if row is None or (newest, lowest) != (row.migrated_by, row.lowest):
            Release.objects.update_or_create(pk=_ONLY, defaults={"migrated_by": newest, "lowest": lowest, "at": now})


def noted_release() -> Release | None:
    """Return the release recorded in the database; None if no release has recorded one."""
    return Release.objects.filter(pk=_ONLY).first()


def may_serve(release: str, row: Release | None) -> bool:
    """Return whether a release may serve a database that has migrations unknown to it."""
    return row is not None and _as_numbers(release) >= _as_numbers(row.lowest)


def _as_numbers(release: str) -> tuple[int, ...]:
    """Return ``(0, 12, 1)`` for ``0.12.1``; suffixes (``rc1``, ``+local``) are ignored."""
    numbers: list[int] = []
    for part in release.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)
