"""The rules that all outboxes share: the lease, growing pauses, giving up, and whose error it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import InterfaceError, InternalError, OperationalError

from tests.world import World
from watchword.alerts.models import Notice
from watchword.alerts.rules import AlertRule
from watchword.audit.retries import RetryPolicy, attempt_one, lease, try_again
from watchword.messaging.worker import dispatcher

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
POLICY = RetryPolicy(timedelta(seconds=1), timedelta(seconds=5), most_tries=5, longest_age=timedelta(hours=1))


def test_pauses_double_up_to_the_longest_and_end_with_the_last_try() -> None:
    pauses = [POLICY.pause(tries) for tries in range(1, 6)]
    assert pauses == [timedelta(seconds=seconds) for seconds in (1, 2, 4, 5)] + [None]


def test_what_is_too_old_is_given_up_however_seldom_it_was_tried() -> None:
    assert POLICY.next_try(1, since=NOW - timedelta(hours=1), now=NOW) == NOW + timedelta(seconds=1)
    assert POLICY.next_try(1, since=NOW - timedelta(hours=1, seconds=1), now=NOW) is None


def test_a_code_is_tried_six_times_within_half_a_minute() -> None:
    pauses = [dispatcher.RETRIES.pause(tries) for tries in range(1, 7)]
    assert pauses == [timedelta(seconds=seconds) for seconds in (1, 2, 4, 8, 16)] + [None]


@pytest.mark.parametrize("error", [OperationalError, InterfaceError, InternalError])
def test_a_database_that_can_t_answer_is_no_row_s_trouble(error: type[Exception]) -> None:
    noted: list[Exception] = []

    def act() -> None:
        raise error

    with pytest.raises(error):
        attempt_one(act, noted.append)
    assert noted == []


def test_whatever_else_a_row_raises_is_its_own_trouble() -> None:
    noted: list[Exception] = []
    nothing: dict[str, int] = {}
    assert attempt_one(lambda: nothing["missing"], noted.append) is None
    assert [type(error) for error in noted] == [KeyError]
    assert attempt_one(lambda: 7, noted.append) == 7


def notice(world: World, number: int) -> Notice:
    return Notice.objects.create(
        merge_key=str(number),
        user=world.alice,
        rule=AlertRule.NEW_BROWSER,
        event_id=number,
        by="mail",
        to=b"sealed",
        created_at=NOW,
        next_try_at=NOW + timedelta(seconds=number),
    )


def test_a_leased_row_is_claimed_by_no_other_worker_until_the_lease_is_over(world: World) -> None:
    rows = [notice(world, number) for number in range(3)]
    later, lifetime = NOW + timedelta(seconds=1), timedelta(seconds=30)
    assert lease(Notice.objects.all(), now=later, lifetime=lifetime, at_most=9) == [row.pk for row in rows[:2]]
    assert lease(Notice.objects.all(), now=later, lifetime=lifetime, at_most=9) == []
    again = lease(Notice.objects.all(), now=later + lifetime, lifetime=lifetime, at_most=9)
    assert set(again) == {row.pk for row in rows}
    assert Notice.objects.get(pk=rows[0].pk).tries == 2


def test_a_row_that_is_given_up_is_not_written_to(world: World) -> None:
    row = Notice.objects.filter(pk=notice(world, 1).pk)
    assert try_again(row, POLICY, tries=4, since=NOW, now=NOW, trouble="SMTPException")
    assert (row.get().next_try_at, row.get().trouble) == (NOW + timedelta(seconds=5), "SMTPException")
    assert not try_again(row, POLICY, tries=5, since=NOW, now=NOW, trouble="KeyError")
    assert row.get().trouble == "SMTPException"
