"""Route selection by the dispatcher: away from a failing gateway, and to the one that really delivers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.messaging.test_dispatcher import FakeGateway, carry, waiting
from tests.world import ALICES_NUMBER, World
from watchword.core.policy import Channel
from watchword.messaging.gateway import Condition, DeliveryFailed, Result
from watchword.messaging.limits.counters import telephone_of
from watchword.messaging.models import DailyTotal, Delivery, DeliveryAttempt, GatewayState, OutboxMessage
from watchword.messaging.worker.circuit_breaker import FAILURES

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 40


def all_sent() -> bool:
    return not OutboxMessage.objects.exists()


def after_a_first_look(world: World, names: set[str]) -> Callable[[], bool]:
    """Enqueue many messages once the dispatcher has measured its gateways, and wait until they are gone."""
    put: list[Delivery] = []

    def is_done() -> bool:
        if not put and set(GatewayState.objects.values_list("name", flat=True)) >= names:
            put.extend(waiting(world) for _ in range(MANY))
        return bool(put) and all_sent()

    return is_done


def carried_before(world: World, gateway: str, *, arrived: int, lost: int, is_entered: bool = False) -> None:
    """Record messages that a gateway sent in the last hour."""
    at = datetime.now(UTC) - timedelta(minutes=30)
    for which in range(arrived + lost):
        is_arrived = which < arrived
        delivery = Delivery.objects.create(
            organisation=world.organisation,
            user=world.carol,
            channel=Channel.SMS,
            purpose="sign_in",
            **telephone_of(ALICES_NUMBER).row(),
            result=Result.SENT,
            created_at=at,
            changed_at=at,
            entered_at=at if is_arrived and is_entered else None,
        )
        result = Result.DELIVERED if is_arrived and not is_entered else Result.SENT
        DeliveryAttempt.objects.create(
            delivery=delivery,
            gateway=gateway,
            reference=f"{gateway}-before-{which}",
            result=result,
            country="DE",
            at=at,
            changed_at=at,
        )


def test_fld_12_a_gateway_that_fails_again_and_again_is_left_alone_and_all_arrives_by_the_other(world: World) -> None:
    """After five failures a gateway is not used for the rest of a busy minute, and all messages go by the other one."""
    broken, good = FakeGateway("broken"), FakeGateway("good")
    broken.fails = [DeliveryFailed(Result.FAILED, permanent=False)] * 1000
    carry(broken, good, until=after_a_first_look(world, {"broken", "good"}))
    assert len(good.sent) == MANY
    assert 1000 - len(broken.fails) == FAILURES
    # The dispatcher stores the gateway's state for the administrator at its next poll, within seconds.
    assert DeliveryAttempt.objects.filter(gateway="broken", result=Result.FAILED).count() == FAILURES


def test_a_gateway_that_is_not_connected_is_not_asked(world: World) -> None:
    down, up = FakeGateway("down"), FakeGateway("up")
    down.condition = Condition(is_up=False, words="no answer")
    carry(down, up, until=after_a_first_look(world, {"down", "up"}))
    assert len(up.sent) == MANY
    assert down.sent == []


@pytest.mark.parametrize("is_entered", [False, True])
def test_traffic_moves_to_the_gateway_whose_messages_arrive(world: World, is_entered: bool) -> None:
    """Delivery is known by receipts, or without them by the codes that people typed."""
    carried_before(world, "good", arrived=100, lost=0, is_entered=is_entered)
    carried_before(world, "bad", arrived=0, lost=100)
    good, bad = FakeGateway("good"), FakeGateway("bad")
    carry(good, bad, until=after_a_first_look(world, {"good", "bad"}))
    assert len(good.sent) + len(bad.sent) == MANY
    # A share of 5 in 105: each message goes to the bad gateway with a probability of about one in twenty.
    assert len(bad.sent) <= MANY // 3


def test_what_is_carried_is_counted_once_in_the_daily_total(world: World) -> None:
    one = FakeGateway("one")
    carry(one, until=after_a_first_look(world, {"one"}))
    assert len(one.sent) == MANY
    assert sum(row.sent for row in DailyTotal.objects.all()) == MANY
