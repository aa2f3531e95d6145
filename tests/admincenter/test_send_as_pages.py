"""The page on which an administrator lets a person send as another address."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.admincenter.reading import as_role, stale_root
from tests.pages import text
from tests.world import World, make_person
from watchword.directory.models import SendAs
from watchword.directory.roles import Role
from watchword.directory.send_as import give_send_as, senders_of

SALES = "carol@harbour.example"


def page_of(world: World) -> str:
    return reverse("admincenter:send_as", args=[world.alice.pk])


def panel(client: Client, person: object) -> str:
    return text(client.get(f"/admin/users/?person={person}").content)


def test_an_address_is_given_with_a_last_day_and_stands_in_both_panels(root: Client, world: World) -> None:
    day = timezone.localdate() + timedelta(days=30)
    given = root.post(page_of(world), {"address": "Carol@Harbour.example", "until": day.isoformat()})
    assert given.status_code == 302
    assert [user.display_name for user in senders_of(SALES, now=world.now)] == ["Carol", "Alice"]
    right = SendAs.objects.get()
    assert right.until is not None
    assert timezone.localdate(right.until - timedelta(seconds=1)) == day
    assert f"Writes as {SALES} · until" in panel(root, world.alice.pk)
    assert f"As {SALES} writes also: Alice" in panel(root, world.carol.pk)
    assert "Writes as only as themselves" in panel(root, world.bob.pk)


def test_an_address_is_taken_away(root: Client, world: World) -> None:
    right = give_send_as(world.alice, SALES, until=None, by=world.root, now=world.now)
    assert "no end" in text(root.get(page_of(world)).content)
    assert root.post(page_of(world), {"take": str(right.pk)}).status_code == 302
    page = text(root.get(page_of(world)).content)
    assert "Taken away. The next mail as this address is refused." in page
    assert "Only as themselves." in page


def test_an_ended_right_is_shown_as_ended_and_not_in_the_panel(root: Client, world: World) -> None:
    before = world.now - timedelta(days=3)
    give_send_as(world.alice, SALES, until=world.now - timedelta(days=1), by=world.root, now=before)
    assert f"{SALES} Carol · ended on" in text(root.get(page_of(world)).content)
    assert "Writes as only as themselves" in panel(root, world.alice.pk)


@pytest.mark.parametrize(
    ("address", "until", "said"),
    [
        ("nobody@harbour.example", "", "Nobody in your organisation has this address."),
        ("alice@harbour.example", "", "This is an address of their own"),
        ("", "", "Enter an address."),
        (SALES, "2020-01-01", "Choose a day from today on, within ten years."),
        (SALES, "soon", "Enter a valid date."),
    ],
)
def test_what_cannot_be_given_is_said_at_its_field(
    root: Client, world: World, address: str, until: str, said: str
) -> None:
    answer = root.post(page_of(world), {"address": address, "until": until})
    assert answer.status_code == 200
    assert said in text(answer.content)
    assert not SendAs.objects.exists()


def test_what_was_filled_in_is_still_there_after_proving_again(client: Client, world: World) -> None:
    browser = stale_root(client, world)
    away = browser.post(page_of(world), {"address": SALES, "until": ""})
    assert away.status_code == 302
    assert "/sign-in/confirm/" in away["Location"]
    assert not SendAs.objects.exists()


def test_roles_that_may_not_give_addresses_are_refused(client: Client, world: World) -> None:
    as_role(client, world, Role.GLOBAL_READER)
    assert client.get(page_of(world)).status_code == 403
    assert client.post(page_of(world), {"address": SALES}).status_code == 403
    assert not SendAs.objects.exists()


def test_nobody_gives_the_address_of_a_higher_administrator_them(client: Client, world: World) -> None:
    as_role(client, world, Role.USER_ADMINISTRATOR)
    assert client.post(page_of(world), {"address": "root@harbour.example"}).status_code == 403
    assert not SendAs.objects.exists()


def test_a_right_of_another_person_is_not_taken_by_its_number(root: Client, world: World) -> None:
    other = make_person(world.organisation, "dora")
    right = give_send_as(other, SALES, until=None, by=world.root, now=world.now)
    root.post(page_of(world), {"take": str(right.pk)})
    assert SendAs.objects.filter(pk=right.pk).exists()
