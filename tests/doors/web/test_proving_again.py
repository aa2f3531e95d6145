"""Re-authentication within a session, changing the password, and signing out: what each requires and leaves behind."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from tests.pages import text
from tests.telephone import Telephone
from tests.world import ORIGIN, World, evidence_for, sign_in
from watchword.core.decision import DenyReason
from watchword.core.factors import Rejected
from watchword.core.policy import FactorKind
from watchword.signin import actions, cookies, password_change, sessions
from watchword.signin.enrolment import ReauthenticationRequired
from watchword.signin.models import SignInAttempt
from watchword.signin.password_change import PasswordChosen
from watchword.signin.results import SignInDenied

STALE = timedelta(hours=2)
NEW = "seven quiet otters sail"


def test_a_link_to_the_page_that_asks_again_begins_no_attempt_and_replaces_none(client: Client, world: World) -> None:
    sign_in(client, world.alice, ago=STALE)
    client.post("/sign-in/", {"name": "carol@harbour.example"})
    under_way = client.cookies[cookies._name(cookies._ATTEMPT)].value
    page = client.get("/sign-in/confirm/?next=/security/")
    assert "Enter your password again" in text(page.content)
    assert client.cookies[cookies._name(cookies._ATTEMPT)].value == under_way
    assert SignInAttempt.objects.count() == 1


def test_the_page_that_asks_again_takes_the_password_and_goes_on_to_the_code(
    client: Client, world: World, telephone: Telephone
) -> None:
    sign_in(client, world.alice, ago=STALE)
    here = "/sign-in/confirm/?next=/security/"
    assert "That name or password is not right." in text(client.post(here, {"answer": "wrong"}).content)
    assert client.post(here, {"answer": world.passwords["alice"]})["Location"] == "/sign-in/prove/"
    assert client.post("/sign-in/prove/", {"answer": telephone.code})["Location"] == "/security/"


def test_the_form_that_asks_again_needs_the_page_that_shows_it(world: World) -> None:
    browser = Client(enforce_csrf_checks=True)
    sign_in(browser, world.carol, ago=STALE)
    answer = browser.post("/sign-in/confirm/?next=/security/", {"answer": world.passwords["carol"]})
    assert answer.status_code == 403
    assert not SignInAttempt.objects.exists()


def test_enr_09_a_fresh_session_alone_changes_no_password(client: Client, world: World) -> None:
    """However fresh the session is, the current password is required."""
    sign_in(client, world.carol)
    page = client.get("/methods/add/password/")
    assert "Current password" in text(page.content)
    missing = client.post("/methods/add/password/", {"password": NEW})
    assert "Enter the password that you have now." in text(missing.content)
    wrong = client.post("/methods/add/password/", {"password": NEW, "current": "not it at all"})
    assert "That is not your current password." in text(wrong.content)
    right = client.post("/methods/add/password/", {"password": NEW, "current": world.passwords["carol"]})
    assert right["Location"] == "/security/"


def test_a_person_who_was_given_an_initial_password_is_not_asked_for_it_twice(client: Client, world: World) -> None:
    initial = actions.reset_password(world.carol, by=world.root, now=world.now).secret
    client.post("/sign-in/", {"name": "carol@harbour.example"})
    assert client.post("/sign-in/password/", {"answer": initial})["Location"] == "/methods/add/password/"
    assert "Current password" not in text(client.get("/methods/add/password/").content)
    assert client.post("/methods/add/password/", {"password": NEW}).status_code == 302


def test_guesses_at_the_current_password_have_to_wait(world: World) -> None:
    session = sessions.open_session(
        world.carol, evidence_for(FactorKind.PASSWORD, at=world.now), origin=ORIGIN, now=world.now
    ).session
    for number in range(10):
        guess = f"guess {number}"
        outcome = password_change.choose_password(session, NEW, current=guess, origin=ORIGIN, now=world.now)
        assert isinstance(outcome, Rejected)
    right = world.passwords["carol"]
    waits = password_change.choose_password(session, NEW, current=right, origin=ORIGIN, now=world.now)
    assert isinstance(waits, SignInDenied)
    assert waits.reason is DenyReason.PASSWORD_WAITS
    later = world.now + timedelta(minutes=9)
    chosen = password_change.choose_password(session, NEW, current=right, origin=ORIGIN, now=later)
    assert isinstance(chosen, PasswordChosen)


@pytest.mark.parametrize("right", [True, False])
def test_a_session_without_fresh_proof_learns_nothing_of_a_guess(world: World, right: bool) -> None:
    old = evidence_for(FactorKind.PASSWORD, at=world.now - timedelta(minutes=11))
    session = sessions.open_session(world.carol, old, origin=ORIGIN, now=world.now).session
    guess = world.passwords["carol"] if right else "a guess"
    with pytest.raises(ReauthenticationRequired):
        password_change.choose_password(session, NEW, current=guess, origin=ORIGIN, now=world.now)


def test_signing_out_clears_what_the_browser_kept(client: Client, world: World) -> None:
    sign_in(client, world.carol)
    answer = client.post("/sign-out/")
    assert answer["Clear-Site-Data"] == '"cache", "storage"'


def test_every_page_of_a_person_signed_in_lets_them_sign_out_and_no_other_does(client: Client, world: World) -> None:
    assert b"/sign-out/" not in client.get("/sign-in/").content
    sign_in(client, world.carol)
    for address in ("/methods/add/phone/", "/methods/add/password/", "/security/", "/no-such-page/"):
        assert b'action="/sign-out/"' in client.get(address).content, address
