"""Failures over time: when an account is open, when it waits, when it locks."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import NOW
from watchword.core.lockout import (
    Count,
    Locked,
    Open,
    Wait,
    after_failure,
    after_success,
    after_waiting_failure,
    stand,
    wait_or_open,
)
from watchword.core.policy import Limits

LIMITS = Limits()


def _fail(count: Count, times: int, at: datetime) -> Count:
    for _ in range(times):
        count = after_failure(count, LIMITS, at)
    return count


def test_nine_wrong_codes_leave_one_try() -> None:
    assert stand(_fail(Count(), 9, NOW), LIMITS, NOW) == Open(1)


def test_the_tenth_wrong_code_within_a_quarter_hour_makes_wait() -> None:
    assert stand(_fail(Count(), 10, NOW), LIMITS, NOW) == Wait(NOW + timedelta(seconds=30))


def test_each_further_wrong_code_doubles_the_wait_up_to_an_hour() -> None:
    count, at, waits = _fail(Count(), 10, NOW), NOW, []
    for _ in range(12):
        lock = stand(count, LIMITS, at)
        assert isinstance(lock, Wait)
        waits.append((lock.until - at).total_seconds())
        at = lock.until
        assert stand(count, LIMITS, at) == Open(1)
        count = after_failure(count, LIMITS, at)
    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600, 3600]


def test_thirty_wrong_codes_in_a_day_lock_until_a_person_unlocks() -> None:
    count = Count()
    for step in range(30):
        count = after_failure(count, LIMITS, NOW + timedelta(minutes=45 * step))
    assert isinstance(stand(count, LIMITS, NOW + timedelta(days=1)), Locked)
    assert isinstance(stand(count, LIMITS, NOW + timedelta(days=3650)), Locked)


def test_a_slow_trickle_below_thirty_a_day_never_locks_but_a_burst_is_remembered_for_a_day() -> None:
    count = _fail(Count(), 10, NOW)
    assert stand(count, LIMITS, NOW + timedelta(hours=23)) == Open(1)
    assert stand(count, LIMITS, NOW + timedelta(hours=24, seconds=1)) == Open(10)


def test_bru_13_a_clock_set_back_forgives_nothing() -> None:
    count = _fail(Count(), 10, NOW)
    assert isinstance(stand(count, LIMITS, NOW - timedelta(days=2)), Wait)


moments = st.lists(st.integers(0, 3 * 86_400), min_size=1, max_size=80).map(sorted)


@given(moments)
def test_no_pattern_gets_more_than_the_days_tries_checked(seconds: list[int]) -> None:
    count, checked = Count(), []
    for second in seconds:
        at = NOW + timedelta(seconds=second)
        if isinstance(stand(count, LIMITS, at), Open):
            count = after_failure(count, LIMITS, at)
            checked.append(second)
    for start in checked:
        assert sum(1 for second in checked if start <= second < start + 86_400) <= LIMITS.day_failures
        assert (
            sum(1 for second in checked if start <= second < start + LIMITS.first_wait_seconds) <= LIMITS.burst_failures
        )


@given(moments, st.integers(0, 86_400))
def test_only_time_makes_the_count_smaller(seconds: list[int], later: int) -> None:
    count = Count()
    for second in seconds:
        before = count
        count = after_failure(count, LIMITS, NOW + timedelta(seconds=second))
        day = NOW + timedelta(seconds=second) - timedelta(days=1)
        alive = [failure for failure in before.failures if failure > day]
        assert len(count.failures) >= min(len(alive) + 1, LIMITS.day_failures)
        assert before.locked_at is None or count.locked_at == before.locked_at


tightened = st.builds(
    lambda day, burst, first: Limits().tightened(
        {"day_failures": day, "burst_failures": burst, "first_wait_seconds": first}
    ),
    st.integers(1, 30),
    st.integers(1, 10),
    st.integers(30, 3600),
)


@given(moments, tightened)
def test_no_password_is_ever_locked_and_every_wait_ends_within_its_longest(seconds: list[int], limits: Limits) -> None:
    count = Count()
    for second in seconds:
        at = NOW + timedelta(seconds=second)
        count = after_waiting_failure(count, limits, at)
        lock = wait_or_open(count, limits, at)
        assert count.locked_at is None
        assert isinstance(lock, Open) or lock.until - at <= timedelta(seconds=limits.longest_wait_seconds)
        assert isinstance(stand(count, limits, at + timedelta(seconds=limits.longest_wait_seconds)), Open)


def test_what_follows_a_burst_does_not_push_it_out() -> None:
    limits, count, at = Limits().of_sources, Count(), NOW
    for _ in range(limits.burst_failures):
        count = after_waiting_failure(count, limits, at)
    while at < NOW + timedelta(hours=23):
        lock = wait_or_open(count, limits, at)
        assert isinstance(lock, Wait)
        at = lock.until
        count = after_waiting_failure(count, limits, at)


def slowly(count: Count, times: int, at: datetime) -> tuple[Count, datetime]:
    """Count failures 50 minutes apart, 29 a day, which stays below every daily limit."""
    for _ in range(times):
        at += timedelta(minutes=50)
        assert isinstance(stand(count, LIMITS, at), Open)
        count = after_failure(count, LIMITS, at)
    return count, at


def test_a_hundred_wrong_codes_in_a_row_lock_however_slowly_they_come() -> None:
    count, at = slowly(Count(), 99, NOW)
    assert isinstance(stand(count, LIMITS, at), Open)
    count = after_failure(count, LIMITS, at + timedelta(days=30))
    assert isinstance(stand(count, LIMITS, at + timedelta(days=3650)), Locked)


def test_a_right_code_begins_the_row_anew_and_leaves_the_days_count() -> None:
    count, at = slowly(Count(), 99, NOW)
    before = count.failures
    count = after_success(count)
    assert count.failures == before
    count, at = slowly(count, 99, at)
    assert isinstance(stand(count, LIMITS, at), Open)
