"""A person's own pages."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import DjangoAssertNumQueries

from tests.pages import text
from tests.world import ORIGIN, World, evidence_for, give_app_password, give_phone, make_person, sign_in
from watchword.audit.events import EventKind
from watchword.core.policy import Door, FactorKind
from watchword.directory.roles import Role
from watchword.factors import vault
from watchword.portal.activity import _WORDS
from watchword.portal.search import SETTINGS, find
from watchword.signin import non_interactive, queries, sessions
from watchword.signin.non_interactive import AuthRequest, Secret
from watchword.ui.browsers import browser_in_words


def test_nobody_is_led_to_the_sign_in_page_and_back(client: Client, world: World) -> None:
    assert client.get("/security/?x=1")["Location"] == "/sign-in/?next=%2Fsecurity%2F%3Fx%3D1"


def test_security_info_shows_everything_on_one_page(client: Client, world: World) -> None:
    sign_in(client, world.alice)
    question = AuthRequest(Door.MAIL, "alice@harbour.example", Secret(world.alices_app_password), "imap", "203.0.113.9")
    assert non_interactive.check_many([question], now=world.now)[0].allowed
    said = text(client.get("/security/").content)
    for part in (
        "text to the number ending 78",
        "Laptop",
        "IMAP · 203.0.113.9",
        "this browser",
        "Firefox on Linux",
        "1 of 40",
    ):
        assert part in said
    assert "A mail program signed in (IMAP) with the app password “Laptop”" in said
    assert "15112345678" not in said


@pytest.mark.breaks_invariants
def test_a_person_signs_one_browser_out_or_all_others(client: Client, world: World) -> None:
    sign_in(client, world.alice)
    others = [
        sessions.open_session(world.alice, evidence_for(FactorKind.PASSWORD), origin=ORIGIN, now=world.now)
        for _ in range(3)
    ]
    client.post(reverse("portal:end_session", args=[others[0].session.pk]))
    assert sessions.find(others[0].token, now=world.now) is None
    assert sessions.find(others[1].token, now=world.now) is not None
    assert "2 other browsers are signed out." in text(client.post("/sessions/end-others/", follow=True).content)
    assert sessions.find(others[2].token, now=world.now) is None
    assert client.get("/").status_code == 200


@pytest.mark.breaks_invariants
def test_nobody_ends_a_session_of_another_person(client: Client, world: World) -> None:
    bobs = sessions.open_session(world.bob, evidence_for(FactorKind.PASSWORD), origin=ORIGIN, now=world.now)
    sign_in(client, world.alice)
    client.post(reverse("portal:end_session", args=[bobs.session.pk]))
    assert sessions.find(bobs.token, now=world.now) is not None


@pytest.mark.breaks_invariants
@pytest.mark.parametrize(
    ("who", "says"),
    [
        ("carol", "You need none: your own password works in mail programs."),
        ("bob", "You can make app passwords once you have registered a phone."),
    ],
)
def test_app_passwords_that_are_not_possible_are_explained(client: Client, world: World, who: str, says: str) -> None:
    sign_in(client, world.people[who])
    assert says in text(client.get("/app-passwords/").content)


@pytest.mark.parametrize("address", ["/app-passwords/", "/security/"])
def test_that_app_passwords_wait_after_a_change_of_number_is_explained(
    client: Client, world: World, address: str
) -> None:
    give_phone(world.alice, "+4915123456789")
    sign_in(client, world.alice)
    page = text(client.get(address).content)
    assert "Your phone was changed less than a day ago." in page
    assert "Create app password" not in page


def test_app_passwords_that_were_switched_off_can_be_seen_and_deleted(client: Client, world: World) -> None:
    world.organisation.app_passwords_allowed = False
    world.organisation.save()
    sign_in(client, world.alice)
    page = client.get("/app-passwords/")
    assert "those below have stopped" in text(page.content)
    assert "/methods/remove/" in page.content.decode()
    assert "Create app password" not in text(page.content)


def test_a_forgotten_device_that_still_tries_is_named(client: Client, world: World) -> None:
    sign_in(client, world.alice)
    vault.revoke(world.alice, queries.app_passwords_of(world.alice)[0].id, because="test", now=world.now)
    question = AuthRequest(Door.MAIL, "alice@harbour.example", Secret(world.alices_app_password), "imap", "203.0.113.9")
    assert not non_interactive.check_many([question], now=world.now)[0].allowed
    assert "uses the stopped app password “Laptop” was refused" in text(client.get("/activity/").content)


def test_suspended_app_passwords_are_marked(client: Client, world: World) -> None:
    vault.suspend_all(world.alice, FactorKind.APP_PASSWORD, now=world.now)
    sign_in(client, world.alice)
    assert "Suspended" in text(client.get("/app-passwords/").content)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("additional security verification", "App passwords"),
        ("update phone numbers used for account security", "Sign-in methods"),
        ("aka.ms/mfasetup", "Sign-in methods"),
        ("restore multi-factor authentication on previously trusted devices", "Where you're signed in"),
        ("security & privacy", "App passwords"),
        ("OUTLOOK", "App passwords"),
        ("lost phone", "Where you're signed in"),
        ("change my password", "Password"),
    ],
)
def test_the_old_words_lead_to_the_right_page(query: str, expected: str) -> None:
    assert expected in {str(setting.name) for setting in find(query, is_administrator=False)}


def test_a_search_without_result_helps_and_shows_what_was_typed_as_text(client: Client, world: World) -> None:
    sign_in(client, world.carol)
    page = client.get("/settings/", {"q": "<qq>zzz"}).content.decode()
    assert "&lt;qq&gt;zzz" in page
    assert "These are all settings" in page


def test_only_administrators_find_and_see_the_admin_center(client: Client, world: World) -> None:
    assert not any(
        setting.for_administrators for setting in find("multi-factor authentication", is_administrator=False)
    )
    assert any(setting.for_administrators for setting in find("multi-factor authentication", is_administrator=True))
    sign_in(client, world.carol)
    assert "/admin/" not in client.get("/").content.decode()
    assert client.get("/admin/users/").status_code == 403
    reader = make_person(world.organisation, "reader", roles=(Role.GLOBAL_READER,))
    sign_in(client, reader)
    assert "/admin/" in client.get("/").content.decode()


def test_every_setting_that_can_be_found_exists() -> None:
    assert all(reverse(setting.url) for setting in SETTINGS)


def test_every_event_about_a_person_has_words() -> None:
    without_subject = {
        EventKind.PEOPLE_IMPORTED,
        EventKind.KEY_RETIRED,
        EventKind.KEYS_GIVEN_UP,
        EventKind.DATABASE_BACKED_UP,
        EventKind.DATABASE_RESTORED,
        EventKind.DATABASE_MOVED,
        EventKind.ORGANISATION_CREATED,
        EventKind.DOMAIN_ADDED,
        EventKind.DOMAIN_REMOVED,
        EventKind.SETTINGS_CHANGED,
        EventKind.SOURCE_CLOSED,
        EventKind.ALERT_CLOSED,
        EventKind.APP_ADDED,
        EventKind.APP_CHANGED,
        EventKind.APP_REMOVED,
        EventKind.APP_SECRET_ADDED,
        EventKind.APP_SECRET_REMOVED,
        EventKind.SIGNING_KEY_ADDED,
        EventKind.SIGNING_KEY_RETIRED,
        EventKind.GROUP_CREATED,
        EventKind.GROUP_CHANGED,
        EventKind.GROUP_DELETED,
        EventKind.GROUP_MEMBERS_CHANGED,
    }
    assert set(_WORDS) == set(EventKind) - without_subject


def test_activity_is_paged_and_senseless_pages_are_the_first(client: Client, world: World) -> None:
    sign_in(client, world.alice)
    for hour in range(60):
        question = AuthRequest(Door.MAIL, "alice@harbour.example", Secret("b" * 24))
        non_interactive.check_many([question], now=world.now + timedelta(hours=hour))
    first = client.get("/activity/").content.decode()
    older = re.search(r"\?before=(\d+)", first)
    assert older is not None
    assert client.get(f"/activity/?before={older[1]}").content.decode() != first
    for senseless in ("nonsense", "9" * 30, "9" * 5_000):
        assert client.get(f"/activity/?before={senseless}").status_code == 200


def test_pages_ask_few_questions_however_much_a_person_holds(
    client: Client, world: World, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    sign_in(client, world.alice)
    for number in range(39):
        give_app_password(world.alice, f"Device {number}")
    for address in ("/", "/security/", "/app-passwords/", "/activity/"):
        with django_assert_max_num_queries(10):
            assert client.get(address).status_code == 200


@pytest.mark.parametrize("agent", ["", "curl/8", "\x00" * 10, "Mozilla/5.0 " + "x" * 5000])
def test_any_program_has_a_name(agent: str) -> None:
    assert browser_in_words(agent)


def test_password_managers_find_the_page_that_changes_the_password(client: Client, world: World) -> None:
    assert client.get("/.well-known/change-password")["Location"] == "/password/"
