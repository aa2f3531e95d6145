"""Bulk changes: exactly the people shown, a thousand at a time, each once, with no selection lost between pages."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.admincenter.reading import as_role, hidden, rows, stale_root
from tests.pages import text
from tests.world import World, give_phone, make_person, sign_in
from watchword.admincenter.mfa import views
from watchword.admincenter.models import Draft
from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.policy import MfaState
from watchword.directory.models import User
from watchword.directory.roles import Role
from watchword.signin import queries
from watchword.signin.actions import set_mfa_state

CHANGE = "/admin/multi-factor/change/"


def many(world: World, number: int) -> list[User]:
    return User.objects.bulk_create(
        User(
            organisation=world.organisation,
            sign_in_name=f"p{n}@harbour.example",
            display_name=f"P {n:05d}",
            created_at=world.now,
            search_key=f"p {n:05d} p{n}@harbour.example",
        )
        for n in range(number)
    )


def states() -> dict[str, int]:
    found = list(User.objects.values_list("mfa_state", flat=True))
    return {state: found.count(state) for state in MfaState}


@pytest.fixture
def at_most_three(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow three people at most in one bulk change."""
    monkeypatch.setattr(views, "MAX_PEOPLE", 3)


@pytest.mark.breaks_invariants
@pytest.mark.usefixtures("at_most_three")
def test_more_people_than_can_be_done_at_once_are_done_in_turns(root: Client, world: World) -> None:
    many(world, 7)
    listing = root.get("/admin/multi-factor/?state=disabled")
    assert "Go on" not in text(listing.content)
    page = root.get(f"{CHANGE}?do=enforce&all=1&q=harbour.example&show=")
    done: list[str] = []
    for turn in range(1, 5):
        answer = root.post(CHANGE, {"draft": hidden(page, "draft")})
        done += [row.split("@", maxsplit=1)[0].split()[-1] for row in rows(answer)]
        further = re.search(r'href="([^"]+)">Go on with the next ones', answer.content.decode())
        if further is None:
            break
        assert "These are the first 3." in text(page.content), turn
        page = root.get(html.unescape(further[1]))
    assert sorted(done) == sorted(["bob", "carol", *(f"p{n}" for n in range(7))])
    assert states() == {"disabled": 0, "enabled": 0, "enforced": 11}


def test_those_who_are_so_already_don_t_stand_in_the_way(root: Client, world: World) -> None:
    make_person(world.organisation, "walter", state=MfaState.ENFORCED)
    page = root.get(f"{CHANGE}?do=enable&all=1")
    # Walter is Enforced without a phone, so Enable makes him Enabled; Alice has a phone and stays Enforced.
    assert {row.split()[0] for row in rows(page)} == {"Carol", "Root", "Walter"}


@pytest.mark.breaks_invariants
def test_a_thousand_people_are_changed_by_one_button(root: Client, world: World) -> None:
    many(world, 1_100)
    page = root.get(f"{CHANGE}?do=enable&all=1&q=P+0")
    assert "1,000 people" in text(page.content) or "1000 people" in text(page.content)
    said = text(root.post(CHANGE, {"draft": hidden(page, "draft")}).content)
    assert "1000 people were changed." in said
    assert "Go on with the next ones" in said
    assert states()["enabled"] == 1_001


def test_only_those_who_were_shown_are_changed(root: Client, world: World) -> None:
    page = root.get(f"{CHANGE}?do=enforce&all=1&state=disabled&q=carol")
    late = make_person(world.organisation, "carolina")
    root.post(CHANGE, {"draft": hidden(page, "draft"), "person": str(late.pk), "all": "1", "do": "disable"})
    assert User.objects.get(pk=late.pk).state is MfaState.DISABLED
    assert User.objects.get(pk=world.carol.pk).state is MfaState.ENFORCED


def test_sending_a_confirmation_twice_does_it_once(root: Client, world: World) -> None:
    page = root.get(f"{CHANGE}?do=sign-out&person={world.alice.pk}")
    draft = {"draft": hidden(page, "draft")}
    assert root.post(CHANGE, draft).status_code == 200
    again = root.post(CHANGE, draft, follow=True)
    assert "This was done already, or is more than an hour old. Nothing was changed now." in text(again.content)


def test_a_confirmation_is_good_for_an_hour(root: Client, world: World) -> None:
    page = root.get(f"{CHANGE}?do=enable&person={world.carol.pk}")
    Draft.objects.update(made_at=timezone.now() - timedelta(minutes=61))
    again = root.post(CHANGE, {"draft": hidden(page, "draft")}, follow=True)
    assert "more than an hour old" in text(again.content)
    assert User.objects.get(pk=world.carol.pk).state is MfaState.DISABLED


@pytest.mark.breaks_invariants
@pytest.mark.parametrize("number", [3, 50])
def test_proving_again_keeps_every_tick(client: Client, world: World, number: int) -> None:
    ticked = [str(user.pk) for user in many(world, number)]
    answer = stale_root(client, world).get(CHANGE, {"do": "enable", "person": ticked})
    confirm = answer["Location"]
    assert confirm.startswith(reverse("web:confirm"))
    sign_in(client, world.root)
    page = client.get(client.get(confirm)["Location"])
    assert f"Enable multi-factor authentication: {number} people" in text(page.content)


def test_a_proof_that_grew_old_over_the_confirmation_keeps_the_people(client: Client, world: World) -> None:
    sign_in(client, world.root)
    page = client.get(f"{CHANGE}?do=enable&person={world.carol.pk}")
    answer = stale_root(client, world).post(CHANGE, {"draft": hidden(page, "draft")})
    confirm = answer["Location"]
    assert confirm.startswith(reverse("web:confirm"))
    assert User.objects.get(pk=world.carol.pk).state is MfaState.DISABLED
    sign_in(client, world.root)
    page = client.get(client.get(confirm)["Location"])
    assert "Enable multi-factor authentication: 1 person" in text(page.content)
    client.post(CHANGE, {"draft": hidden(page, "draft")})
    assert User.objects.get(pk=world.carol.pk).state is MfaState.ENABLED


def test_mail_with_an_app_password_or_long_ago_is_no_account_password(root: Client, world: World) -> None:
    now = timezone.now()
    mail = Origin(door="mail", service="imap")
    for name, days, details in (
        ("lately", 29, {}),
        ("long.ago", 31, {}),
        ("with.app.password", 1, {"app_password": "Laptop"}),
    ):
        user = make_person(world.organisation, name, state=MfaState.ENABLED)
        record(
            EventKind.SIGN_IN_ALLOWED,
            now=now - timedelta(days=days),
            subject=user,
            by=user,
            origin=mail,
            details=details,
        )
    page = root.get(f"{CHANGE}?do=enforce&all=1&state=enabled")
    stopped = [row.split()[0] for row in rows(page) if "a mail program used the account's password lately" in row]
    assert stopped == ["Lately"]
    assert "for 1 of them, a mail program stops" in text(page.content)
    assert rows(page)[0].startswith("Lately"), "those for whom most follows stand first"


def test_nothing_to_do_has_no_button(root: Client, world: World) -> None:
    page = root.get(f"{CHANGE}?do=enforce&person={world.alice.pk}")
    assert "Nothing would change, so there is nothing to confirm." in text(page.content)
    assert '<button class="button">Enforce' not in page.content.decode()


def test_a_higher_administrator_is_skipped_and_said_so(client: Client, world: World) -> None:
    as_role(client, world, Role.AUTHENTICATION_ADMINISTRATOR)
    ids = [str(world.root.pk), str(world.alice.pk)]
    page = client.get(CHANGE, {"do": "reset-methods", "person": ids})
    said = text(page.content)
    assert "Not changed: your role doesn't reach this person" in said
    assert "1 phone is removed" in said
    results = rows(client.post(CHANGE, {"draft": hidden(page, "draft"), "identified": "came in person"}))
    assert "not changed: your role doesn't reach this person" in next(row for row in results if row.startswith("Root"))
    assert queries.methods_of(world.alice) == []


def test_a_change_that_the_role_does_not_allow_is_refused(client: Client, world: World) -> None:
    as_role(client, world, Role.AUTHENTICATION_ADMINISTRATOR)
    answer = client.get(f"{CHANGE}?do=disable&person={world.alice.pk}")
    assert answer.status_code == 403
    assert "Authentication Policy Administrator" in text(answer.content)


@pytest.mark.breaks_invariants
def test_the_page_says_how_many_match(root: Client, world: World) -> None:
    many(world, 60)
    assert "all 64 people who match" in text(root.get("/admin/multi-factor/").content)
    assert "all 60 people who match" in text(root.get("/admin/multi-factor/?q=P+0").content)


def test_the_letter_and_the_link_are_ready_to_copy(root: Client, world: World) -> None:
    page = text(root.get(f"{CHANGE}?do=enable&person={world.carol.pk}").content)
    assert page.count("http://127.0.0.1:8000/setup") == 2
    assert "your account at Harbour & Hill is protected" in page
    assert "A letter" not in text(root.get(f"{CHANGE}?do=disable&person={world.alice.pk}").content)


def test_enabling_a_person_with_a_phone_enforces_at_once_as_was_said(root: Client, world: World) -> None:
    give_phone(world.carol, "+4915198765432")
    page = root.get(f"{CHANGE}?do=enable&person={world.carol.pk}")
    assert "1 person becomes Enforced" in text(page.content)
    root.post(CHANGE, {"draft": hidden(page, "draft")})
    assert User.objects.get(pk=world.carol.pk).state is MfaState.ENFORCED


def test_the_history_of_many_names_the_one_who_did_it(root: Client, world: World) -> None:
    set_mfa_state(world.carol, MfaState.ENABLED, by=None, now=world.now)
    page = root.get(f"{CHANGE}?do=disable&person={world.carol.pk}")
    root.post(CHANGE, {"draft": hidden(page, "draft")})
    said = text(root.get(f"/admin/users/?person={world.carol.pk}").content)
    assert "because root@harbour.example changed it" in said
    assert "because the system changed it" in said
