"""A gateway that stores the messages it gets, so that a test can act as the person at the telephone.

Here every commit sends the messages waiting in the outbox, in the thread that committed (``outbox.wake`` does it
instead of waking a process): with the same rows, sealing and results as in production, and no waiting. In tests whose
transaction never commits, ``tests.commits`` defines that moment.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db.models import Max

from watchword.audit.retries import lease
from watchword.core.policy import Channel
from watchword.messaging.gateway import DeliveryFailed, Outgoing, Result, Submitted
from watchword.messaging.gateways.simulator import gateway as simulator_gateway
from watchword.messaging.models import OutboxMessage
from watchword.messaging.worker import outbox, persistence
from watchword.messaging.worker.delivery_receipts import DeliveryOutcome
from watchword.messaging.worker.persistence import Batch, Finished


def carry(take: Callable[[Outgoing], Submitted], name: str) -> None:
    """Send the waiting messages through one gateway, once, and record the results at the time of each delivery."""
    # The lease uses the time of the rows, because tests set their own clock.
    fresh = OutboxMessage.objects.filter(fetches_voice_script=False, tries=0)
    latest = fresh.aggregate(latest=Max("next_try_at"))["latest"]
    if latest is None:
        return
    for pk in lease(fresh, now=latest, lifetime=outbox.LEASE, at_most=outbox.BATCH_SIZE):
        row = OutboxMessage.objects.select_related("delivery__user").get(pk=pk)
        claimed = outbox._claimed(row)
        try:
            handed = take(claimed.outgoing)
            result, tried = handed.result, DeliveryOutcome(pk, name, Result.SENT, claimed.country, handed.reference)
        except DeliveryFailed as failed:
            result, tried = failed.result, DeliveryOutcome(pk, name, failed.result, claimed.country)
        batch = Batch([tried], [Finished(pk, result, name, tried.reference, 0)])
        persistence.write(batch, lambda _changed: None, row.delivery.created_at)


class Telephone:
    """All telephones of the world together."""

    name = "telephone"
    channels = frozenset(Channel)

    def __init__(self) -> None:
        self.received: list[Outgoing] = []
        self.broken: DeliveryFailed | None = None
        self.answers = Result.SENT

    def take(self, outgoing: Outgoing) -> Submitted:
        """Store the message, or fail as the test has set."""
        if self.broken is not None:
            raise self.broken
        self.received.append(outgoing)
        return Submitted(reference=f"ref-{len(self.received)}", result=self.answers)

    @property
    def code(self) -> str:
        """Return the newest code."""
        return self.received[-1].code

    def wrong_code(self) -> str:
        """Return a code that was not sent."""
        return f"{(int(self.code) + 1) % 1_000_000:06d}"

    def break_down(self, *, permanent: bool, result: Result = Result.FAILED) -> None:
        """Let every further message fail."""
        self.broken = DeliveryFailed(result, permanent=permanent)


@pytest.fixture
def telephone(monkeypatch: pytest.MonkeyPatch) -> Telephone:
    """Send codes to this telephone only."""
    telephone = Telephone()
    monkeypatch.setattr(outbox, "wake", lambda: carry(telephone.take, telephone.name))
    return telephone


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send codes to the simulator's telephone page."""
    monkeypatch.setattr(outbox, "wake", lambda: carry(simulator_gateway.take, simulator_gateway.SimulatorGateway.name))
