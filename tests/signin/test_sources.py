"""An address that tries many passwords is throttled for every name; no account is locked by it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.world import World
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.audit.record import Origin
from watchword.core.decision import DenyReason
from watchword.core.policy import Door, FactorKind
from watchword.signin import flow, non_interactive
from watchword.signin.models import FailureCount
from watchword.signin.non_interactive import AuthRequest, Secret, Unavailable
from watchword.signin.results import Outcome, SignedIn, SignInDenied

SPRAYER = "203.0.113.50"


def type_password(world: World, name: str, password: str, address: str, *, later: float = 0) -> Outcome:
    now = world.now + timedelta(seconds=later)
    token = flow.begin(name, origin=Origin(address=address, door="web"), next_url="/", now=now)
    attempt = flow.find_attempt(token, now=now)
    assert attempt is not None
    return flow.answer(attempt, FactorKind.PASSWORD, password, now=now)


def spray(world: World, number: int, address: str = SPRAYER) -> None:
    for one in range(number):
        type_password(world, f"name{one}@harbour.example", "Winter2026!", address)


def test_bru_11_a_source_that_sprays_is_closed_and_nobody_is_locked(world: World) -> None:
    """One password over many names from one address: the address is throttled, no account is locked."""
    spray(world, 50)
    refused = type_password(world, "carol@harbour.example", world.passwords["carol"], SPRAYER)
    assert isinstance(refused, SignInDenied)
    assert refused.reason is DenyReason.PASSWORD_WAITS
    elsewhere = type_password(world, "carol@harbour.example", world.passwords["carol"], "198.51.100.7")
    assert isinstance(elsewhere, SignedIn)


def test_log_02_a_flood_is_turned_away_before_it_fills_the_log(world: World) -> None:
    """Requests from a throttled source create no attempt: one event records the throttling, however many follow."""
    spray(world, 50)
    rows = Event.objects.count()
    spray(world, 200)
    assert Event.objects.count() == rows
    assert Event.objects.filter(kind=EventKind.SOURCE_CLOSED).count() == 1


def test_the_mail_door_counts_with_the_browser(world: World) -> None:
    spray(world, 30)
    for number in range(20):
        question = AuthRequest(Door.MAIL, f"x{number}@harbour.example", Secret("Winter2026!"), "imap", SPRAYER)
        assert not non_interactive.check_account_password(question, now=world.now).allowed
    question = AuthRequest(Door.MAIL, world.carol.sign_in_name, Secret(world.passwords["carol"]), "imap", SPRAYER)
    with pytest.raises(Unavailable):
        non_interactive.check_account_password(question, now=world.now)
    assert isinstance(type_password(world, "carol@harbour.example", world.passwords["carol"], SPRAYER), SignInDenied)


def test_app_passwords_are_let_in_from_a_closed_source(world: World) -> None:
    spray(world, 50)
    question = AuthRequest(Door.MAIL, world.alice.sign_in_name, Secret(world.alices_app_password), "imap", SPRAYER)
    assert non_interactive.check_many([question], now=world.now)[0].allowed


def test_the_wait_ends_and_grows_to_five_minutes_at_most(world: World) -> None:
    spray(world, 50)
    later = 31.0
    for _ in range(8):
        wrong = type_password(world, "nobody@harbour.example", "x", SPRAYER, later=later)
        assert isinstance(wrong, SignInDenied)
        assert wrong.reason is DenyReason.WRONG_PROOF
        later += 301
    assert isinstance(
        type_password(world, "carol@harbour.example", world.passwords["carol"], SPRAYER, later=later), SignedIn
    )


def test_bru_16_addresses_of_one_ipv6_network_are_one_source(world: World) -> None:
    """Rotating through a /64 gains nothing."""
    for one in range(50):
        type_password(world, f"n{one}@harbour.example", "x", f"2001:db8::{one:x}")
    assert isinstance(
        type_password(world, "carol@harbour.example", world.passwords["carol"], "2001:db8::ffff"), SignInDenied
    )
    assert isinstance(
        type_password(world, "carol@harbour.example", world.passwords["carol"], "2001:db8:1::1"), SignedIn
    )


def test_right_passwords_of_a_whole_office_are_not_counted(world: World) -> None:
    for _ in range(60):
        assert isinstance(type_password(world, "carol@harbour.example", world.passwords["carol"], SPRAYER), SignedIn)
    assert FailureCount.objects.get(pk__startswith="source:").failures == []


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_this_machine_is_no_source(world: World, address: str) -> None:
    spray(world, 60, address)
    assert isinstance(type_password(world, "carol@harbour.example", world.passwords["carol"], address), SignedIn)


@pytest.mark.parametrize("address", ["", "junk"])
def test_requests_without_an_address_are_one_source_of_their_own(world: World, address: str) -> None:
    spray(world, 60, address)
    waits = type_password(world, "carol@harbour.example", world.passwords["carol"], address)
    assert isinstance(waits, SignInDenied)
    assert waits.reason is DenyReason.PASSWORD_WAITS
    elsewhere = type_password(world, "carol@harbour.example", world.passwords["carol"], "203.0.113.80")
    assert isinstance(elsewhere, SignedIn)


def test_bru_14_a_closed_source_stays_closed_for_a_new_process(world: World) -> None:
    """The count is a database row, so a restart of the process doesn't clear it."""
    spray(world, 50)
    assert len(FailureCount.objects.get(pk__startswith="source:").failures) == 50
