"""The log of messages, refused messages with their reasons, blocked countries, and numbers of several people."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from tests.admincenter.phones import NUMBER, PHONES, delivery, refusal
from tests.admincenter.reading import as_role, rows, stale_root
from tests.pages import text
from tests.world import ALICES_NUMBER, World, give_phone, make_organisation, make_person
from watchword.admincenter.phones import filters
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.policy import Channel
from watchword.directory.models import User
from watchword.directory.roles import Role
from watchword.factors.models import Credential
from watchword.messaging.gateway import Result
from watchword.messaging.limits.rules import LimitRule
from watchword.messaging.models import CountryBlock

LOG = "/admin/phone-delivery/messages/"
BLOCKED = "/admin/phone-delivery/blocked/"


def may(day: int, hour: int = 12) -> datetime:
    return datetime(2026, 5, day, hour, tzinfo=UTC)


@pytest.fixture
def sent(world: World, settings: Any) -> None:
    """Store some messages of May."""
    settings.WATCHWORD_PHONES = PHONES
    delivery(world.alice, may(1), result=Result.DELIVERED, entered_at=may(1), cost_micros=70_000)
    delivery(world.alice, may(2), channel=Channel.VOICE, gateway="exchange", result=Result.BUSY, purpose="confirm")
    delivery(world.bob, may(3), number="+33612345678", purpose="register", result=Result.SENT)
    delivery(world.bob, may(4), number="+881612345678", result=Result.BLOCKED, gateway="")


@pytest.mark.usefixtures("sent")
@pytest.mark.parametrize(
    ("options", "days"),
    [
        ("", [4, 3, 2, 1]),
        ("person=alice@harbour.example", [2, 1]),
        ("person=BOB", [4, 3]),
        ("person=nobody.at.all", []),
        ("result=busy", [2]),
        ("result=entered", [1]),
        ("result=nonsense", [4, 3, 2, 1]),
        ("country=DE", [2, 1]),
        ("country=FR", [3]),
        ("country=001", [4]),
        ("gateway=exchange", [2]),
        ("since=2026-05-02&until=2026-05-03", [3, 2]),
        ("since=2026-05-02&until=2026-05-03&country=FR&person=bob&result=sent&gateway=north", [3]),
    ],
)
def test_the_log_is_filtered(root: Client, options: str, days: list[int]) -> None:
    page = root.get(f"{LOG}?{options}")
    assert [int(found) for found in re.findall(r'datetime="2026-05-0(\d)', page.content.decode())] == days
    assert ("No message matches" in text(page.content)) == (days == [])


@pytest.mark.usefixtures("sent")
def test_a_row_tells_all_but_the_number_and_the_code(root: Client) -> None:
    page = root.get(LOG)
    said = rows(page)
    assert said[3].endswith("Alice text · sign-in number ending 78 · Germany delivered entered by north 0.07 EUR")
    assert "call · confirming again number ending 78 · Germany line busy by exchange" in said[2]
    assert "text · new phone number ending 78 · France sent by north" in said[1]
    assert "number ending 78 · no country blocked by the network \N{EN DASH}" in said[0]
    assert NUMBER not in page.content.decode()
    assert NUMBER[3:-2] not in page.content.decode()


@pytest.mark.usefixtures("sent")
@pytest.mark.parametrize("address", [LOG, BLOCKED])
@pytest.mark.parametrize("options", ["since=nonsense", "until=2026-02-30", "until=9999-12-31"])
def test_a_day_that_is_none_is_explained_and_stays(root: Client, address: str, options: str) -> None:
    page = root.get(f"{address}?{options}")
    assert "Write the day like 2026-05-03. It was left out." in text(page.content)
    assert f'value="{options.split("=")[1]}"' in page.content.decode()


@pytest.mark.parametrize("address", [LOG, BLOCKED])
@pytest.mark.parametrize(
    "before",
    [
        "x",
        "|",
        "2026-05-03T12:00:00|1",
        "0001-01-01T00:00:00+14:00|1",
        "9999-12-31T23:59:59-12:00|1",
        "2026-05-03T12:00:00+00:00|" + "9" * 36,
        "2026-05-03T12:00:00+00:00|nonsense",
        "2026-13-03T12:00:00+00:00|1",
        "\0|\0",
    ],
)
def test_senseless_keys_are_answered(root: Client, world: World, address: str, before: str) -> None:
    assert root.get(f"{address}?before={quote(before)}").status_code == 200


@pytest.mark.parametrize("address", [LOG, BLOCKED])
def test_pages_show_each_row_once_even_of_one_moment(
    root: Client, world: World, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(filters, "PAGE", 2)
    for number in range(5):
        delivery(world.alice, may(1), reference=str(number), number=f"+491511234567{number}")
        refusal(world.alice, LimitRule.DAY, may(1), ends=f"7{number}")
    delivery(world.alice, may(2), number="+4915112345669")
    refusal(world.alice, LimitRule.DAY, may(2), ends="69")
    where, seen = f"{address}?person=alice", []
    while where:
        page = root.get(where).content.decode()
        seen += re.findall(r"number ending (\d\d)", page)
        older = re.search(r'href="(\?[^"]+)">Older', page)
        where = address + html.unescape(older[1]) if older else ""
    assert seen[0] == "69"
    assert sorted(seen) == ["69", "70", "71", "72", "73", "74"]


def test_lists_cost_the_same_few_questions_however_long_they_are(
    root: Client, world: World, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(150):
        delivery(world.alice, may(1, number % 24))
        refusal(world.bob, LimitRule.COUNTRY, may(1, number % 24))
    for address in (LOG, BLOCKED, f"{LOG}?person=alice&result=sent", f"{BLOCKED}?rule=country_not_allowed"):
        with django_assert_max_num_queries(11):
            assert "Older" in root.get(address).content.decode()


def test_other_organisations_messages_and_attempts_are_not_shown(root: Client, world: World) -> None:
    stranger = make_person(make_organisation("Other", "other.example"), "stranger")
    delivery(stranger, may(1))
    refusal(stranger, LimitRule.DAY, may(1))
    for address in (LOG, BLOCKED):
        for options in ("", "?person=stranger@other.example", "?person=stranger", "?country=DE"):
            page = root.get(address + options).content.decode()
            assert "Stranger" not in page
            assert "stranger@" not in re.sub(r'value="[^"]*"', "", page)
            assert "number ending" not in page


def test_what_gateways_and_people_are_called_stays_words(root: Client, world: World) -> None:
    evil = '"><script>alert(1)</script>'
    User.objects.filter(pk=world.alice.pk).update(sign_in_name=evil, display_name=evil)
    delivery(world.alice, may(1), gateway=evil[:32], purpose="<b>")
    refusal(world.alice, "<i>rule</i>", may(1), country="<x", details={"kind": evil, "limit": evil})
    for address in (LOG, BLOCKED, f"{LOG}?person={quote(evil)}&gateway={quote(evil)}&before={quote(evil)}"):
        page = root.get(address).content.decode()
        assert "<script>alert" not in page
        assert not re.search(r"<(b|i|x)>", page)


@pytest.mark.parametrize("rule", list(LimitRule))
def test_every_rule_is_explained_without_a_gap(root: Client, world: World, rule: LimitRule) -> None:
    refusal(world.alice, rule, may(1), details={"kind": "premium"})
    (said,) = rows(root.get(BLOCKED))
    assert rule.value not in said
    assert "%(" not in said
    assert not re.search(r"at (most|least) (codes|seconds|in|new|people)\b", said)


def test_the_limit_that_was_hit_is_told_not_the_one_of_today(root: Client, world: World) -> None:
    refusal(world.alice, LimitRule.NEW_DAY, may(1), details={"limit": "77", "count": "77"})
    assert "New numbers are sent at most 77 codes in a day." in rows(root.get(BLOCKED))[0]
    refusal(world.alice, LimitRule.DAY, may(2))
    assert "One person is sent at most 20 codes in a day." in rows(root.get(BLOCKED))[0]


def test_blocked_attempts_tell_who_where_and_by_which_way(root: Client, world: World) -> None:
    refusal(
        world.bob,
        LimitRule.RANGE_KIND,
        may(1),
        channel=Channel.VOICE,
        country="001",
        ends="42",
        details={"kind": "satellite"},
    )
    said = rows(root.get(BLOCKED))[0]
    assert "Bob call to number ending 42 · no country Kind of number" in said
    assert "Nothing is ever sent to this kind of number: a satellite or international network." in said


@pytest.mark.parametrize(
    ("options", "endings"),
    [
        ("rule=sends_each_day", ["02"]),
        ("person=bob", ["03", "02"]),
        ("country=FR", ["03"]),
        ("rule=x", ["03", "02", "01"]),
    ],
)
def test_blocked_attempts_are_filtered(root: Client, world: World, options: str, endings: list[str]) -> None:
    refusal(world.alice, LimitRule.COUNTRY, may(1), ends="01")
    refusal(world.bob, LimitRule.DAY, may(2), ends="02")
    refusal(world.bob, LimitRule.COUNTRY, may(3), ends="03", country="FR")
    assert re.findall(r"number ending (\d\d)", root.get(f"{BLOCKED}?{options}").content.decode()) == endings


def country_block(world: World, country: str = "FR", *, hours: float = 5) -> CountryBlock:
    return CountryBlock.objects.create(
        organisation=world.organisation,
        country=country,
        at=world.now - timedelta(hours=1),
        until=world.now + timedelta(hours=hours),
        sent=40,
        entered=1,
    )


def test_an_administrator_reopens_a_country(root: Client, world: World) -> None:
    closed = country_block(world)
    page = root.get(BLOCKED)
    address = f"{BLOCKED}{closed.pk}/reopen/"
    assert f'href="{address}"' in page.content.decode()
    said = text(root.get(address).content)
    assert "Reopen France?" in said
    assert "of 40 that were sent, only 1 were entered." in said
    done = root.post(address, follow=True)
    assert "Codes to new numbers in France are sent again." in text(done.content)
    assert "by root@harbour.example. Of 40 codes, 1 had been entered." in text(done.content)
    closed.refresh_from_db()
    assert closed.reopened_by == world.root
    event = Event.objects.get(kind=EventKind.COUNTRY_REOPENED)
    assert (event.actor_name, event.details["country"]) == ("root@harbour.example", "FR")
    assert "This country is open already." in text(root.post(address, follow=True).content)
    assert Event.objects.filter(kind=EventKind.COUNTRY_REOPENED).count() == 1


def test_reopening_needs_a_fresh_proof(client: Client, world: World) -> None:
    closed = country_block(world)
    answer = stale_root(client, world).post(f"{BLOCKED}{closed.pk}/reopen/")
    assert answer["Location"].startswith("/sign-in/confirm/")
    closed.refresh_from_db()
    assert closed.reopened_at is None


def test_closures_of_others_are_not_there_and_old_ones_are_over(root: Client, world: World) -> None:
    country_block(world, "AT", hours=-0.5)
    said = text(root.get(BLOCKED).content)
    assert "over Austria, stopped until" in said
    assert "Reopen" not in said
    stranger = make_organisation("Other", "other.example")
    theirs = country_block(world, "ES")
    CountryBlock.objects.filter(pk=theirs.pk).update(organisation=stranger)
    assert root.get(f"{BLOCKED}{theirs.pk}/reopen/").status_code == 404
    assert root.post(f"{BLOCKED}{theirs.pk}/reopen/").status_code == 404
    assert "Spain" not in text(root.get(BLOCKED).content)


def panel(client: Client, person: User) -> str:
    return text(client.get(f"/admin/users/?person={person.pk}").content)


def test_a_number_that_another_person_registered_too_is_shown(root: Client, world: World) -> None:
    give_phone(world.carol)
    delivery(world.carol, may(1), number=ALICES_NUMBER, purpose="register", entered_at=may(1))
    assert "This number is also registered by: Carol" in panel(root, world.alice)
    delivery(world.alice, may(1), number=ALICES_NUMBER)
    assert "This number is also registered by: Alice" in panel(root, world.carol)
    assert ALICES_NUMBER not in root.get(f"/admin/users/?person={world.alice.pk}").content.decode()


def test_who_only_tried_a_number_or_left_or_is_elsewhere_does_not_share_it(root: Client, world: World) -> None:
    delivery(world.bob, may(1), number=ALICES_NUMBER, purpose="register")
    give_phone(world.carol)
    delivery(world.carol, may(1), number=ALICES_NUMBER)
    Credential.objects.filter(user=world.carol, kind="phone").update(revoked_at=world.now)
    stranger = make_person(make_organisation("Other", "other.example"), "stranger")
    give_phone(stranger)
    delivery(stranger, may(1), number=ALICES_NUMBER)
    gone = make_person(world.organisation, "gone")
    give_phone(gone)
    delivery(gone, may(1), number=ALICES_NUMBER)
    User.objects.filter(pk=gone.pk).update(deleted_at=world.now)
    assert "also registered" not in panel(root, world.alice)


def test_two_extensions_of_one_office_are_two_telephones(client: Client, world: World) -> None:
    from watchword.core.factors import CredentialData
    from watchword.core.policy import FactorKind
    from watchword.factors import vault

    def office(user: User, extension: str) -> None:
        public = {"channel": "voice", "ends": "00", "country": "DE", "extension": "yes", "texts": ""}
        secret = json.dumps({"number": "+49301234500", "extension": extension}).encode()
        vault.store(user, CredentialData(FactorKind.PHONE, slot="office", public=public, secret=secret), now=world.now)
        delivery(user, may(1), number="+49301234500", channel=Channel.VOICE)

    office(world.alice, "11")
    office(world.bob, "12")
    office(world.carol, "12")
    as_role(client, world, Role.GLOBAL_READER)
    assert "also registered" not in panel(client, world.alice)
    assert "also registered by: Carol" in panel(client, world.bob)
