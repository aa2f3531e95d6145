"""Warnings by text have a quota of their own, and are not sent to numbers that get no codes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from tests.messaging.test_counters import ask, many, options
from tests.telephone import Telephone
from tests.world import ALICES_NUMBER, World
from watchword.messaging.limits.counters import LimitRule, Permitted, SendThrottled, reserve_warning, telephone_of
from watchword.messaging.models import DailyTotal, Delivery, DeniedMessage
from watchword.messaging.notices import warn


def test_a_warning_is_counted_and_leaves_the_codes_alone(world: World, telephone: Telephone) -> None:
    for minute in range(5):
        assert (
            warn(world.alice, ALICES_NUMBER, "Hill: careful", now=world.now + timedelta(seconds=minute)) == Permitted()
        )
    assert DailyTotal.objects.get().asked == Delivery.objects.filter(purpose="warning").count() == 5
    refused = warn(world.alice, ALICES_NUMBER, "Hill: careful", now=world.now + timedelta(minutes=9))
    assert isinstance(refused, SendThrottled)
    assert refused.rule is LimitRule.DAY
    assert len(telephone.received) == 5
    assert ask(world.alice, ALICES_NUMBER, world.now + timedelta(minutes=10), is_new=False) == Permitted()


@pytest.mark.parametrize("to", ["+33612345678", "+870773111632", "+499001234567"])
def test_no_warning_goes_where_no_code_would(world: World, telephone: Telephone, to: str) -> None:
    assert isinstance(warn(world.alice, to, "careful", now=world.now), SendThrottled)
    assert telephone.received == []
    assert DeniedMessage.objects.count() == 1


def test_warnings_of_many_people_do_not_flood_one_number(world: World, telephone: Telephone) -> None:
    for user in many(world, 9):
        warn(user, ALICES_NUMBER, "careful", now=world.now)
    assert len(telephone.received) == 5


def test_a_warning_stops_where_the_quota_is_empty(world: World, telephone: Telephone) -> None:
    options(world, organisation_sends_each_day=0)
    verdict = warn(world.root, ALICES_NUMBER, "careful", now=world.now)
    assert isinstance(verdict, SendThrottled)
    assert verdict.rule is LimitRule.ORGANISATION_DAY
    with transaction.atomic():
        assert isinstance(reserve_warning(world.root, telephone_of(ALICES_NUMBER), now=world.now), SendThrottled)
