"""*This wasn't me*: a link and a button, after which no credential in a stranger's hands is valid any more."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import cast

import pytest
from django.conf import LazySettings
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from tests.alerts.playing import STRANGER, complete, pass_password, type_wrong_codes, work
from tests.keys import rotated
from tests.pages import text
from tests.telephone import Telephone
from tests.world import ORIGIN, World, evidence_for, sign_in
from watchword.alerts import links
from watchword.alerts.models import Alert, NotMeLink
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
from watchword.signin.results import SignInDenied
from watchword.signin.sign_in_view import view_of


def link_to(world: World) -> str:
    type_wrong_codes(pass_password(world, world.alice), world.now)
    (message,) = (one for one in work(world.now) if one.subject.startswith("Somebody knows your password"))
    (code,) = codes_in(message.body)
    return code


def codes_in(*bodies: object) -> list[str]:
    return [code for body in bodies for code in re.findall(r"https?://[^/\s]+/not-me/#(\S+)", str(body))]


def look(client: Client, code: str) -> HttpResponse:
    """Open a link as a browser with its script does: the page at its address, then the code."""
    assert "Code from the message" in text(client.get("/not-me/").content)
    return cast("HttpResponse", client.post("/not-me/", {"code": code}))


def press(client: Client, code: str) -> HttpResponse:
    """Press the button of the link's page."""
    return cast("HttpResponse", client.post("/not-me/", {"code": code, "close": "all"}))


def test_looking_at_the_link_does_nothing(client: Client, world: World) -> None:
    address = link_to(world)
    sign_in(Client(), world.alice)
    page = look(client, address)
    assert "Somebody typed your right password" in text(page.content)
    assert page["Referrer-Policy"] == "same-origin"
    client.head("/not-me/")
    assert Session.objects.filter(ended_at=None).count() == 1
    assert not NotMeLink.objects.exclude(used_at=None).exists()


def test_the_button_leaves_sessions_mail_and_the_old_password_useless(
    client: Client, world: World, telephone: Telephone
) -> None:
    complete(world, telephone, world.alice)
    work(world.now)
    address = link_to(world)
    done = press(client, address)
    assert "1 session has ended" in text(done.content)
    assert not Session.objects.filter(user=world.alice, ended_at=None).exists()
    assert Revocation.objects.filter(user_id=world.alice.pk, because="not_me").exists()
    token = flow.begin(world.alice.sign_in_name, origin=STRANGER, next_url="/", now=world.now)
    attempt = flow.find_attempt(token, now=world.now)
    assert attempt is not None
    assert isinstance(flow.answer(attempt, FactorKind.PASSWORD, world.passwords["alice"], now=world.now), SignInDenied)
    question = AuthRequest(
        Door.MAIL, world.alice.sign_in_name, Secret(world.passwords["alice"]), "imap", "198.51.100.7"
    )
    assert not non_interactive.check_account_password(question, now=world.now).allowed
    work(world.now)
    alert = Alert.objects.get(rule=AlertRule.NOT_ME)
    assert alert.details["sessions"] == 1


def test_the_link_works_once(client: Client, world: World) -> None:
    address = link_to(world)
    assert press(client, address).status_code == 200
    assert press(client, address).status_code == 410
    assert look(client, address).status_code == 410


def test_the_owner_chooses_a_new_password_and_still_needs_the_phone(
    client: Client, world: World, telephone: Telephone
) -> None:
    done = press(client, link_to(world))
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
    page = text(press(client, link_to(world)).content)
    assert "Phone ending 78" in page
    assert "App password “Laptop” never used" in page
    closed = client.post("/not-me/close/", {"close": [str(laptop.id)]}, follow=True)
    assert "1 thing is closed." in text(closed.content)
    assert "Laptop" not in text(closed.content)
    assert "Text a code to the number ending 78" in text(closed.content)
    assert "Nothing was ticked" in text(client.post("/not-me/close/", follow=True).content)
    last = text(client.post("/not-me/close/", {"close": [str(world.alices_phone.id)]}, follow=True).content)
    assert "No phone and no app password" in last
    assert "Ask an administrator of Harbour & Hill. They let you register a phone again" in last
    work(timezone.now())
    assert Alert.objects.filter(rule=AlertRule.NOT_ME).count() == 1


def test_without_the_button_nothing_can_be_ticked(client: Client, world: World) -> None:
    address = link_to(world)
    assert client.post("/not-me/close/", {"close": [str(world.alices_phone.id)]}).status_code == 410
    look(client, address)
    assert client.get("/not-me/close/").status_code == 410
    assert vault.find(world.alice, world.alices_phone.id) is not None


def test_the_alert_says_what_was_closed_and_what_stands_and_leads_to_what_helps(client: Client, world: World) -> None:
    press(client, link_to(world))
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
    token = link_to(world)
    CLOSING[act](world.alice, world.root, world.now + timedelta(seconds=1))
    assert links.find(token, now=world.now + timedelta(seconds=2)) is None
    assert press(client, token).status_code == 410


def test_a_link_whose_mail_leaves_after_the_reset_is_void_as_well(client: Client, world: World) -> None:
    type_wrong_codes(pass_password(world, world.alice), world.now)
    actions.reset_password(world.alice, by=world.root, now=world.now + timedelta(seconds=1))
    messages = work(world.now + timedelta(seconds=2))
    (code,) = codes_in(*(message.body for message in messages))
    assert press(client, code).status_code == 410


def test_one_press_voids_every_other_link(client: Client, world: World) -> None:
    record(EventKind.PASSWORD_CHANGED, now=world.now, subject=world.alice)
    type_wrong_codes(pass_password(world, world.alice), world.now)
    first, second = codes_in(*(message.body for message in work(world.now)))
    assert press(client, first).status_code == 200
    assert press(client, second).status_code == 410


def test_a_new_password_voids_the_links_before_it_and_not_its_own(world: World) -> None:
    old = link_to(world)
    later = world.now + timedelta(minutes=1)
    fresh = evidence_for(FactorKind.PASSWORD, FactorKind.PHONE, at=later)
    session = sessions.open_session(world.alice, fresh, origin=ORIGIN, now=later).session
    choose_password(session, "a wholly new passphrase", current=world.passwords["alice"], origin=ORIGIN, now=later)
    (message,) = work(later)
    (own,) = codes_in(message.body)
    assert links.find(old, now=later) is None
    assert links.find(own, now=later) is not None


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


def test_a_person_without_a_second_proof_must_ask_an_administrator(client: Client, world: World) -> None:
    record(EventKind.PASSWORD_CHANGED, now=world.now, subject=world.carol)
    (message,) = work(world.now)
    done = press(client, *codes_in(message.body))
    assert "/invitation/" not in done.content.decode()
    assert "Ask an administrator of Harbour & Hill. They give you a new password." in text(done.content)
    assert "/sign-in/send/" not in done.content.decode()


def test_the_app_password_in_question_is_paused_and_no_other(client: Client, world: World) -> None:
    stored = vault.holdings(world.alice, kinds=[FactorKind.APP_PASSWORD])[0]
    for address in ("198.51.100.7", "203.0.113.7"):
        question = AuthRequest(Door.MAIL, world.alice.sign_in_name, Secret(world.alices_app_password), "imap", address)
        assert non_interactive.check_many([question], now=world.now)[0].allowed
    (message,) = work(world.now)
    assert "“Laptop” is frozen" in text(press(client, *codes_in(message.body)).content)
    after = vault.find(world.alice, stored.id)
    assert after is not None
    assert after.paused_at is not None


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token[:-2],
        lambda token: token[:-1] + ("a" if token[-1] != "a" else "b"),
        lambda token: "b" + token[1:],
        lambda _: "aaaa-" * 5 + "aaaa",
        lambda _: "A" * 64,
        lambda _: "8" * 24,
        lambda _: "é",
    ],
)
def test_a_link_that_was_not_made_here_opens_nothing(
    client: Client, world: World, change: Callable[[str], str]
) -> None:
    code = link_to(world)
    assert press(client, change(code)).status_code == 410
    assert "longer than a code" in text(press(client, code + "a" * 4000).content)
    assert not NotMeLink.objects.exclude(used_at=None).exists()


def test_a_code_is_accepted_as_people_type_it_and_as_a_pasted_link(client: Client, world: World) -> None:
    code = link_to(world)
    for typed in (code.upper(), code.replace("-", " "), code.replace("-", ""), f"http://127.0.0.1:8000/not-me/#{code}"):
        assert "Somebody typed your right password" in text(look(client, typed).content)


def test_a_code_of_before_a_rotation_of_the_keys_works_on(client: Client, world: World, settings: LazySettings) -> None:
    code = link_to(world)
    settings.WATCHWORD_KEY_RING = rotated(settings.WATCHWORD_KEY_RING)
    assert press(client, code).status_code == 200


def test_the_same_event_of_another_database_has_another_code(world: World) -> None:
    """After a restore the numbers of events come again, and links of the lost time must not fit the new events."""
    code = links.find(link_to(world), now=world.now)
    assert code is not None
    twin = NotMeLink(user=code.user, event_id=code.event_id, rule=code.rule)
    assert links.token_of(twin) != links.token_of(code)


def test_a_link_lasts_seven_days(world: World) -> None:
    token = link_to(world)
    assert links.find(token, now=world.now + timedelta(days=7, seconds=-1)) is not None
    assert links.find(token, now=world.now + timedelta(days=7)) is None


def test_the_button_needs_the_page_that_shows_it(world: World) -> None:
    address = link_to(world)
    assert press(Client(enforce_csrf_checks=True), address).status_code == 403
