"""*This wasn't me*: a link and a button, after which no credential in a stranger's hands is valid any more."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tests.alerts.playing import STRANGER, complete, pass_password, type_wrong_codes, work
from tests.pages import text
from tests.telephone import Telephone
from tests.world import ORIGIN, World, evidence_for, sign_in
from watchword.alerts import links
from watchword.alerts.models import Alert, Disavowal
from watchword.alerts.rules import AlertRule
from watchword.audit.events import EventKind
from watchword.audit.record import record
from watchword.cli.verify import verify
from watchword.core.policy import Door, FactorKind
from watchword.directory.models import User
from watchword.factors import vault
from watchword.signin import actions, cookies, flow, invitations, non_interactive, sessions
from watchword.signin.models import Invitation, Revocation, Session
from watchword.signin.non_interactive import AuthRequest, Secret
from watchword.signin.password_change import choose_password
from watchword.signin.results import Refused
from watchword.signin.sign_in_view import view_of


def link_to(world: World) -> str:
    type_wrong_codes(pass_password(world, world.alice), world.now)
    (message,) = (one for one in work(world.now) if one.subject.startswith("Somebody knows your password"))
    found = re.search(r"https?://[^/\s]+(/not-me/[^\s]+)", str(message.body))
    assert found is not None
    return found[1]


def test_looking_at_the_link_does_nothing(client: Client, world: World) -> None:
    address = link_to(world)
    sign_in(Client(), world.alice)
    page = client.get(address)
    assert "Somebody typed your right password" in text(page.content)
    assert page["Referrer-Policy"] == "same-origin"
    client.head(address)
    assert Session.objects.filter(ended_at=None).count() == 1
    assert not Disavowal.objects.exclude(used_at=None).exists()


def test_the_button_leaves_sessions_mail_and_the_old_password_useless(
    client: Client, world: World, telephone: Telephone
) -> None:
    complete(world, telephone, world.alice)
    work(world.now)
    address = link_to(world)
    done = client.post(address)
    assert "1 session has ended" in text(done.content)
    assert not Session.objects.filter(user=world.alice, ended_at=None).exists()
    assert Revocation.objects.filter(user_id=world.alice.pk, because="disavowed").exists()
    token = flow.begin(world.alice.sign_in_name, origin=STRANGER, next_url="/", now=world.now)
    attempt = flow.find_attempt(token, now=world.now)
    assert attempt is not None
    assert isinstance(flow.answer(attempt, FactorKind.PASSWORD, world.passwords["alice"], now=world.now), Refused)
    question = AuthRequest(
        Door.MAIL, world.alice.sign_in_name, Secret(world.passwords["alice"]), "imap", "198.51.100.7"
    )
    assert not non_interactive.check_account_password(question, now=world.now).allowed
    work(world.now)
    alert = Alert.objects.get(rule=AlertRule.DISAVOWED)
    assert alert.details["sessions"] == 1


def test_the_link_works_once(client: Client, world: World) -> None:
    address = link_to(world)
    assert client.post(address).status_code == 200
    assert client.post(address).status_code == 410
    assert client.get(address).status_code == 410


def test_the_owner_chooses_a_new_password_and_still_needs_the_phone(
    client: Client, world: World, telephone: Telephone
) -> None:
    done = client.post(link_to(world))
    assert "Text a code to the number ending 78" in text(done.content)
    assert done.cookies[cookies._name(cookies._ATTEMPT)]["max-age"] == ""
    assert client.get("/methods/add/password/")["Location"].startswith("/sign-in/")
    asked = {"method": str(world.alices_phone.id), "channel": "sms"}
    assert client.post("/sign-in/send/", asked)["Location"] == "/sign-in/prove/"
    assert client.post("/sign-in/prove/", {"answer": telephone.code})["Location"] == "/methods/add/password/"
    assert "your password and a code, as always" in text(client.get("/methods/add/password/").content)
    chosen = client.post("/methods/add/password/", {"password": "a wholly new passphrase"}, follow=True)
    assert "Your password is set. Sign in with it now." in text(chosen.content)
    assert not Session.objects.filter(user=world.alice, ended_at=None).exists()
    world.passwords["alice"] = "a wholly new passphrase"
    # The page stored the new password at the real time, so the sign-in must come after it.
    attempt = pass_password(world, world.alice, now=timezone.now())
    assert view_of(attempt, now=timezone.now()).methods


def test_the_page_lists_what_still_stands_and_closes_what_is_ticked(
    client: Client, world: World, telephone: Telephone
) -> None:
    laptop = vault.holdings(world.alice, kinds=[FactorKind.APP_PASSWORD])[0]
    page = text(client.post(link_to(world)).content)
    assert "Phone ending 78" in page
    assert "App password “Laptop” never used" in page
    closed = client.post("/not-me/", {"close": [str(laptop.id)]}, follow=True)
    assert "1 thing is closed." in text(closed.content)
    assert "Laptop" not in text(closed.content)
    assert "Text a code to the number ending 78" in text(closed.content)
    assert "Nothing was ticked" in text(client.post("/not-me/", follow=True).content)
    last = text(client.post("/not-me/", {"close": [str(world.alices_phone.id)]}, follow=True).content)
    assert "No phone and no app password" in last
    assert "Ask an administrator of Harbour & Hill. They let you register a phone again" in last
    work(timezone.now())
    assert Alert.objects.filter(rule=AlertRule.DISAVOWED).count() == 1


def test_without_the_button_nothing_can_be_ticked(client: Client, world: World) -> None:
    address = link_to(world)
    assert client.post("/not-me/", {"close": [str(world.alices_phone.id)]}).status_code == 410
    client.get(address)
    assert client.get("/not-me/").status_code == 410
    assert vault.find(world.alice, world.alices_phone.id) is not None


def test_the_alert_says_what_was_closed_and_what_stands_and_leads_to_what_helps(client: Client, world: World) -> None:
    client.post(link_to(world))
    work(timezone.now())
    administrator = Client()
    sign_in(administrator, world.root)
    page = administrator.get("/admin/alerts/").content
    said = text(page)
    assert "About Right password, no code" in said
    assert "the old password is useless" in said
    assert "Still stands Phone ending 78" in said
    assert "App password “Laptop”, never used" in said
    for act in ("reset-password", "reset-methods", "delete-app-passwords"):
        assert f"/admin/users/{world.alice.pk}/{act}/" in page.decode()


CLOSING: dict[str, Callable[[User, User, datetime], object]] = {
    "reset": lambda user, by, now: actions.reset_password(user, by=by, now=now),
    "methods": lambda user, by, now: actions.reset_methods(user, by=by, now=now),
    "block": lambda user, by, now: actions.block(user, by=by, now=now) and actions.unblock(user, by=by, now=now),
    "delete": lambda user, by, now: actions.delete(user, by=by, now=now) and actions.restore(user, by=by, now=now),
}


@pytest.mark.parametrize("act", list(CLOSING))
def test_a_link_is_void_after_a_reset_a_block_or_a_deletion(client: Client, world: World, act: str) -> None:
    token = link_to(world).split("/")[2]
    CLOSING[act](world.alice, world.root, world.now + timedelta(seconds=1))
    assert links.find(token, now=world.now + timedelta(seconds=2)) is None
    assert client.post(f"/not-me/{token}/").status_code == 410


def test_a_link_whose_mail_leaves_after_the_reset_is_void_as_well(client: Client, world: World) -> None:
    type_wrong_codes(pass_password(world, world.alice), world.now)
    actions.reset_password(world.alice, by=world.root, now=world.now + timedelta(seconds=1))
    messages = work(world.now + timedelta(seconds=2))
    found = [re.search(r"(/not-me/[^\s]+)", str(message.body)) for message in messages]
    assert len([link for link in found if link is not None]) == 1
    assert all(client.post(link[1]).status_code == 410 for link in found if link is not None)


def test_one_press_voids_every_other_link(client: Client, world: World) -> None:
    record(EventKind.PASSWORD_CHANGED, now=world.now, subject=world.alice)
    type_wrong_codes(pass_password(world, world.alice), world.now)
    addresses = [re.search(r"(/not-me/[^\s]+)", str(message.body)) for message in work(world.now)]
    first, second = (found[1] for found in addresses if found is not None)
    assert client.post(first).status_code == 200
    assert client.post(second).status_code == 410


def test_a_new_password_voids_the_links_before_it_and_not_its_own(world: World) -> None:
    old = link_to(world).split("/")[2]
    later = world.now + timedelta(minutes=1)
    fresh = evidence_for(FactorKind.PASSWORD, FactorKind.PHONE, at=later)
    session = sessions.open_session(world.alice, fresh, origin=ORIGIN, now=later).session
    choose_password(session, "a wholly new passphrase", current=world.passwords["alice"], origin=ORIGIN, now=later)
    (message,) = work(later)
    own = re.search(r"/not-me/([^/]+)/", str(message.body))
    assert own is not None
    assert links.find(old, now=later) is None
    assert links.find(own[1], now=later) is not None


@pytest.mark.breaks_invariants
def test_verify_finds_a_link_and_an_invitation_that_outlived_a_reset(world: World) -> None:
    link_to(world)
    invited = invitations.invite(world.alice, by=world.root, now=world.now)
    actions.reset_password(world.alice, by=world.root, now=world.now + timedelta(seconds=1))
    assert verify(now=world.now + timedelta(seconds=2)).problems == ()
    Invitation.objects.filter(pk=invited.invitation.pk).update(void_at=None)
    User.objects.filter(pk=world.alice.pk).update(links_void_at=None)
    problems = verify(now=world.now + timedelta(seconds=2)).problems
    assert [problem.split()[1] for problem in problems] == ["invitation", "link"]


def test_somebody_without_a_second_proof_must_ask_an_administrator(client: Client, world: World) -> None:
    record(EventKind.PASSWORD_CHANGED, now=world.now, subject=world.carol)
    (message,) = work(world.now)
    found = re.search(r"(/not-me/[^\s]+)", str(message.body))
    assert found is not None
    done = client.post(found[1])
    assert "/invitation/" not in done.content.decode()
    assert "Ask an administrator of Harbour & Hill. They give you a new password." in text(done.content)
    assert "/sign-in/send/" not in done.content.decode()


def test_the_app_password_in_question_is_frozen_and_no_other(client: Client, world: World) -> None:
    stored = vault.holdings(world.alice, kinds=[FactorKind.APP_PASSWORD])[0]
    for address in ("198.51.100.7", "203.0.113.7"):
        question = AuthRequest(Door.MAIL, world.alice.sign_in_name, Secret(world.alices_app_password), "imap", address)
        assert non_interactive.check_many([question], now=world.now)[0].allowed
    (message,) = work(world.now)
    found = re.search(r"(/not-me/[^\s]+)", str(message.body))
    assert found is not None
    assert "“Laptop” is frozen" in text(client.post(found[1]).content)
    after = vault.find(world.alice, stored.id)
    assert after is not None
    assert after.frozen_at is not None


@pytest.mark.parametrize(
    "change", [lambda token: token[:-2], lambda _: "A" * 64, lambda _: "é", lambda t: t + "A" * 4000]
)
def test_a_link_that_was_not_made_here_opens_nothing(client: Client, world: World, change: type[str]) -> None:
    token = link_to(world).split("/")[2]
    assert client.post(f"/not-me/{change(token)}/").status_code == 410


def test_a_link_lasts_seven_days(world: World) -> None:
    token = link_to(world).split("/")[2]
    assert links.find(token, now=world.now + timedelta(days=7, seconds=-1)) is not None
    assert links.find(token, now=world.now + timedelta(days=7)) is None


def test_the_button_needs_the_page_that_shows_it(world: World) -> None:
    address = link_to(world)
    assert Client(enforce_csrf_checks=True).post(address).status_code == 403
