"""How many messages may be sent, and when they leave."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from tests.telephone import Telephone
from tests.world import World, make_person, make_world
from watchword.core.policy import Channel
from watchword.directory.models import User
from watchword.messaging import send
from watchword.messaging.config_file import Phones
from watchword.messaging.gateway import Outgoing, Result
from watchword.messaging.limits.counters import LimitRule, Permitted, SendThrottled, reserve_send, telephone_of
from watchword.messaging.models import Delivery, OutboxMessage
from watchword.messaging.worker import outbox

PHONE = "+4915112345678"


def sent(world: World, user: User, *, ago: timedelta, number: bytes | None = None) -> Delivery:
    at = world.now - ago
    return Delivery.objects.create(
        organisation=world.organisation,
        user=user,
        channel=Channel.SMS,
        purpose="sign_in",
        number_key=telephone_of(PHONE).number_key if number is None else number,
        ends="78",
        created_at=at,
        changed_at=at,
    )


def evaluate(world: World, user: User, *, in_attempt: int = 0) -> Permitted | SendThrottled:
    with transaction.atomic():
        return reserve_send(
            user, telephone_of(PHONE), Channel.SMS, sends_in_attempt=in_attempt, is_new=False, now=world.now
        )


def test_the_sixth_code_in_a_quarter_hour_waits(world: World) -> None:
    for minute in range(5):
        sent(world, world.alice, ago=timedelta(minutes=minute + 1))
    assert evaluate(world, world.alice) == SendThrottled(world.now + timedelta(minutes=10), LimitRule.QUARTER_HOUR)


def test_the_twenty_first_code_in_a_day_waits(world: World) -> None:
    for hour in range(20):
        sent(world, world.alice, ago=timedelta(hours=hour + 1), number=b"another")
    assert evaluate(world, world.alice) == SendThrottled(world.now + timedelta(hours=4), LimitRule.DAY)


def test_a_number_gets_ten_codes_a_day_over_all_people(world: World) -> None:
    for hour in range(10):
        sent(world, world.bob, ago=timedelta(hours=hour + 1))
    assert evaluate(world, world.alice) == SendThrottled(world.now + timedelta(hours=14), LimitRule.NUMBER_DAY)


def test_a_number_serves_five_people_a_day(world: World) -> None:
    for number in range(5):
        sent(world, make_person(world.organisation, f"person{number}"), ago=timedelta(hours=1))
    verdict = evaluate(world, world.alice)
    assert isinstance(verdict, SendThrottled)
    assert verdict.rule is LimitRule.NUMBER_PEOPLE


def test_the_fourth_code_of_one_attempt_is_refused(world: World) -> None:
    assert evaluate(world, world.alice, in_attempt=2) == Permitted()
    assert evaluate(world, world.alice, in_attempt=3) == SendThrottled(None, LimitRule.ATTEMPT)


def message(world: World) -> Outgoing:
    return Outgoing(sent(world, world.alice, ago=timedelta(0)).pk, Channel.SMS, "+4915112345678", "", "493027")


def test_a_message_leaves_when_its_transaction_commits_and_not_before(world: World, telephone: Telephone) -> None:
    outgoing = message(world)
    with transaction.atomic():
        send.enqueue(outgoing, now=world.now)
        assert telephone.received == []
    assert [each.code for each in telephone.received] == ["493027"]
    row = Delivery.objects.get(pk=outgoing.delivery_id)
    assert (row.result, row.gateway, row.reference) == (Result.SENT, "telephone", "ref-1")


def test_a_message_whose_transaction_rolls_back_is_never_sent(world: World, telephone: Telephone) -> None:
    outgoing = message(world)
    with suppress(ZeroDivisionError), transaction.atomic():
        send.enqueue(outgoing, now=world.now)
        raise ZeroDivisionError
    outbox.wake()
    assert telephone.received == []
    assert not OutboxMessage.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ends_well", [True, False])
def test_only_a_real_commit_wakes_the_dispatcher(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch, ends_well: bool
) -> None:
    """This test commits for real, without the commits simulated by ``tests.commits``."""
    world, woken = make_world(), list[bool]()
    monkeypatch.setattr(outbox, "wake", lambda: woken.append(OutboxMessage.objects.exists()))
    outgoing = message(world)
    with suppress(ZeroDivisionError), transaction.atomic():
        send.enqueue(outgoing, now=world.now)
        assert woken == []
        if not ends_well:
            raise ZeroDivisionError
    assert woken == ([True] if ends_well else [])
    assert OutboxMessage.objects.exists() is ends_well


@pytest.mark.django_db(transaction=True)
def test_a_dispatcher_that_can_t_be_woken_costs_the_page_nothing(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_sockets() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(outbox, "wake", no_sockets)
    world = make_world()
    send.enqueue(message(world), now=world.now)
    assert OutboxMessage.objects.exists(), "a dispatcher that looks twice a second finds it"


def test_without_any_gateway_no_way_is_carried(settings: Any) -> None:
    settings.WATCHWORD_PHONES = Phones()
    assert send.channels_carried() == frozenset()


def test_a_quick_receipt_is_not_overwritten_by_our_own_note(world: World) -> None:
    delivery = sent(world, world.alice, ago=timedelta(0))
    send.note_result(delivery.pk, Result.DELIVERED, now=world.now)
    send.note_result(delivery.pk, Result.SENT, now=world.now, gateway="telephone", reference="r")
    delivery.refresh_from_db()
    assert (delivery.result, delivery.gateway) == (Result.DELIVERED, "telephone")
