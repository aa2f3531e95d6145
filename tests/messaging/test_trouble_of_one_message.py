"""An error in one part of the phones process, or with one message, ends neither the other parts nor the process."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import ProgrammingError

from tests.messaging.test_dispatcher import FakeGateway, carry, result_of, waiting, without_pauses
from tests.world import World
from watchword.messaging.gateway import Condition, LeasedMessage, Outgoing, Result
from watchword.messaging.models import OutboxMessage
from watchword.messaging.worker import delivery_receipts, outbox, persistence
from watchword.messaging.worker import dispatcher as module
from watchword.messaging.worker.delivery_receipts import Changed, DeliveryOutcome
from watchword.messaging.worker.dispatcher import Dispatcher, GatewayRoute

pytestmark = pytest.mark.django_db(transaction=True)


class FailsToStart(FakeGateway):
    """A gateway that is down from the beginning, as every real one is before it has started."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.condition = Condition(is_up=False)

    async def start(self, report: object) -> None:
        raise KeyError(report)


def test_a_gateway_that_cannot_be_started_leaves_the_others_alone(world: World) -> None:
    delivery, good = waiting(world), FakeGateway("good")
    carry(FailsToStart("broken"), good, until=lambda: result_of(delivery) is Result.SENT)
    assert len(good.sent) == 1


def test_a_mistake_while_measuring_gateways_ends_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    failed: list[int] = []

    def fail(_names: object, _now: datetime) -> persistence.RecentResults:
        failed.append(1)
        raise ZeroDivisionError

    monkeypatch.setattr(persistence, "measure", fail)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
    delivery, good = waiting(world), FakeGateway("good")
    carry(good, until=lambda: result_of(delivery) is Result.SENT and len(failed) > 1)
    assert len(good.sent) == 1


def test_a_message_whose_way_cannot_be_chosen_is_given_up_and_the_next_one_leaves(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Dispatcher._order
    bad, good, gateway = waiting(world, "111111"), waiting(world, "222222"), FakeGateway()

    def order(dispatcher: Dispatcher, item: LeasedMessage) -> list[GatewayRoute]:
        if item.outgoing.code == "111111":
            raise LookupError
        return real(dispatcher, item)

    monkeypatch.setattr(Dispatcher, "_order", order)
    monkeypatch.setattr(module, "RETRIES", without_pauses(2))
    carry(gateway, until=lambda: result_of(bad) is Result.FAILED and result_of(good) is Result.SENT)
    assert [message.code for message in gateway.sent] == ["222222"]
    assert not OutboxMessage.objects.exists()


def test_a_result_that_can_never_be_written_takes_no_other_with_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good, now = waiting(world), waiting(world), datetime.now(UTC)
    real = delivery_receipts.note_outcomes

    def note(outcomes: list[DeliveryOutcome], *, now: datetime) -> object:
        if any(one.delivery_id == bad.pk for one in outcomes):
            raise ProgrammingError("a mistake that trying again can't mend")
        return real(outcomes, now=now)

    monkeypatch.setattr(persistence, "note_outcomes", note)
    told: list[Changed] = []
    both = [DeliveryOutcome(one.pk, "one", Result.SENT, "DE", f"one-{one.pk}", 0) for one in (bad, good)]
    done = [persistence.Finished(one.pk, Result.SENT, "one", f"one-{one.pk}", 0) for one in (bad, good)]
    persistence.write(persistence.Batch(outcomes=both, finished=done), told.append, now)
    assert result_of(good) is Result.SENT
    assert not OutboxMessage.objects.filter(delivery=good).exists()


def test_a_message_that_cannot_be_read_is_given_up_whatever_the_mistake_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = waiting(world, "111111"), waiting(world, "222222")
    real = outbox._outgoing

    def outgoing(row: OutboxMessage) -> Outgoing:
        if row.pk == bad.pk:
            raise AttributeError
        return real(row)

    monkeypatch.setattr(outbox, "_outgoing", outgoing)
    assert [item.outgoing.delivery_id for item in outbox.claim(now=datetime.now(UTC))] == [good.pk]
    assert result_of(bad) is Result.FAILED
