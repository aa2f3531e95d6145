"""The overview of phone delivery: the state of channels, charts with the right numbers, costs, and permissions."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from tests.admincenter.phones import PHONES, daily_total, delivery
from tests.admincenter.reading import as_role
from tests.pages import text
from tests.world import World, make_organisation, make_person
from watchword.admincenter.phones import charts
from watchword.admincenter.phones.labels import CHANNELS, GATEWAYS, PURPOSES, RANGES, RESULTS, RULES, TONES, WHY, money
from watchword.admincenter.phones.statistics import Country, Counts, figures_of
from watchword.config import phones_file as phones_config
from watchword.core.phone_numbers import NumberKind
from watchword.core.policy import Channel
from watchword.directory.roles import MAY, Act, Role
from watchword.messaging.config_file import Phones, simulated
from watchword.messaging.gateway import Result
from watchword.messaging.limits.rules import LimitRule
from watchword.messaging.models import CountryBlock, DeliveryAttempt, GatewayState

PAGE = "/admin/phone-delivery/"
TABS = (PAGE, f"{PAGE}messages/", f"{PAGE}blocked/")
CHANGES = (f"{PAGE}test/", f"{PAGE}rules/")


@pytest.fixture
def gateways(settings: Any) -> None:
    """Configure a phones file with two gateways."""
    settings.WATCHWORD_PHONES = PHONES


def state(name: str, *, seconds_ago: float = 5, **more: Any) -> GatewayState:
    seen = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    return GatewayState.objects.create(name=name, seen_at=seen, changed_at=seen, **{"is_up": True, **more})


def card(root: Client, name: str) -> str:
    """Return the text of one channel's card."""
    cards = root.get(PAGE).content.split(b'<div class="card channel">')[1:]
    return next(said for said in map(text, cards) if said.strip().startswith(name))


@pytest.mark.parametrize("role", list(Role))
def test_who_sees_sign_ins_sees_the_lists_and_who_changes_settings_changes_rules(
    client: Client, world: World, role: Role
) -> None:
    as_role(client, world, role)
    assert all(client.get(address).status_code == 200 for address in TABS)
    expected = 200 if Act.CHANGE_SETTINGS in MAY[role] else 403
    assert {client.get(address).status_code for address in CHANGES} == {expected}


def test_the_help_desk_is_shown_no_way_to_change_anything(client: Client, world: World, gateways: None) -> None:
    country_block = CountryBlock.objects.create(
        organisation=world.organisation,
        country="DE",
        at=world.now,
        until=world.now + timedelta(hours=5),
        sent=40,
        entered=1,
    )
    as_role(client, world, Role.HELPDESK_ADMINISTRATOR)
    for address in TABS:
        page = client.get(address).content.decode()
        assert not any(f'href="{change}' in page for change in CHANGES), address
        assert "reopen/" not in page
    assert client.post(f"{PAGE}blocked/{country_block.pk}/reopen/").status_code == 403
    assert client.post(f"{PAGE}rules/", {"language": "de"}).status_code == 403
    country_block.refresh_from_db()
    assert country_block.reopened_at is None


def test_a_channel_that_runs_is_up_and_tells_since_when(root: Client, world: World, gateways: None) -> None:
    state("north", words="bound to smsc <one>")
    said = card(root, "north")
    assert "north up" in said
    assert "bound to smsc <one>" in said
    assert "Since " in said
    assert "SMPP · text" in said
    assert "Numbers +49, +43" in said
    assert "Germany: 0.07 EUR" in said
    assert "Everywhere else: 0.12 EUR" in said


def test_a_channel_that_is_down_says_why(root: Client, world: World, gateways: None) -> None:
    state("exchange", is_up=False, words="the registrar answers 403")
    said = card(root, "exchange")
    assert "exchange down" in said
    assert "the registrar answers 403" in said


def test_an_open_breaker_is_explained(root: Client, world: World, gateways: None) -> None:
    state("north", is_open=False)
    assert "left alone" in card(root, "north")
    assert "It failed several times in a row." in card(root, "north")


def test_a_gateway_that_no_worker_runs_is_shown_as_stopped(root: Client, world: World, gateways: None) -> None:
    state("north", seconds_ago=31)
    for name in ("north", "exchange"):
        said = card(root, name)
        assert "not running" in said
        assert "watchword serve phones" in said


def test_the_last_hour_counts_what_arrived_or_was_entered(root: Client, world: World, gateways: None) -> None:
    now = datetime.now(UTC)
    for minutes, result, entered in (
        (10, Result.DELIVERED, False),
        (20, Result.SENT, True),
        (30, Result.SENT, False),
        (40, Result.UNREACHABLE, False),
        (1, Result.DELIVERED, False),  # still young
        (90, Result.DELIVERED, False),  # too old
    ):
        at = now - timedelta(minutes=minutes)
        one = delivery(world.alice, at, entered_at=at if entered else None)
        DeliveryAttempt.objects.create(
            delivery=one, gateway="north", reference=f"r{minutes}", result=result, at=at, changed_at=at
        )
    assert "50 % arrived, 2 of 4" in card(root, "north")
    assert "nothing carried" in card(root, "exchange")
    today = DeliveryAttempt.objects.filter(at__date=now.date()).count()
    assert f"{today} carried, of 5000 at most" in card(root, "north")


@pytest.mark.parametrize(
    ("phones", "says"),
    [
        (simulated(), "Texts and calls go to the telephone of this demo"),
        (Phones(), "No carrier is configured: nobody gets a code by phone."),
    ],
)
def test_without_a_phones_file_the_page_says_where_codes_go(
    root: Client, world: World, settings: Any, phones: Phones, says: str
) -> None:
    settings.WATCHWORD_PHONES = phones
    said = text(root.get(PAGE).content)
    assert says in said
    assert "docs/operating/phones.md" in said


def test_plots_and_tables_have_the_numbers_of_the_daily_totals(root: Client, world: World, gateways: None) -> None:
    daily_total(world.root, 0, asked=12, sent=10, arrived=9, entered=8, cost_micros=700_000)
    daily_total(world.root, 0, country="FR", is_new=True, sent=4, arrived=4, entered=1, refused=3, cost_micros=480_000)
    daily_total(world.root, 0, channel=Channel.VOICE, sent=2, arrived=2, entered=2)
    daily_total(world.root, 13, sent=7, arrived=6, entered=5)
    daily_total(world.root, 14, sent=1000, arrived=1000, entered=1000)
    page = root.get(PAGE)
    said = text(page.content)
    assert "16 sent, 15 delivered, 11 entered" in said
    day = (datetime.now(UTC).date() - timedelta(days=13)).strftime("%B")
    assert re.search(rf"\d+ {day}: 7 sent, 6 delivered, 5 entered", said)
    assert "Germany: 19 sent, 17 delivered, 15 entered" in said
    assert "France: 4 sent, 4 delivered, 1 entered" in said
    assert "25 % entered, 1 of 4" in said
    assert "79 % entered, 15 of 19" in said
    assert "France 4 4 1 25 % \N{EN DASH} 3 0.48 EUR" in said
    assert "1000" not in said
    assert "1000 sent" in text(root.get(f"{PAGE}?days=30").content)


def test_a_plot_is_drawn_without_a_style_or_a_script_of_its_own(root: Client, world: World) -> None:
    daily_total(world.root, 0, sent=10, arrived=9, entered=8)
    page = root.get(PAGE).content.decode()
    plot = re.search(r'<svg class="plot-days".*?</svg>', page, re.DOTALL)
    assert plot is not None
    assert "<title" in plot[0]
    assert "<desc" in plot[0]
    assert 'role="img"' in plot[0]
    assert plot[0].count('class="bar-') == 3
    assert " style=" not in page
    assert not re.search(r"<script(?! src)", page)


def test_costs_are_told_by_day_month_country_and_channel(root: Client, world: World, gateways: None) -> None:
    now = datetime.now(UTC)
    daily_total(world.root, 0, sent=2, cost_micros=140_000)
    daily_total(world.root, 0, country="AT", sent=100, cost_micros=12_000_000)
    delivery(world.alice, now, cost_micros=140_000)
    delivery(world.alice, now, cost_micros=12_000_000, gateway="exchange", channel=Channel.VOICE)
    delivery(world.alice, now - timedelta(days=40), cost_micros=99_000_000)
    said = text(root.get(PAGE).content)
    assert "Today 12.14 EUR" in said
    assert "This month 12.14 EUR" in said
    assert "Austria 12.00 EUR Germany 0.14 EUR" in said
    assert "exchange 1 12.00 EUR north 1 0.14 EUR" in said


@pytest.mark.parametrize(
    ("micros", "shown"),
    [(0, "0.00"), (7_900, "0.0079"), (70_000, "0.07"), (700_000, "0.70"), (1_234_567_890, "1,234.57")],
)
def test_an_amount_is_as_exact_as_the_price_of_a_text(micros: int, shown: str) -> None:
    assert money(micros, "EUR") == f"{shown}\N{NO-BREAK SPACE}EUR"
    assert money(micros, "") == shown


def test_a_stopped_country_stands_first_on_the_page(root: Client, world: World) -> None:
    until = world.now + timedelta(hours=5)
    CountryBlock.objects.create(
        organisation=world.organisation, country="FR", at=world.now, until=until, sent=40, entered=1
    )
    said = text(root.get(PAGE).content)
    assert "Codes to new numbers in France are stopped until" in said
    assert "of 40 that were sent, only 1 were entered." in said


def test_other_organisations_are_neither_counted_nor_shown(root: Client, world: World, gateways: None) -> None:
    stranger = make_person(make_organisation("Other", "other.example"), "stranger")
    daily_total(stranger, 0, sent=777, arrived=777, entered=777, cost_micros=777_000_000)
    delivery(stranger, datetime.now(UTC), cost_micros=777_000_000)
    until = world.now + timedelta(hours=5)
    CountryBlock.objects.create(
        organisation=stranger.organisation, country="FR", at=world.now, until=until, sent=40, entered=1
    )
    said = text(root.get(PAGE).content)
    assert "777" not in said
    assert "France" not in said


def test_the_page_asks_few_questions(
    root: Client, world: World, gateways: None, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for days_ago in range(30):
        for country in ("DE", "FR", "AT"):
            daily_total(world.root, days_ago, country=country, sent=5)
    with django_assert_max_num_queries(15):
        assert root.get(f"{PAGE}?days=30").status_code == 200


def test_everything_has_words() -> None:
    assert set(RULES) == set(WHY) == set(LimitRule)
    assert set(RESULTS) == set(Result)
    assert set(RANGES) == set(NumberKind)
    assert set(CHANNELS) == set(Channel)
    assert {"sign_in", "confirm", "register", "recover", "warning", "test"} <= set(PURPOSES)
    assert set(TONES) == {result for result in Result if not result.is_trouble}
    assert set(GATEWAYS) <= set(phones_config.kinds())


counts = st.builds(Counts, sent=st.integers(0, 10**7), arrived=st.integers(0, 10**7), entered=st.integers(0, 10**7))


@given(st.lists(counts, min_size=1, max_size=30))
def test_no_bar_leaves_its_plot(several: list[Counts]) -> None:
    first = date(2026, 5, 1)
    plot = charts.plot_days({first + timedelta(days=number): one for number, one in enumerate(several)})
    assert plot.top % 2 == 0
    for day, one in zip(plot.days, several, strict=True):
        assert day.counts == one
        for bar in day.bars:
            value = getattr(one, bar.kind)
            assert 0 <= value <= plot.top
            assert float(bar.height) == pytest.approx(100 * value / plot.top, abs=0.01)
            assert float(bar.y) + float(bar.height) == pytest.approx(100, abs=0.02)
            assert day.x <= float(bar.x) <= float(bar.x) + float(bar.width) <= day.x + 12


@given(st.lists(counts, max_size=20))
def test_countries_without_a_bar_of_their_own_share_one(several: list[Counts]) -> None:
    countries = [Country(f"{number:02}", all=one) for number, one in enumerate(several)]
    drawn = charts.plot_countries(countries)
    assert len(drawn) <= charts.MOST_COUNTRIES + 1
    assert sum(one.country.all.sent for one in drawn) == sum(one.sent for one in several)
    assert all(float(bar.width) <= 100 for one in drawn for bar in one.bars)


def test_a_month_that_began_before_the_plot_is_paid_for_whole(world: World) -> None:
    for day, cost in (
        (date(2026, 4, 30), 1),
        (date(2026, 5, 1), 10),
        (date(2026, 5, 28), 100),
        (date(2026, 5, 29), 1000),
    ):
        daily_total(world.root, 0, day=day, sent=1, cost_micros=cost)
    figures = figures_of(world.organisation, days=14, now=datetime(2026, 5, 28, 23, 59, tzinfo=UTC))
    assert (figures.month.cost_micros, figures.today.cost_micros) == (110, 100)
    assert list(figures.days) == [date(2026, 5, 15 + number) for number in range(14)]
    assert sum(day.sent for day in figures.days.values()) == 1
