"""Buffer results that are not stored yet: collected on the event loop, taken in batches. No database."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

from watchword.messaging.gateway import Outgoing, Report, Result, Submitted
from watchword.messaging.worker.delivery_receipts import DeliveryOutcome
from watchword.messaging.worker.message_ids import as_stored
from watchword.messaging.worker.persistence import Batch, Finished

REPORTS_AT_ONCE = 25
"""Most receipts in one batch: they must not delay the outbox, as a row not yet deleted is sent again after a crash."""


class PendingResults:
    """A write buffer that fills while the last batch is being written."""

    def __init__(self) -> None:
        self.dirty = asyncio.Event()
        """Set when there is something to write."""
        self._reports: list[Report] = []
        self._outcomes: list[DeliveryOutcome] = []
        self._finished: list[Finished] = []
        self._again: list[tuple[UUID, float]] = []
        self._unwritten: set[UUID] = set()

    @property
    def is_empty(self) -> bool:
        """Return whether every result was taken for writing."""
        return not (self._finished or self._outcomes or self._again or self._reports)

    def holds(self, delivery_id: UUID) -> bool:
        """Return whether a message's result is not written yet, so that its row is still in the outbox."""
        return delivery_id in self._unwritten

    def reported(self, report: Report) -> None:
        """Add a gateway's report about a message that it took."""
        self._reports.append(report)
        self.dirty.set()

    def handed(
        self, outgoing: Outgoing, name: str, handed: Submitted, *, country: str, price: int, spoken: bool
    ) -> None:
        """Add that a gateway took a message; ``spoken``: its provider will fetch what the call says."""
        reference = as_stored(handed.reference)
        self._outcomes.append(DeliveryOutcome(outgoing.delivery_id, name, Result.SENT, country, reference, price))
        self._finish(Finished(outgoing.delivery_id, handed.result, name, reference, price, spoken))

    def refused(self, outgoing: Outgoing, name: str, result: Result, *, country: str) -> None:
        """Add that a gateway did not take a message; ``given_up`` or ``waits`` says what happens next."""
        self._outcomes.append(DeliveryOutcome(outgoing.delivery_id, name, result, country))

    def given_up(self, outgoing: Outgoing, result: Result, *, gateway: str = "") -> None:
        """Add that a message will not be sent any more."""
        self._finish(Finished(outgoing.delivery_id, result, gateway, "", 0))

    def waits(self, outgoing: Outgoing, seconds: float) -> None:
        """Add that a message is retried after a pause."""
        self._unwritten.add(outgoing.delivery_id)
        self._again.append((outgoing.delivery_id, seconds))
        self.dirty.set()

    def take(self, now: datetime) -> Batch:
        """Return the batch to write now; call ``written`` after the write."""
        finished, self._finished = self._finished, []
        outcomes, self._outcomes = self._outcomes, []
        again, self._again = self._again, []
        reports, self._reports = self._reports[:REPORTS_AT_ONCE], self._reports[REPORTS_AT_ONCE:]
        if self._reports:
            self.dirty.set()
        return Batch(
            outcomes=outcomes,
            finished=finished,
            again=[(delivery_id, now + timedelta(seconds=pause)) for delivery_id, pause in again],
            reports=reports,
        )

    def written(self, batch: Batch) -> None:
        """Mark a batch as stored in the database."""
        self._unwritten -= {one.delivery_id for one in batch.finished}
        self._unwritten -= {delivery_id for delivery_id, _at in batch.again}

    def _finish(self, finished: Finished) -> None:
        self._unwritten.add(finished.delivery_id)
        self._finished.append(finished)
        self.dirty.set()
