"""The page of limits is generated from the numbers that the code uses, with the same bounds as the forms."""

from __future__ import annotations

import dataclasses
import io
import re
from ipaddress import ip_network
from pathlib import Path

import pytest
from django.core.management import call_command
from django.forms import IntegerField

from tests.world import World
from watchword.admincenter import limit_table, settings_views
from watchword.admincenter.limit_table import GUESSING, MESSAGES, SIGN_IN
from watchword.admincenter.phones.forms import BUDGETS, RulesForm
from watchword.core.policy import STRICTEST, Limits, cover_too_much
from watchword.messaging.limits.rules import Budget, LimitRule
from watchword.signin.service_settings import CHANGEABLE

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "limits.md"
GUARD = ROOT / "docs" / "security" / "phone-guard.md"


def row(name: str) -> list[str]:
    """Return the cells of one limit on the page: meaning, default, bounds, what happens."""
    (line,) = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| `{name}` |")]
    return [cell.strip() for cell in line.split("|")[2:-1]]


def test_the_page_is_current() -> None:
    out = io.StringIO()
    call_command("limit_table", stdout=out)
    assert PAGE.read_text() == out.getvalue(), "run: watchword limit_table > docs/limits.md"


def test_every_limit_and_every_rule_is_explained_once() -> None:
    named = [*SIGN_IN, *GUESSING, *(rule.value for rule in MESSAGES)]
    assert len(set(named)) == len(named)
    assert set(named) >= {field.name for field in dataclasses.fields(Limits)}
    assert set(MESSAGES) == set(LimitRule)
    for words in (*SIGN_IN.values(), *GUESSING.values(), *MESSAGES.values()):
        assert words.meaning
        assert words.reached


def test_every_setting_of_an_organisation_with_an_amount_is_on_the_page() -> None:
    without_amount = {"region", "language", "app_passwords_allowed", "text_allowed", "call_allowed", "number_match"}
    without_amount |= {"account_password_in_mail_while_enabled", "fraud_locks", "voip_allowed"}
    as_tables = {"limits", "phone_budget", "phone_countries"}
    for name in set(CHANGEABLE) - without_amount - as_tables:
        assert row(name)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Limits)])
def test_a_limit_goes_from_its_default_to_the_strictest(name: str) -> None:
    _meaning, default, bounds, _reached = row(name)
    for limits, text in ((Limits(), default), (STRICTEST, bounds.partition(";")[0].rpartition(" to ")[2])):
        number, _, unit = text.partition(" ")
        seconds = {"": 1, "second": 1, "minute": 60, "hour": 3_600, "day": 86_400}[unit.removesuffix("s")]
        assert int(number) * seconds == getattr(limits, name)
    assert bounds.startswith(f"{default} to ")


@pytest.mark.django_db
@pytest.mark.parametrize("name", list(settings_views.LIMITS))
def test_the_page_of_a_limit_takes_what_the_documentation_says(name: str, world: World) -> None:
    field = settings_views.SettingsForm(None, world.organisation).fields[name]
    assert isinstance(field, IntegerField)
    assert (field.max_value, field.min_value) == (getattr(Limits(), name), getattr(STRICTEST, name))
    assert row(name)[2].endswith("; *Service settings*")


@pytest.mark.django_db
@pytest.mark.parametrize("name", list(BUDGETS))
def test_the_page_of_a_budget_takes_what_the_documentation_says(name: str, world: World) -> None:
    field = RulesForm(None, world.organisation, people=1).fields[name]
    assert isinstance(field, IntegerField)
    assert row(name)[2].startswith(f"{field.min_value} to {field.max_value:,}; *Phone delivery*, *Rules*")


@pytest.mark.parametrize("people", [0, 1, 7, 3_000])
def test_the_default_of_a_budget_is_the_one_that_grows_with_people(people: int) -> None:
    budget = Budget.of(region="US", people=people, countries=[], config={}, price_micros=80_000)
    for name in BUDGETS:
        numbers = [int(text.replace("one", "1")) for text in re.findall(r"\d+|one", row(name)[1])]
        base, each = numbers if len(numbers) == 2 else (numbers[0], 0)
        assert getattr(budget, name) == base + each * people, name
    messages, each = map(int, re.findall(r"\d+", row("cost_each_day")[1]))
    assert budget.cost_micros_each_day == 80_000 * (messages + each * people)


def test_networks_as_large_as_the_page_says_are_allowed_and_larger_ones_are_not() -> None:
    sizes = re.findall(r"/(\d+) of IPv(\d)", row("trusted_networks")[2])
    assert [version for _size, version in sizes] == ["4", "6"]
    for address, (size, _version) in zip(("8.0.0.0", "2000::"), sizes, strict=True):
        assert not cover_too_much([ip_network(f"{address}/{size}")])
        assert cover_too_much([ip_network(f"{address}/{int(size) - 1}")])


def test_the_guide_lists_the_rules_of_the_guard_in_the_same_order() -> None:
    guide = re.findall(r"^\| `(\w+)` \|", GUARD.read_text(), re.MULTILINE)
    assert guide == [rule.value for rule in MESSAGES]


def test_a_duration_is_written_in_its_largest_whole_unit() -> None:
    written = {seconds: limit_table._duration(seconds) for seconds in (1, 90, 60, 5_400, 3_600, 172_800)}
    assert written == {
        1: "1 second",
        90: "90 seconds",
        60: "1 minute",
        5_400: "90 minutes",
        3_600: "1 hour",
        172_800: "2 days",
    }
