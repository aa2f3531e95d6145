"""A carrier that keeps what it is given, so that a test can be the person at the telephone.

Here every commit carries what waits in the outbox, in the thread that committed (``outbox.wake`` does it instead of
waking a process): the same rows, seals and notes as in real life, and nothing to wait for. In tests whose transaction
never commits, ``tests.commits`` says when that is.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db.models import Max

from watchword.audit.outbox import lease
from watchword.core.policy import Channel
from watchword.messaging.gateway import DeliveryFailed, Outgoing, Result, Submitted
from watchword.messaging.gateways.simulator import gateway as simulator_gateway
from watchword.messaging.models import OutboxMessage
from watchword.messaging.worker import outbox, persistence
from watchword.messaging.worker.delivery_receipts import Outcome
from watchword.messaging.worker.persistence import Batch, Finished


def carry(take: Callable[[Outgoing], Submitted], name: str) -> None:
    """Hand what waits to one carrier, once, and write down what became of it at the time at which it was sent."""
    # By the time of the rows: tests live at hours of their own.
    fresh = OutboxMessage.objects.filter(fetches_voice_script=False, tries=0)
    latest = fresh.aggregate(latest=Max("next_try_at"))["latest"]
    if latest is None:
        return
    for pk in lease(fresh, now=latest, lasts=outbox.LEASE, at_most=outbox.PORTION):
        row = OutboxMessage.objects.select_related("delivery__user").get(pk=pk)
        claimed = outbox._claimed(row)
        try:
            handed = take(claimed.outgoing)
            result, tried = handed.result, Outcome(pk, name, Result.SENT, claimed.country, handed.reference)
        except DeliveryFailed as failed:
            result, tried = failed.result, Outcome(pk, name, failed.result, claimed.country)
        batch = Batch([tried], [Finished(pk, result, name, tried.reference, 0)])
        persistence.write(batch, lambda _changed: None, row.delivery.created_at)


class Telephone:
    """All telephones of the world at once."""

    name = "telephone"
    channels = frozenset(Channel)

    def __init__(self) -> None:
        self.received: list[Outgoing] = []
        self.broken: DeliveryFailed | None = None
        self.answers = Result.SENT

    def take(self, outgoing: Outgoing) -> Submitted:
        """Keep the message, or fail as the test wishes."""
        if self.broken is not None:
            raise self.broken
        self.received.append(outgoing)
        return Submitted(reference=f"ref-{len(self.received)}", result=self.answers)

    @property
    def code(self) -> str:
        """The newest code."""
        return self.received[-1].code

    def wrong_code(self) -> str:
        """A code that was not sent."""
        return f"{(int(self.code) + 1) % 1_000_000:06d}"

    def break_down(self, *, permanent: bool, result: Result = Result.FAILED) -> None:
        """From now on nothing gets through."""
        self.broken = DeliveryFailed(result, permanent=permanent)


@pytest.fixture
def telephone(monkeypatch: pytest.MonkeyPatch) -> Telephone:
    """Codes arrive here, and nowhere else."""
    telephone = Telephone()
    monkeypatch.setattr(outbox, "wake", lambda: carry(telephone.take, telephone.name))
    return telephone


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Codes go to the telephone page."""
    monkeypatch.setattr(outbox, "wake", lambda: carry(simulator_gateway.take, simulator_gateway.SimulatorGateway.name))
