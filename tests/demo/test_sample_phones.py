"""The sample's month of messages: the statistics add up, and no sample data blocks a newcomer."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest
from django.db.models import Sum

from tests.world import World
from watchword.admincenter.phones import statistics
from watchword.core.policy import Channel
from watchword.demo import sample_phones
from watchword.demo.sample_phones import Holder
from watchword.directory.models import User
from watchword.messaging.limits.rules import LimitRule
from watchword.messaging.models import CountryBlock, DailyTotal, Delivery, DeniedMessage

pytestmark = pytest.mark.django_db


@pytest.fixture
def made(world: World) -> World:
    """Return a world with a month of texts to Alice, calls to Carol, and refused messages of Bob."""
    since = world.now - timedelta(days=80)
    holders = [
        Holder(world.alice, "+4915112345678", Channel.SMS, since),
        Holder(world.carol, "+4930901820", Channel.VOICE, world.now - timedelta(days=20)),
    ]
    sample_phones.make(holders, [world.bob] * 8, now=world.now)
    return world


def test_the_plots_add_up_to_the_messages(made: World) -> None:
    assert Delivery.objects.filter(user=made.alice).count() > 4
    assert set(Delivery.objects.values_list("channel", "user_id")) == {("sms", made.alice.pk), ("voice", made.carol.pk)}
    figures = statistics.figures_of(made.alice.organisation, days=31, now=made.now)
    everything = figures.new + figures.proven
    assert everything.sent == Delivery.objects.count()
    assert everything.entered == Delivery.objects.exclude(entered_at=None).count()
    assert everything.entered <= everything.arrived <= everything.sent
    for day in DailyTotal.objects.values_list("day", flat=True).distinct():
        asked = DailyTotal.objects.filter(day=day).aggregate(all=Sum("asked"))["all"]
        assert asked == sum(
            at.astimezone(UTC).date() == day for at in Delivery.objects.values_list("created_at", flat=True)
        )


def test_it_lies_in_the_last_month_and_a_phone_is_proven_by_a_code_that_was_typed(made: World) -> None:
    times = list(Delivery.objects.values_list("created_at", flat=True))
    assert all(made.now - timedelta(days=30) < at < made.now for at in times)
    (proof,) = Delivery.objects.filter(purpose="register")
    assert (proof.user, proof.created_at) == (made.carol, made.now - timedelta(days=20))
    assert proof.entered_at is not None
    assert not CountryBlock.objects.exists()


def test_what_was_blocked_was_blocked_by_the_guard(made: World) -> None:
    refused = list(DeniedMessage.objects.all())
    assert len(refused) == 8
    assert {one.rule for one in refused} <= {LimitRule.COUNTRY, LimitRule.RANGE_KIND}
    assert len({(one.country, one.ends) for one in refused}) > 1
    assert DailyTotal.objects.aggregate(all=Sum("refused"))["all"] == 8
    assert User.objects.filter(pk__in=[one.user_id for one in refused]).get() == made.bob


def test_a_number_is_in_no_repr(made: World) -> None:
    assert "12345678" not in repr(Holder(made.alice, "+4915112345678", Channel.SMS, made.now))
