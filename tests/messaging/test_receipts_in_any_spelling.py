"""Providers write a message id in one format in the response and in another in the receipt: the two are matched."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.left_out import ON_THE_OTHER_DATABASE
from tests.phones.test_webhooks import result
from tests.world import ALICES_NUMBER, World
from watchword.core.policy import Channel
from watchword.messaging.gateway import Report, Result
from watchword.messaging.limits.counters import telephone_of
from watchword.messaging.models import Delivery, DeliveryAttempt, Receipt
from watchword.messaging.send import new_delivery
from watchword.messaging.worker import delivery_receipts, persistence
from watchword.messaging.worker.delivery_receipts import DeliveryOutcome

OTHER_NUMBER = "+4915187654321"
SPELLINGS = [
    pytest.param("abc1", ("abc1",), id="as it stands"),
    pytest.param("ABC1237", ("abc1237",), id="letter case"),
    pytest.param("0039f99dd5", ("39F99DD5",), id="zeros in front"),
    pytest.param("abc1231", ("180097585",), id="hexadecimal in the answer"),
    pytest.param("0039f99dd5", ("0972660181",), id="hexadecimal and zeros in front of either"),
    pytest.param("180097585", ("0ABC1231",), id="decimal in the answer"),
    pytest.param("39f99dd5", ("39f99dd5", "0972660181"), id="the parameter as in the answer, the text decimal"),
    pytest.param("972660181", ("no-such", "39F99DD5"), id="only the text"),
    pytest.param("AB/12+34==", ("AB/12+34==",), id="any sign"),
]


def report(*names: str, number: str = ALICES_NUMBER, **more: Any) -> Report:
    """Return a report as an SMPP provider sends it."""
    return Report(
        "sms",
        names[0],
        Result.DELIVERED,
        other_references=names[1:],
        number=number,
        is_spelled_freely=True,
        **more,
    )


def to_be_taken(world: World, number: str = ALICES_NUMBER) -> Delivery:
    now = timezone.now()
    return new_delivery(world.alice, telephone_of(number), Channel.SMS, "sign_in", now=now)


def note_taken(delivery: Delivery, reference: str) -> Delivery:
    """Record that the provider accepted a message."""
    outcomes = [DeliveryOutcome(delivery.pk, "sms", Result.SENT, "DE", reference)]
    finished = [persistence.Finished(delivery.pk, Result.SENT, "sms", reference, 0)]
    persistence.write(persistence.Batch(outcomes=outcomes, finished=finished), lambda _changed: None, timezone.now())
    return delivery


@pytest.mark.parametrize(("answered", "names"), SPELLINGS)
def test_a_receipt_in_another_spelling_finds_its_message(world: World, answered: str, names: tuple[str, ...]) -> None:
    delivery = note_taken(to_be_taken(world), answered)
    (changed,) = delivery_receipts.note_reports([report(*names)], now=timezone.now())
    assert (changed.delivery_id, result(delivery)) == (delivery.pk, Result.DELIVERED)
    assert DeliveryAttempt.objects.get(delivery=delivery).result == Result.DELIVERED


@pytest.mark.parametrize(("answered", "names"), SPELLINGS)
def test_a_receipt_that_comes_before_our_note_finds_it_too(world: World, answered: str, names: tuple[str, ...]) -> None:
    delivery = to_be_taken(world)
    assert delivery_receipts.note_reports([report(*names)], now=timezone.now()) == []
    note_taken(delivery, answered)
    assert result(delivery) is Result.DELIVERED


def test_a_receipt_that_another_process_wrote_at_that_moment_is_found_later(world: World) -> None:
    delivery = note_taken(to_be_taken(world), "abc1231")
    delivery_receipts.note_reports([report("180097585")], now=timezone.now())
    Delivery.objects.update(result=Result.SENT)
    DeliveryAttempt.objects.update(result=Result.SENT)
    Receipt.objects.update(is_applied=False)
    assert delivery_receipts.apply_strays(now=timezone.now()) == 1
    assert result(delivery) is Result.DELIVERED


def test_another_spelling_counts_only_for_the_number_that_it_went_to(world: World) -> None:
    delivery = note_taken(to_be_taken(world), "abc1231")
    assert delivery_receipts.note_reports([report("180097585", number=OTHER_NUMBER)], now=timezone.now()) == []
    assert result(delivery) is Result.SENT


def test_a_name_that_means_two_messages_is_that_of_the_number(world: World) -> None:
    """Decimal 16 is hexadecimal 10: both ids exist, and the receipt belongs to the one with the same number."""
    mine = note_taken(to_be_taken(world), "10")
    other = note_taken(to_be_taken(world, OTHER_NUMBER), "16")
    delivery_receipts.note_reports([report("16")], now=timezone.now())
    assert (result(mine), result(other)) == (Result.DELIVERED, Result.SENT)


def test_a_name_as_it_stands_needs_no_number(world: World) -> None:
    """Some receipts carry the sender's name in place of the number, or the number in its national format."""
    delivery = note_taken(to_be_taken(world), "abc1")
    delivery_receipts.note_reports([report("abc1", number="")], now=timezone.now())
    assert result(delivery) is Result.DELIVERED


def test_what_is_not_marked_as_a_receipt_needs_name_and_number(world: World) -> None:
    """Anyone can send a text with these words, and the id alone can be guessed if the provider numbers its messages."""
    delivery = note_taken(to_be_taken(world), "1001")
    for one in (report("1001", number=OTHER_NUMBER, is_certain=False), report("9", is_certain=False)):
        assert delivery_receipts.note_reports([one], now=timezone.now()) == []
    assert (result(delivery), Receipt.objects.count()) == (Result.SENT, 0)
    delivery_receipts.note_reports([report("1001", is_certain=False)], now=timezone.now())
    assert result(delivery) is Result.DELIVERED


def test_a_receipt_without_a_name_is_about_nothing(world: World) -> None:
    refused = to_be_taken(world)
    delivery_receipts.note_outcomes([DeliveryOutcome(refused.pk, "sms", Result.FAILED, "DE")], now=timezone.now())
    assert delivery_receipts.note_reports([report("")], now=timezone.now()) == []


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason=f"{ON_THE_OTHER_DATABASE}it plans by what it counted")
def test_a_receipt_is_looked_for_by_indexes_alone(world: World) -> None:
    """Receipts arrive all day, and delivery attempts are retained for months."""
    note_taken(to_be_taken(world), "abc1231")
    with CaptureQueriesContext(connection) as asked:
        delivery_receipts.note_reports([report("180097585", str(world.alice.pk))], now=timezone.now())
        note_taken(to_be_taken(world), "abc1232")
    looked = [
        one["sql"]
        for one in asked.captured_queries
        if one["sql"].startswith("SELECT") and ("_deliveryattempt" in one["sql"] or "_receipt" in one["sql"])
    ]
    assert len(looked) >= 4
    with connection.cursor() as cursor:
        for sql in looked:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql.replace('%', '%%')}")
            plan = [str(row[-1]) for row in cursor.fetchall()]
            assert not [step for step in plan if step.startswith("SCAN") or "attempt_by_gateway " in step], plan
