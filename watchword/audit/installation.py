"""Remembers which keys seal this database and which releases may serve it, so that neither is served wrongly."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction

from watchword.audit.models import Release, SealingKey
from watchword.core.keyring import KeyRing, KeyRingError
from watchword.core.log_events import log_event

LOWEST_RELEASE = "0.1.0"
"""The lowest release that may serve a database of this release. A migration that takes away what an older release reads
(a contracting one) raises it to the release that holds it; an expanding migration leaves it, so that the previous
release goes on serving during an upgrade."""

WATCHED_EVERY = timedelta(seconds=5)

logger = logging.getLogger(__name__)

_PURPOSE = "audit.sealing_key"
_ONLY = 1


def register_key(ring: KeyRing, *, now: datetime) -> bool:
    """Remember the key that seals from now on; False if it is known. Call it when a process starts to serve."""
    key_id = ring.keys[0].id
    if SealingKey.objects.filter(key_id=key_id).exists():
        return False
    _row, is_new = SealingKey.objects.get_or_create(
        key_id=key_id, defaults={"probe": ring.seal(_PURPOSE, key_id.encode()), "first_used_at": now}
    )
    return is_new


def missing_keys(ring: KeyRing) -> list[str]:
    """Return the ids of keys that sealed this database and are not on the ring, or are others of the same id.

    A key that was retired is not missed: nothing lies under it any more.
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
    """Whether a running process lacks a key that another one seals with by now; asks every few seconds at most."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._asked_at: datetime | None = None
        self._lacks = False

    def lacks_a_key(self, *, now: datetime) -> bool:
        """Return whether something may lie under a key that this process does not have."""
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
    """Note that nothing lies under these keys any more."""
    SealingKey.objects.filter(key_id__in=key_ids).update(retired_at=now)


def note_release(release: str, *, now: datetime) -> None:
    """Note after a migration that this release made it; neither number ever falls."""
    with transaction.atomic():
        row = Release.objects.select_for_update().filter(pk=_ONLY).first()
        before = row or Release(pk=_ONLY, migrated_by=release, lowest=LOWEST_RELEASE)
        newest = max(before.migrated_by, release, key=_as_numbers)
        lowest = max(before.lowest, LOWEST_RELEASE, key=_as_numbers)
        if row is None or (newest, lowest) != (row.migrated_by, row.lowest):
            Release.objects.update_or_create(pk=_ONLY, defaults={"migrated_by": newest, "lowest": lowest, "at": now})


def noted_release() -> Release | None:
    """Return what the database says of itself; None where no release has noted anything."""
    return Release.objects.filter(pk=_ONLY).first()


def may_serve(release: str, row: Release | None) -> bool:
    """Whether a release may serve a database with migrations that it does not know."""
    return row is not None and _as_numbers(release) >= _as_numbers(row.lowest)


def _as_numbers(release: str) -> tuple[int, ...]:
    """Return ``(0, 12, 1)`` for ``0.12.1``; what follows the numbers (``rc1``, ``+local``) does not count."""
    numbers: list[int] = []
    for part in release.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)
