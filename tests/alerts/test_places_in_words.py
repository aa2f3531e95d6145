"""The origin of a sign-in in a warning: its country where the GeoIP file knows it, otherwise its network if new."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.alerts.playing import pass_password, type_wrong_codes, work
from tests.alerts.test_warnings import use_mail
from tests.world import World
from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record

DAY = timedelta(days=1)


@pytest.fixture
def no_countries(settings: Any) -> None:
    """Configure no GeoIP file."""
    settings.WATCHWORD_COUNTRIES_FILE = ""


def signed_in(world: World, address: str, at: datetime) -> None:
    record(EventKind.SIGN_IN_ALLOWED, now=at, subject=world.alice, origin=Origin(address=address, door="web"))


def warned_from(world: World, address: str) -> str:
    """Return the line *From* of the warning about two wrong codes that came from an address."""
    origin = Origin(address=address, agent="", door="web")
    type_wrong_codes(pass_password(world, world.alice, origin=origin), world.now)
    (message,) = work(world.now)
    (line,) = [line for line in str(message.body).splitlines() if line.startswith("  From: ")]
    return line.removeprefix("  From: ")


def test_a_warning_names_the_country_where_the_file_knows_it(world: World) -> None:
    assert warned_from(world, "203.0.113.66") == "203.0.113.66 (FR)"


@pytest.mark.usefixtures("no_countries")
@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("203.0.113.66", "203.0.113.66 (a new network, 203.0.113.0/24)"),
        ("2001:db8:7:1::9", "2001:db8:7:1::9 (a new network, 2001:db8:7::/48)"),
        ("127.0.0.1", "127.0.0.1"),
    ],
)
def test_without_a_file_a_warning_names_a_network_that_is_new(world: World, address: str, words: str) -> None:
    signed_in(world, "198.51.100.7", world.now - 2 * DAY)
    assert warned_from(world, address) == words


def test_an_address_that_the_file_does_not_know_is_told_by_its_network(world: World) -> None:
    assert warned_from(world, "8.8.8.8") == "8.8.8.8 (a new network, 8.8.8.0/24)"


@pytest.mark.usefixtures("no_countries")
@pytest.mark.parametrize(
    ("before", "address"), [("203.0.113.1", "203.0.113.66"), ("2001:db8:7:ffff::1", "2001:db8:7:1::9")]
)
def test_a_network_from_which_the_person_signed_in_days_ago_is_not_new(world: World, before: str, address: str) -> None:
    signed_in(world, before, world.now - 2 * DAY)
    assert warned_from(world, address) == address


@pytest.mark.usefixtures("no_countries")
def test_a_network_is_still_new_within_a_day_of_the_first_sign_in_from_it(world: World) -> None:
    """What a thief does after the sign-in must be reported as coming from a new network as well."""
    signed_in(world, "203.0.113.66", world.now - timedelta(hours=23))
    assert warned_from(world, "203.0.113.66") == "203.0.113.66 (a new network, 203.0.113.0/24)"


@pytest.mark.usefixtures("no_countries")
def test_what_an_administrator_did_is_measured_by_where_the_administrator_signs_in(world: World) -> None:
    at_home = Origin(address="203.0.113.66", door="web")
    record(EventKind.SIGN_IN_ALLOWED, now=world.now - 2 * DAY, subject=world.root, origin=at_home)
    record(EventKind.PASSWORD_RESET, now=world.now, subject=world.alice, by=world.root, origin=at_home)
    (message,) = [one for one in work(world.now) if one.to == ["alice@elsewhere.example"]]
    assert "  From: 203.0.113.66\n" in str(message.body)


@pytest.mark.usefixtures("no_countries")
def test_an_app_password_used_elsewhere_is_told_with_its_new_network(world: World) -> None:
    """The network is new for the app password, which was never used from it, although the browser was."""
    signed_in(world, "203.0.113.1", world.now - 2 * DAY)
    for address in ("198.51.100.7", "203.0.113.5"):
        assert use_mail(world, world.alices_app_password, address)
    messages = [one for one in work(world.now) if "app password" in one.subject]
    (message,) = messages
    assert message.subject == "Your app password was used from a new network (Harbour & Hill)"
    assert "  From: 203.0.113.5 (a new network, 203.0.113.0/24)\n" in str(message.body)
