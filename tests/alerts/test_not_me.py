"""*This wasn't me*: a link, a button, and nothing that a stranger holds is worth anything any more."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tests.alerts.playing import STRANGER, come_in, pass_password, type_wrong_code, work
from tests.pages import text
from tests.telephone import Telephone
from tests.world import World, sign_in
from watchword.alerts import links
from watchword.alerts.models import Alert, Disavowal
from watchword.alerts.rules import Rule
from watchword.audit.events import EventKind
from watchword.audit.record import record
from watchword.core.policy import Door, FactorKind
from watchword.factors import vault
from watchword.signin import one_shot, service
from watchword.signin.models import Revocation, Session
from watchword.signin.one_shot import Question, Secret
from watchword.signin.service import Refused


def link_to(world: World) -> str:
    type_wrong_code(pass_password(world, world.alice), world.now)
    (message,) = work(world.now)
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
    come_in(world, telephone, world.alice)
    address = link_to(world)
    done = client.post(address)
    assert "1 session has ended" in text(done.content)
    assert not Session.objects.filter(user=world.alice, ended_at=None).exists()
    assert Revocation.objects.filter(user_id=world.alice.pk, because="disavowed").exists()
    token = service.begin(world.alice.sign_in_name, origin=STRANGER, next_url="/", now=world.now)
    attempt = service.find_attempt(token, now=world.now)
    assert attempt is not None
    assert isinstance(service.answer(attempt, FactorKind.PASSWORD, world.passwords["alice"], now=world.now), Refused)
    question = Question(Door.MAIL, world.alice.sign_in_name, Secret(world.passwords["alice"]), "imap", "198.51.100.7")
    assert not one_shot.check_account_password(question, now=world.now).allowed
    work(world.now)
    alert = Alert.objects.get(rule=Rule.DISAVOWED)
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
    found = re.search(r'href="(/invitation/[^"]+)"', done.content.decode())
    assert found is not None
    client.post(found[1], {"password": "a wholly new passphrase"})
    world.passwords["alice"] = "a wholly new passphrase"
    # The page chose the password by the clock, so the sign-in happens after it.
    attempt = pass_password(world, world.alice, now=timezone.now())
    assert service.methods(attempt, now=timezone.now())


def test_somebody_without_a_second_proof_must_ask_an_administrator(client: Client, world: World) -> None:
    record(EventKind.PASSWORD_CHANGED, now=world.now, subject=world.carol)
    (message,) = work(world.now)
    found = re.search(r"(/not-me/[^\s]+)", str(message.body))
    assert found is not None
    done = client.post(found[1])
    assert "/invitation/" not in done.content.decode()
    assert "ask your administrator" in text(done.content)


def test_the_app_password_in_question_is_frozen_and_no_other(client: Client, world: World) -> None:
    kept = vault.holdings(world.alice, kinds=[FactorKind.APP_PASSWORD])[0]
    for address in ("198.51.100.7", "203.0.113.7"):
        question = Question(Door.MAIL, world.alice.sign_in_name, Secret(world.alices_app_password), "imap", address)
        assert one_shot.check_many([question], now=world.now)[0].allowed
    (message,) = work(world.now)
    found = re.search(r"(/not-me/[^\s]+)", str(message.body))
    assert found is not None
    assert "“Laptop” is frozen" in text(client.post(found[1]).content)
    after = vault.find(world.alice, kept.id)
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
