"""A phone that more than five people a day share: an administrator names it, and it has limits of its own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from tests.messaging.test_counters import ask, many, rule_of
from tests.pages import text
from tests.world import World, make_organisation, make_person, sign_in
from watchword.admincenter.phones import shared_numbers
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.messaging.limits.counters import LimitRule, Permitted
from watchword.messaging.models import SharedNumber

SHARED = "/admin/phone-delivery/shared/"
SHOP = "+4915112345670"
FILLED_IN = {"name": "Shop", "country": "DE", "number": "0151 12345670", "people": "8", "codes": "20"}


def test_eight_people_sign_in_by_the_telephone_of_a_shop(root: Client, world: World) -> None:
    people = many(world, 9)
    before = [ask(user, SHOP, world.now, is_new=False) for user in people]
    assert [rule_of(verdict) for verdict in before] == [None] * 5 + [LimitRule.NUMBER_PEOPLE] * 4
    assert root.post(SHARED, FILLED_IN).status_code == 302
    after = [ask(user, SHOP, world.now + timedelta(minutes=1), is_new=False) for user in people[5:]]
    assert [rule_of(verdict) for verdict in after] == [None] * 3 + [LimitRule.NUMBER_PEOPLE]


def test_a_named_number_gets_its_own_number_of_codes(root: Client, world: World) -> None:
    root.post(SHARED, FILLED_IN)
    people = many(world, 3)
    verdicts = [
        ask(people[which % 3], SHOP, world.now + timedelta(minutes=6 * which), is_new=False) for which in range(21)
    ]
    assert [rule_of(verdict) for verdict in verdicts] == [None] * 20 + [LimitRule.NUMBER_DAY]


def test_only_the_organisation_that_named_it_has_more(root: Client, world: World) -> None:
    root.post(SHARED, FILLED_IN)
    elsewhere = make_organisation("Elsewhere", "elsewhere.example")
    people = [make_person(elsewhere, f"there{n}") for n in range(6)]
    verdicts = [ask(user, SHOP, world.now, is_new=False) for user in people]
    assert [rule_of(verdict) for verdict in verdicts] == [None] * 5 + [LimitRule.NUMBER_PEOPLE]


def test_a_named_number_is_sealed_and_never_shown_again(root: Client, world: World) -> None:
    root.post(SHARED, FILLED_IN)
    page = text(root.get(SHARED).content)
    assert "Germany, ending 70 · 8 people and 20 codes in a day" in page
    assert "1234567" not in page
    with connection.cursor() as cursor:
        cursor.execute("SELECT number FROM messaging_sharednumber")
        (stored,) = cursor.fetchone()
    assert b"1234567" not in bytes(stored)
    event = Event.objects.get(kind=EventKind.NUMBER_SHARED)
    assert event.details == {"name": "Shop", "country": "DE", "ends": "70", "people": 8, "codes": 20}


def test_removing_it_brings_the_ordinary_limits_back(root: Client, world: World) -> None:
    root.post(SHARED, FILLED_IN)
    people = many(world, 7)
    assert [ask(user, SHOP, world.now, is_new=False) for user in people[:6]] == [Permitted()] * 6
    assert root.post(SHARED, {"remove": str(SharedNumber.objects.get().pk)}).status_code == 302
    assert rule_of(ask(people[6], SHOP, world.now, is_new=False)) is LimitRule.NUMBER_PEOPLE
    assert Event.objects.filter(kind=EventKind.NUMBER_NOT_SHARED).count() == 1


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"name": ""}, "Enter a name."),
        ({"number": "12"}, "Enter a telephone number that exists in this country."),
        ({"people": "101"}, "100"),
        ({"codes": "0"}, "1"),
    ],
)
def test_what_can_t_be_allowed_is_explained(root: Client, typed: dict[str, str], says: str) -> None:
    page = root.post(SHARED, {**FILLED_IN, **typed})
    assert page.status_code == 200
    assert says in text(page.content)
    assert not SharedNumber.objects.exists()


def test_one_number_is_listed_once_and_a_list_has_an_end(root: Client, monkeypatch: Any) -> None:
    root.post(SHARED, FILLED_IN)
    assert "This number is listed already." in text(root.post(SHARED, FILLED_IN).content)
    monkeypatch.setattr(shared_numbers, "MOST", 1)
    other = {**FILLED_IN, "number": "0151 12345671"}
    assert "There are 1 shared telephones already, the most." in text(root.post(SHARED, other).content)


def test_another_organisation_s_number_can_t_be_removed(root: Client, world: World) -> None:
    elsewhere = make_organisation("Elsewhere", "elsewhere.example")
    row = SharedNumber.objects.create(
        organisation=elsewhere,
        name="Theirs",
        number=SHOP,
        ends="70",
        country="DE",
        people_each_day=9,
        codes_each_day=9,
        made_at=world.now,
    )
    root.post(SHARED, {"remove": str(row.pk)})
    assert SharedNumber.objects.filter(pk=row.pk).exists()


def test_people_without_the_right_to_change_settings_see_nothing_of_it(client: Client, world: World) -> None:
    sign_in(client, world.alice)
    assert client.get(SHARED).status_code in {403, 404}
