"""The dispatcher: waiting messages are sent, failed ones go to another gateway, and no accepted message is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.world import ALICES_NUMBER, World
from watchword.audit.retries import RetryPolicy
from watchword.core.policy import Channel
from watchword.messaging.gateway import Condition, DeliveryFailed, Gateway, Outgoing, Report, Result, Submitted
from watchword.messaging.limits.counters import telephone_of
from watchword.messaging.models import Delivery, DeliveryAttempt, GatewayState, OutboxMessage, Receipt
from watchword.messaging.send import enqueue, new_delivery
from watchword.messaging.worker import dispatcher as module
from watchword.messaging.worker import outbox
from watchword.messaging.worker.delivery_receipts import Changed
from watchword.messaging.worker.dispatcher import Dispatcher, GatewayRoute
from watchword.messaging.worker.route_selection import Route

pytestmark = pytest.mark.django_db(transaction=True)


class FakeGateway:
    """A gateway that behaves as the test sets it."""

    channels = frozenset(Channel)
    fetches_voice_script = False

    def __init__(self, name: str = "one") -> None:
        self.name = name
        self.condition = Condition(is_up=True)
        self.sent: list[Outgoing] = []
        self.fails: list[DeliveryFailed] = []
        self.report: Callable[[Report], None] = lambda _report: None
        self.when_sent: Callable[[], None] = lambda: None

    async def start(self, report: Callable[[Report], None]) -> None:
        self.report = report

    async def send(self, outgoing: Outgoing) -> Submitted:
        self.when_sent()
        if self.fails:
            raise self.fails.pop(0)
        self.sent.append(outgoing)
        return Submitted(f"{self.name}-{len(self.sent)}")

    async def stop(self) -> None:
        self.condition = Condition(is_up=False, words="stopped")


def waiting(world: World, code: str = "493027", *, lives: timedelta = timedelta(minutes=5)) -> Delivery:
    now = datetime.now(UTC)
    delivery = new_delivery(world.alice, telephone_of(ALICES_NUMBER), Channel.SMS, "sign_in", now=now)
    words = ("", code, "Harbour & Hill", "x.example")
    enqueue(Outgoing(delivery.pk, Channel.SMS, ALICES_NUMBER, *words, not_after=now + lives), now=now)
    return delivery


def carry(
    *gateways: Gateway, until: Callable[[], bool], decided: Callable[[Changed], None] = lambda _: None, **more: Any
) -> None:
    """Run a dispatcher until a condition holds in the database."""

    async def play() -> None:
        stop = asyncio.Event()
        lines = [GatewayRoute(gateway, Route(gateway.name, gateway.channels)) for gateway in gateways]
        one = Dispatcher(lines, decided=decided, **more)
        running = asyncio.create_task(one.run(stop))
        async with asyncio.timeout(20):
            while not await asyncio.to_thread(_closing, until):
                assert not running.done()
        stop.set()
        await running

    asyncio.run(play())


def _closing(until: Callable[[], bool]) -> bool:
    try:
        return until()
    finally:
        connection.close()


def without_pauses(most_tries: int) -> RetryPolicy:
    """Return a policy that retries without a pause, with this many tries at most."""
    return RetryPolicy(timedelta(0), timedelta(0), most_tries=most_tries)


def result_of(delivery: Delivery) -> Result:
    return Result(Delivery.objects.get(pk=delivery.pk).result)


def test_what_waits_is_carried_and_leaves_the_queue(world: World) -> None:
    delivery, gateway = waiting(world), FakeGateway()
    carry(gateway, until=lambda: result_of(delivery) is Result.SENT)
    assert [message.code for message in gateway.sent] == ["493027"]
    assert not OutboxMessage.objects.exists()
    delivery_attempt = DeliveryAttempt.objects.get()
    assert (delivery_attempt.gateway, delivery_attempt.reference, delivery_attempt.result) == (
        "one",
        "one-1",
        Result.SENT,
    )
    assert GatewayState.objects.get().name == "one"


def test_the_queue_holds_neither_number_nor_code_in_clear(world: World) -> None:
    waiting(world)
    row = bytes(OutboxMessage.objects.get().payload)
    assert b"493027" not in row
    assert ALICES_NUMBER.encode() not in row


def test_fld_12_a_gateway_that_fails_is_followed_by_another(world: World) -> None:
    """A message that one gateway failed to send is sent by the next one."""
    delivery, broken, good = waiting(world), FakeGateway("broken"), FakeGateway("good")
    broken.fails = [DeliveryFailed(Result.FAILED, permanent=False)] * 9
    carry(broken, good, until=lambda: result_of(delivery) is Result.SENT)
    assert len(good.sent) == 1


def test_a_number_that_does_not_exist_is_tried_once(world: World) -> None:
    delivery, one, two = waiting(world), FakeGateway("one"), FakeGateway("two")
    one.fails = [DeliveryFailed(Result.BAD_NUMBER, permanent=True)]
    two.fails = [DeliveryFailed(Result.BAD_NUMBER, permanent=True)]
    carry(one, two, until=lambda: result_of(delivery) is Result.BAD_NUMBER)
    assert one.sent == two.sent == []
    assert not OutboxMessage.objects.exists()


def test_fld_13_what_is_sent_again_is_the_same_code(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that a gateway may have taken already is sent again with the same code."""
    monkeypatch.setattr(module, "RETRIES", without_pauses(6))
    monkeypatch.setattr(module, "UNSURE_SECONDS", 0.0)
    delivery, gateway = waiting(world), FakeGateway()
    gateway.fails = [DeliveryFailed(Result.FAILED, permanent=False, maybe_taken=True)] * 3
    carry(gateway, until=lambda: result_of(delivery) is Result.SENT)
    assert {message.code for message in gateway.sent} == {"493027"}


def test_after_the_last_try_it_has_failed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRIES", without_pauses(3))
    delivery, gateway = waiting(world), FakeGateway()
    gateway.fails = [DeliveryFailed(Result.FAILED, permanent=False)] * 9
    carry(gateway, until=lambda: result_of(delivery) is Result.FAILED)
    assert len(gateway.fails) == 6
    assert not OutboxMessage.objects.exists()


def test_a_dead_code_is_not_sent(world: World) -> None:
    delivery, gateway = waiting(world, lives=timedelta(seconds=-1)), FakeGateway()
    carry(gateway, until=lambda: result_of(delivery) is Result.EXPIRED)
    assert gateway.sent == []


def test_fld_13_a_code_that_was_replaced_leaves_the_queue(world: World) -> None:
    """A code replaced by a newer one is withdrawn from the outbox and never sent."""
    delivery = waiting(world)
    outbox.withdraw([delivery.pk])
    assert not OutboxMessage.objects.exists()
    assert result_of(delivery) is Result.EXPIRED


def test_a_receipt_that_comes_before_our_own_note_counts(world: World) -> None:
    delivery, gateway = waiting(world), FakeGateway()
    gateway.when_sent = lambda: gateway.report(Report("one", "one-1", Result.DELIVERED))
    carry(gateway, until=lambda: result_of(delivery) is Result.DELIVERED)
    assert Receipt.objects.get().is_applied


def test_fld_11_a_receipt_that_comes_twice_counts_once(world: World) -> None:
    """Repeated, contradicting and foreign receipts change nothing after the first receipt of a message."""
    changes: list[Changed] = []
    delivery, gateway = waiting(world), FakeGateway()
    carry(gateway, until=lambda: result_of(delivery) is Result.SENT)

    class Late(FakeGateway):
        async def start(self, report: Callable[[Report], None]) -> None:
            for _ in range(3):
                report(Report("one", "one-1", Result.DELIVERED))
            report(Report("one", "one-1", Result.UNREACHABLE))
            report(Report("one", "somebody else's", Result.DELIVERED))

    carry(Late("one"), until=lambda: Receipt.objects.count() == 3, decided=changes.append)
    assert changes == [Changed(delivery.pk, Result.DELIVERED)]
    assert result_of(delivery) is Result.DELIVERED


def test_what_a_killed_dispatcher_had_in_hand_is_sent_by_the_next_one(world: World) -> None:
    """Killed between "accepted" and "recorded": the text goes out again, with the same code."""
    delivery = waiting(world)
    now = datetime.now(UTC)
    (claimed,) = outbox.claim(now=now)
    assert outbox.claim(now=now) == []
    later = now + outbox.LEASE
    (again,) = outbox.claim(now=later)
    assert again.outgoing == claimed.outgoing
    assert again.tries == 2
    gateway = FakeGateway()
    carry(gateway, until=lambda: result_of(delivery) is Result.SENT, clock=lambda: datetime.now(UTC) + 2 * outbox.LEASE)
    assert gateway.sent[0].code == "493027"


def test_twenty_messages_are_claimed_by_as_many_questions_as_one(world: World, django_assert_num_queries: Any) -> None:
    """Whether a user is an administrator isn't queried for each message: until the claim ends, no message leaves."""
    now = datetime.now(UTC)
    waiting(world)
    with CaptureQueriesContext(connection) as asked:
        assert len(outbox.claim(now=now + timedelta(seconds=1))) == 1
    for _ in range(20):
        waiting(world)
    with django_assert_num_queries(len(asked)):
        assert len(outbox.claim(now=datetime.now(UTC))) == 20


def test_fld_09_nothing_is_sent_to_a_number_that_moved_to_another_sim(world: World) -> None:
    """No message is sent to a number that moved to another SIM, and its sign-in is told."""

    async def moved(_claimed: object) -> bool:
        return True

    changes: list[Changed] = []
    delivery, gateway = waiting(world), FakeGateway()
    carry(gateway, until=lambda: result_of(delivery) is Result.SIM_CHANGED, sim_changed=moved, decided=changes.append)
    assert gateway.sent == []
    assert changes == [Changed(delivery.pk, Result.SIM_CHANGED)]
