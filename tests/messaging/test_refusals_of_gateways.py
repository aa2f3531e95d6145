"""A message that was refused for good is not sent to the same gateway again, but another gateway is still tried."""

from __future__ import annotations

import random

import pytest

from tests.messaging.test_dispatcher import FakeGateway, carry, result_of, waiting, without_pauses
from tests.world import World
from watchword.messaging.gateway import DeliveryFailed, Outgoing, Result
from watchword.messaging.models import DeliveryAttempt, OutboxMessage
from watchword.messaging.worker import dispatcher as module
from watchword.messaging.worker.pending_results import PendingResults

pytestmark = pytest.mark.django_db(transaction=True)
USELESS = DeliveryFailed(Result.FAILED, permanent=False, is_useless_again=True)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRIES", without_pauses(6))
    monkeypatch.setattr(random, "random", lambda: 0.0)


def test_what_every_gateway_refuses_for_good_is_given_up_at_once(world: World) -> None:
    delivery, one, other = waiting(world), FakeGateway("one"), FakeGateway("other")
    one.fails, other.fails = [USELESS], [USELESS]
    carry(one, other, until=lambda: result_of(delivery) is Result.FAILED)
    assert not OutboxMessage.objects.exists()
    assert sorted(DeliveryAttempt.objects.values_list("gateway", flat=True)) == ["one", "other"]


def test_what_one_gateway_refuses_for_good_another_one_takes(world: World) -> None:
    delivery, one, other = waiting(world), FakeGateway("one"), FakeGateway("other")
    one.fails = [USELESS]
    carry(one, other, until=lambda: result_of(delivery) is Result.SENT)
    assert (len(one.sent), len(other.sent)) == (0, 1)


def test_a_message_is_tried_again_while_one_gateway_may_take_it_later(world: World) -> None:
    delivery, one, other = waiting(world), FakeGateway("one"), FakeGateway("other")
    one.fails = [USELESS, USELESS]
    other.fails = [DeliveryFailed(Result.FAILED, permanent=False)]
    carry(one, other, until=lambda: result_of(delivery) is Result.SENT)
    assert len(other.sent) == 1


def test_a_gateway_that_asks_to_be_left_alone_is_asked_again_after_that_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    waits = PendingResults.waits

    def noted(pending: PendingResults, outgoing: Outgoing, seconds: float) -> None:
        pauses.append(seconds)
        waits(pending, outgoing, 0.0)

    monkeypatch.setattr(PendingResults, "waits", noted)
    delivery, one = waiting(world), FakeGateway("one")
    one.fails = [DeliveryFailed(Result.FAILED, permanent=False, retry_after_seconds=30.0)]
    carry(one, until=lambda: result_of(delivery) is Result.SENT)
    assert pauses == [30.0]
