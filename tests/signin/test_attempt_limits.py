"""The number of begun sign-ins is limited for each source, and unfinished sign-in attempts are deleted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from tests.telephone import Telephone
from tests.world import World
from watchword.audit.record import Origin
from watchword.core.policy import FactorKind
from watchword.signin import attempt_limits, flow, housekeeping
from watchword.signin.attempt_limits import MOST, WINDOW, TooManyBegun
from watchword.signin.housekeeping import clean_up
from watchword.signin.models import FailureCount, SignInAttempt

STRANGER = "203.0.113.50"


def begin(world: World, *, address: str = STRANGER, later: timedelta = timedelta(0), browser: str = "") -> str:
    now = world.now + later
    origin = Origin(address=address, door="web")
    return flow.begin("alice@harbour.example", origin=origin, next_url="/", now=now, browser=browser)


def flood(world: World, *, address: str = STRANGER) -> None:
    for _ in range(MOST):
        begin(world, address=address)
    with pytest.raises(TooManyBegun):
        begin(world, address=address)


def test_log_02_a_flood_of_names_is_turned_away_and_writes_nothing(world: World) -> None:
    """One source has about a hundred unfinished sign-ins at most; further ones are throttled and write no row."""
    flood(world)
    assert SignInAttempt.objects.count() == MOST
    assert len(FailureCount.objects.get().failures) == MOST
    with pytest.raises(TooManyBegun) as refused:
        begin(world, later=timedelta(minutes=1))
    assert refused.value.until == world.now + WINDOW
    assert SignInAttempt.objects.count() == MOST
    assert begin(world, later=WINDOW)


def test_other_sources_and_this_machine_go_on(world: World) -> None:
    flood(world)
    assert begin(world, address="203.0.113.51")
    for _ in range(MOST + 1):
        begin(world, address="127.0.0.1")


def test_one_network_of_ipv6_is_one_source(world: World) -> None:
    for number in range(MOST):
        begin(world, address=f"2001:db8:1:2::{number:x}")
    with pytest.raises(TooManyBegun):
        begin(world, address="2001:db8:1:2:ffff::1")
    assert begin(world, address="2001:db8:1:3::1")


def test_a_house_full_of_people_who_finish_is_never_stopped(world: World) -> None:
    for _ in range(MOST + 50):
        token = begin(world)
        attempt = flow.find_attempt(token, now=world.now)
        assert attempt is not None
        flow.answer(attempt, FactorKind.PASSWORD, world.passwords["alice"], now=world.now)


def test_a_browser_of_a_person_is_not_kept_out_by_a_stranger_in_the_same_house(
    world: World, telephone: Telephone
) -> None:
    from tests.alerts.playing import complete

    browser = complete(world, telephone, world.alice, origin=Origin(address=STRANGER, door="web")).browser_token
    flood(world)
    assert begin(world, browser=browser)
    with pytest.raises(TooManyBegun):
        begin(world, browser="an invented one")


def test_the_page_says_when_to_try_again(world: World, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt_limits, "MOST", 1)
    assert client.post("/sign-in/", {"name": "carol@harbour.example"}, REMOTE_ADDR=STRANGER).status_code == 302
    answer = client.post("/sign-in/", {"name": "carol@harbour.example"}, REMOTE_ADDR=STRANGER)
    assert answer.status_code == 429
    assert "Too many sign-ins were begun from your network" in answer.content.decode()


def test_unfinished_attempts_are_deleted_an_hour_after_their_time(world: World) -> None:
    begin(world)
    proven = begin(world)
    attempt = flow.find_attempt(proven, now=world.now)
    assert attempt is not None
    flow.answer(attempt, FactorKind.PASSWORD, world.passwords["alice"], now=world.now)
    clean_up(now=world.now + timedelta(minutes=69))
    assert SignInAttempt.objects.count() == 2
    clean_up(now=world.now + timedelta(minutes=71))
    assert list(SignInAttempt.objects.values_list("pk", flat=True)) == [attempt.pk]
    assert not FailureCount.objects.filter(key__startswith=attempt_limits.PREFIX).exists()


def test_log_02_many_sources_together_fill_no_disk_either(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the newest sign-ins without a proven password are stored; one with a proven password is stored as well."""
    monkeypatch.setattr(housekeeping, "MOST_UNPROVEN", 10)
    token = begin(world)
    attempt = flow.find_attempt(token, now=world.now)
    assert attempt is not None
    flow.answer(attempt, FactorKind.PASSWORD, world.passwords["alice"], now=world.now)
    for number in range(30):
        begin(world, address=f"198.51.100.{number}", later=timedelta(seconds=number))
    while clean_up(now=world.now + timedelta(minutes=1)):
        pass
    addresses = set(SignInAttempt.objects.filter(evidence=[]).values_list("address", flat=True))
    assert addresses == {f"198.51.100.{number}" for number in range(20, 30)}
    assert flow.find_attempt(token, now=world.now) is not None
