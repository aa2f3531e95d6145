"""Columns whose values are sealed with the key ring: they can be resealed, or voided if no key opens them.

Every package lists its own columns as a ``SealedColumn``; a test finds a binary column that is not listed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import models

from watchword.core.keyring import KeyRing, KeyRingError

BATCH_SIZE = 500


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """One column. ``words`` is the plural name of its values for the operator.

    ``rows`` returns the rows of this purpose; ``void`` gets those that no key opens any more, and changes them so that
    later reads do not fail.
    """

    words: str
    model: type[models.Model]
    field: str
    purpose: str
    void: Callable[[models.QuerySet[Any], datetime], object]
    rows: Callable[[], models.QuerySet[Any]]

    def reseal(self, ring: KeyRing) -> int:
        """Reseal with the first key every value sealed with another one, and return their number.

        A value that no key opens stays as it is.
        """
        number = 0
        for pk, sealed in self._values():
            if not ring.needs_reseal(sealed):
                continue
            try:
                again = ring.seal(self.purpose, ring.open(self.purpose, sealed))
            except KeyRingError:
                continue
            # Only if it is unchanged: a value that was changed meanwhile is sealed with the newest key already.
            number += self.rows().filter(pk=pk, **{self.field: sealed}).update(**{self.field: again})
        return number

    def unreadable(self, ring: KeyRing) -> list[object]:
        """Return the primary keys of the rows whose value no key of the ring opens."""
        found = []
        for pk, sealed in self._values():
            try:
                ring.open(self.purpose, sealed)
            except KeyRingError:
                found.append(pk)
        return found

    def void_rows(self, pks: list[object], *, now: datetime) -> None:
        """Void the rows with these primary keys, AT_ONCE in one query."""
        for first in range(0, len(pks), BATCH_SIZE):
            self.void(self.rows().filter(pk__in=pks[first : first + BATCH_SIZE]), now)

    def _values(self) -> Iterable[tuple[object, bytes]]:
        for pk, sealed in self.rows().values_list("pk", self.field).iterator(chunk_size=BATCH_SIZE):
            if sealed:
                yield pk, bytes(sealed)
