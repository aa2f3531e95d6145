"""A fault at the dispatcher costs at most one message, and never sends one message twice with different content."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.messaging.test_dispatcher import FakeGateway, carry, result_of, waiting, without_pauses
from tests.world import World
from watchword.cli.messaging_worker import serve_phones
from watchword.messaging.config_file import Phones
from watchword.messaging.gateway import DeliveryFailed, LeasedMessage, Outgoing, Report, Result, Submitted
from watchword.messaging.models import Delivery, DeliveryAttempt, OutboxMessage
from watchword.messaging.worker import dispatcher as module
from watchword.messaging.worker import outbox, persistence
from watchword.messaging.worker.circuit_breaker import FAILURES
from watchword.messaging.worker.delivery_receipts import Changed, DeliveryOutcome

pytestmark = pytest.mark.django_db(transaction=True)


class Strange(FakeGateway):
    """A gateway that raises an exception, or returns strange message ids."""

    def __init__(self, name: str = "strange", *, reference: str = "", raises: Exception | None = None) -> None:
        super().__init__(name)
        self.reference = reference
        self.raises = raises

    async def send(self, outgoing: Outgoing) -> Submitted:
        if self.raises is not None:
            raise self.raises
        self.sent.append(outgoing)
        return Submitted(self.reference)


class Endless(FakeGateway):
    """A gateway that accepts messages and never answers."""

    async def send(self, outgoing: Outgoing) -> Submitted:
        """Wait forever."""
        self.sent.append(outgoing)
        await asyncio.Event().wait()
        raise AssertionError


def test_a_message_that_can_not_be_read_is_given_up_and_the_next_one_is_carried(world: World) -> None:
    """A row that was altered, or sealed with a lost key, must not stop every dispatcher again and again."""
    broken, sound, gateway = waiting(world), waiting(world), FakeGateway()
    OutboxMessage.objects.filter(pk=broken.pk).update(payload=b"nothing that was sealed here")
    carry(gateway, until=lambda: result_of(sound) is Result.SENT)
    assert result_of(broken) is Result.FAILED
    assert [message.delivery_id for message in gateway.sent] == [sound.pk]
    assert not OutboxMessage.objects.exists()


def test_a_mistake_in_a_gateway_costs_no_message(world: World) -> None:
    delivery, good = waiting(world), FakeGateway("good")
    strange = Strange(raises=ZeroDivisionError("with a number in it: +4915112345678"))
    carry(strange, good, until=lambda: result_of(delivery) is Result.SENT)
    assert len(good.sent) == 1


def test_what_a_gateway_names_a_message_is_stored_whatever_it_is(world: World) -> None:
    """PostgreSQL rejects NUL: recording the delivery attempt would be retried forever, and nothing else be written."""
    first, second = waiting(world), waiting(world, "111111")
    strange = Strange(reference="SM\0\n1" + "x" * 200)
    carry(strange, until=lambda: {result_of(first), result_of(second)} == {Result.SENT})
    assert {row.reference for row in DeliveryAttempt.objects.all()} == {("SM1" + "x" * 200)[:100]}


def test_a_report_with_such_a_name_finds_its_message(world: World) -> None:
    delivery, strange = waiting(world), Strange(reference="a\0b")
    carry(strange, until=lambda: result_of(delivery) is Result.SENT)
    persistence.write(
        persistence.Batch(reports=[Report("strange", "a\0b", Result.DELIVERED)]), lambda _c: None, datetime.now(UTC)
    )
    assert result_of(delivery) is Result.DELIVERED


def test_a_message_of_a_person_who_was_deleted_meanwhile_holds_nothing_up(world: World) -> None:
    """An outcome that can never be written is skipped; the rest of the same batch is written."""
    now = datetime.now(UTC)
    stored, gone = waiting(world), waiting(world)
    gone_id = gone.pk
    gone.delete()
    told: list[Changed] = []
    batch = persistence.Batch(
        outcomes=[DeliveryOutcome(each, "one", Result.SENT, "DE", f"r-{each}") for each in (gone_id, stored.pk)],
        finished=[persistence.Finished(each, Result.SENT, "one", f"r-{each}", 0) for each in (gone_id, stored.pk)],
        reports=[Report("one", f"r-{stored.pk}", Result.DELIVERED)],
    )
    persistence.write(batch, told.append, now)
    assert DeliveryAttempt.objects.get().delivery_id == stored.pk
    assert told == [Changed(stored.pk, Result.DELIVERED)]


def test_fld_12_a_gateway_that_may_have_taken_a_message_is_given_time_before_it_is_sent_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that may have taken a message gets time: no other one is asked, and a receipt stops a duplicate."""
    monkeypatch.setattr(module, "RETRIES", without_pauses(6))
    delivery, unsure, other = waiting(world), FakeGateway("unsure"), FakeGateway("other")
    monkeypatch.setattr(random, "random", lambda: 0.0)
    unsure.fails = [DeliveryFailed(Result.FAILED, permanent=False, maybe_taken=True)]
    unsure.when_sent = lambda: unsure.report(Report("unsure", "", Result.DELIVERED, delivery.pk))
    carry(unsure, other, until=lambda: result_of(delivery) is Result.DELIVERED)
    assert not OutboxMessage.objects.exists()
    assert other.sent == []


def test_fld_12_without_a_receipt_it_is_sent_again_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that a gateway may have taken is sent again, with the same code, if no receipt arrives."""
    monkeypatch.setattr(module, "RETRIES", without_pauses(6))
    monkeypatch.setattr(module, "UNSURE_SECONDS", 0.2)
    monkeypatch.setattr(random, "random", lambda: 0.0)
    delivery, unsure, other = waiting(world), FakeGateway("unsure"), FakeGateway("other")
    unsure.fails = [DeliveryFailed(Result.FAILED, permanent=False, maybe_taken=True)]
    carry(unsure, other, until=lambda: result_of(delivery) is Result.SENT)
    assert [message.code for message in unsure.sent + other.sent] == ["493027"]


def test_fld_12_a_gateway_that_never_ends_is_given_up_within_the_lease(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that never answers is timed out before the message's lease ends."""
    monkeypatch.setattr(module, "CARRY_SECONDS", 0.2)
    monkeypatch.setattr(module, "UNSURE_SECONDS", 0.1)
    monkeypatch.setattr(module, "RETRIES", without_pauses(2))
    delivery, endless = waiting(world), Endless()
    carry(endless, until=lambda: result_of(delivery) is Result.FAILED)
    assert {message.code for message in endless.sent} == {"493027"}
    assert timedelta(seconds=25) < outbox.LEASE


def test_a_gateway_that_never_answers_is_left_alone_as_one_that_fails(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that accepts nothing loses nothing, so without failures recorded it would be ranked first forever."""
    monkeypatch.setattr(module, "CARRY_SECONDS", 0.2)
    monkeypatch.setattr(module, "UNSURE_SECONDS", 0.0)
    monkeypatch.setattr(module, "RETRIES", without_pauses(3))
    monkeypatch.setattr(random, "random", lambda: 0.0)
    deliveries = [waiting(world) for _ in range(FAILURES)]
    carry(
        Endless("endless"), FakeGateway("good"), until=lambda: all(result_of(one) is Result.SENT for one in deliveries)
    )
    assert DeliveryAttempt.objects.filter(gateway="endless", result=Result.FAILED).count() == FAILURES


def test_fld_13_a_dispatcher_does_not_begin_twice_with_the_same_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dispatcher whose own lease runs out during a send claims the message again, but sends it once."""
    monkeypatch.setattr(outbox, "LEASE", timedelta(seconds=0))
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)
    claims: list[int] = []
    claim = persistence.claim

    def counted(*arguments: Any) -> list[LeasedMessage]:
        claimed = claim(*arguments)
        claims.append(len(claimed))
        return claimed

    monkeypatch.setattr(persistence, "claim", counted)

    class Slow(FakeGateway):
        async def send(self, outgoing: Outgoing) -> Submitted:
            self.sent.append(outgoing)
            async with asyncio.timeout(5):
                while sum(claims) < 5:  # noqa: ASYNC110  (the dispatcher's own thread counts)
                    await asyncio.sleep(0.01)
            return Submitted("1")

    delivery, slow = waiting(world), Slow()
    carry(slow, until=lambda: result_of(delivery) is Result.SENT)
    assert len(slow.sent) == 1
    assert sum(claims) >= 5


def test_a_lease_begins_when_the_database_is_asked_and_not_while_it_is_held_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failover requests are stale: a lease that has already ended would give one message to two dispatchers."""
    claim, asked = persistence.claim, list[datetime]()
    leases: list[datetime] = []

    def delayed(*arguments: Any) -> list[LeasedMessage]:
        time.sleep(0.5)
        asked.append(datetime.now(UTC))
        return claim(*arguments)

    monkeypatch.setattr(persistence, "claim", delayed)

    class Slow(FakeGateway):
        async def send(self, outgoing: Outgoing) -> Submitted:
            async with asyncio.timeout(5):
                while not leases:  # noqa: ASYNC110  (another thread sets it)
                    await asyncio.sleep(0.01)
            return Submitted("1")

    def is_sent() -> bool:
        leases.extend(OutboxMessage.objects.filter(tries=1).values_list("next_try_at", flat=True))
        return result_of(delivery) is Result.SENT

    delivery = waiting(world)
    carry(Slow(), until=is_sent)
    assert leases[0] >= asked[0] + outbox.LEASE


def test_what_a_lock_took_of_the_lease_is_not_there_for_carrying(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The send must end before the lease does, however much of the lease the claim itself took."""
    claim, began, ended = outbox.claim, [], []
    monkeypatch.setattr(module, "CARRY_SECONDS", 2.0)

    def slowly(**config: Any) -> list[LeasedMessage]:
        began.append(time.monotonic())
        claimed = claim(**config)
        time.sleep(1.5)
        return claimed

    monkeypatch.setattr(outbox, "claim", slowly)

    class Endless(FakeGateway):
        async def send(self, outgoing: Outgoing) -> Submitted:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(time.monotonic())
            raise AssertionError

    waiting(world)
    carry(Endless(), until=lambda: bool(ended))
    assert ended[0] - began[0] < 3.0


def test_what_was_claimed_so_late_that_its_lease_is_over_is_claimed_again_before_it_is_carried(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit can wait for a standby longer than the lease; another dispatcher may have the message by then."""
    claim, claims = outbox.claim, list[int]()
    monkeypatch.setattr(module, "CARRY_SECONDS", 1.0)
    monkeypatch.setattr(outbox, "LEASE", timedelta(seconds=1.1))

    def slow_at_first(**config: Any) -> list[LeasedMessage]:
        claimed = claim(**config)
        if claimed and not claims:
            time.sleep(1.2)
        claims.extend(item.tries for item in claimed)
        return claimed

    monkeypatch.setattr(outbox, "claim", slow_at_first)
    delivery, gateway = waiting(world), FakeGateway()
    carry(gateway, until=lambda: result_of(delivery) is Result.SENT)
    assert claims == [1, 2]
    assert len(gateway.sent) == 1


def test_what_a_gateway_may_have_taken_when_we_stop_is_not_sent_again_without_pauses(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dispatcher that starts next waits for a receipt as long as the stopped one would have."""
    monkeypatch.setattr(module, "STOP_SECONDS", 0.1)

    class Endless(FakeGateway):
        async def send(self, outgoing: Outgoing) -> Submitted:
            self.sent.append(outgoing)
            await asyncio.Event().wait()
            raise AssertionError

    waiting(world)
    endless = Endless()
    carry(endless, until=lambda: bool(endless.sent))
    pause = OutboxMessage.objects.get().next_try_at - datetime.now(UTC)
    assert timedelta(seconds=5) < pause <= timedelta(seconds=module.UNSURE_SECONDS)


def test_a_receipt_that_names_nothing_matches_no_message(world: World) -> None:
    """A message that one gateway refused has no id there, and still waits for another gateway."""
    now, delivery = datetime.now(UTC), waiting(world)
    persistence.write(
        persistence.Batch(
            outcomes=[DeliveryOutcome(delivery.pk, "one", Result.FAILED, "DE")], again=[(delivery.pk, now)]
        ),
        lambda _changed: None,
        now,
    )
    persistence.write(persistence.Batch(reports=[Report("one", "\x01", Result.DELIVERED)]), lambda _changed: None, now)
    assert result_of(delivery) is Result.WAITING
    assert OutboxMessage.objects.count() == 1


def test_a_wake_up_socket_that_another_process_took_away_does_not_make_a_polite_end_a_failure(
    world: World, tmp_path: Path
) -> None:
    """Two containers that share a home can have the same process id; the newer one replaces the socket of the older."""

    def taken_away() -> None:
        for socket in tmp_path.glob("phones-*.sock"):
            socket.unlink()
        os.kill(os.getpid(), signal.SIGTERM)

    asyncio.run(serve_phones(Phones((), "EUR"), tmp_path, ready=taken_away))


@pytest.mark.parametrize("result", [Result.BLOCKED, Result.BUSY, Result.NO_ANSWER, Result.BAD_NUMBER])
def test_nobody_closes_a_gateway_by_bad_numbers(world: World, monkeypatch: pytest.MonkeyPatch, result: Result) -> None:
    """A failure caused by the number never opens the circuit breaker, however often it occurs."""
    monkeypatch.setattr(module, "RETRIES", without_pauses(1))
    deliveries, gateway = [waiting(world) for _ in range(8)], FakeGateway()
    gateway.fails = [DeliveryFailed(result, permanent=False)] * 8
    lines: list[module.GatewayRoute] = []
    original = module.Dispatcher.__init__

    def watched(self: module.Dispatcher, given: list[module.GatewayRoute], **more: Any) -> None:
        lines.extend(given)
        original(self, given, **more)

    monkeypatch.setattr(module.Dispatcher, "__init__", watched)
    carry(gateway, until=lambda: all(result_of(one) is result for one in deliveries))
    assert lines[0].breaker.is_closed
    assert Delivery.objects.filter(result=result).count() == 8
