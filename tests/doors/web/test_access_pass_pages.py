"""The pages of a Temporary Access Pass and of a personal link, in a browser without JavaScript."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from tests.doors.web.test_pages import PHONE, at_password
from tests.pages import text
from tests.telephone import Telephone
from tests.world import World, sign_in
from watchword.core.policy import MfaState
from watchword.directory.models import Organisation, User
from watchword.signin import access_passes, actions, queries
from watchword.signin.models import Session

HOUR = timedelta(hours=1)


def type_password(client: Client, world: World, name: str) -> str:
    at_password(client, f"{name}@harbour.example")
    answer = client.post("/sign-in/password/", {"answer": world.passwords[name]})
    return answer["Location"] if answer.status_code == 302 else text(answer.content)


def register(client: Client, telephone: Telephone) -> str:
    assert client.post("/methods/add/phone/", PHONE)["Location"] == "/methods/add/phone/code/"
    return text(client.post("/methods/add/phone/code/", {"answer": telephone.code}).content)


def test_a_pass_is_asked_for_and_leads_to_registering_a_phone(
    client: Client, world: World, telephone: Telephone
) -> None:
    shown = access_passes.make(world.alice, lifetime=HOUR, is_once=True, by=world.root, now=world.now)
    assert type_password(client, world, "alice") == "/sign-in/pass/"
    assert telephone.received == [], "who found the phone gets no code unasked"
    page = client.get("/sign-in/pass/")
    assert "Get a code on my phone instead" in text(page.content)
    assert "I have a Temporary Access Pass" in text(client.get("/sign-in/prove/").content)
    wrong = client.post("/sign-in/pass/", {"answer": "aaaa-bbbb-cccc"})
    assert "That pass didn't work" in text(wrong.content)
    assert "twelve signs" in text(client.post("/sign-in/pass/", {"answer": "short"}).content)
    assert client.get("/security/").status_code == 302
    assert client.post("/sign-in/pass/", {"answer": shown.secret})["Location"] == "/sign-in/register/"
    assert client.get("/security/").status_code == 302, "a pass opens nothing itself"
    register(client, telephone)
    assert client.get("/security/").status_code == 200
    assert [method.ends for method in queries.methods_of(world.alice)] == ["89"]


def test_a_personal_link_asks_for_the_password_and_registers(
    client: Client, world: World, telephone: Telephone
) -> None:
    token = actions.reset_methods(world.bob, by=world.root, now=world.now).token
    address = reverse("web:register_link")
    page = client.post(address, {"code": token})
    assert "bob@harbour.example" in text(page.content)
    assert "watchword-link" not in client.cookies, "looking does nothing"
    assert client.post(address, {"code": token, "start": "yes"})["Location"] == "/sign-in/password/"
    answer = client.post("/sign-in/password/", {"answer": world.passwords["bob"]})
    assert answer["Location"] == "/sign-in/register/"
    assert not client.cookies["watchword-link"].value, "it is forgotten once it was used"
    register(client, telephone)
    assert User.objects.get(pk=world.bob.pk).state is MfaState.ENFORCED
    assert client.post(address, {"code": token}).status_code == 410
    assert client.post(address, {"code": token, "start": "yes"}).status_code == 410


def test_a_link_that_another_person_opened_is_worth_nothing_to_them(client: Client, world: World) -> None:
    """Mallory has Bob's link and signs in with another name, or without Bob's password."""
    token = actions.reset_methods(world.bob, by=world.root, now=world.now).token
    client.post(reverse("web:register_link"), {"code": token, "start": "yes"})
    assert client.post("/sign-in/password/", {"answer": "not the password"}).status_code == 200
    assert type_password(client, world, "carol") == "/"
    assert access_passes.owner_of_link(token, now=world.now) == world.bob


def test_who_has_no_usable_phone_reads_whom_to_ask(client: Client, world: World) -> None:
    actions.reset_methods(world.alice, by=world.root, now=world.now)
    access_passes.delete(world.alice, by=world.root, now=world.now)
    said = type_password(client, world, "alice")
    assert "Ask an administrator of Harbour & Hill for a Temporary Access Pass" in said
    assert not Session.objects.filter(user=world.alice).exists()


def test_proving_again_without_a_usable_phone_says_the_same(client: Client, world: World) -> None:
    sign_in(client, world.alice, ago=HOUR)
    Organisation.objects.update(text_allowed=False, call_allowed=False)
    confirm = client.get("/methods/add/phone/")["Location"]
    assert confirm.startswith("/sign-in/confirm/")
    answer = client.post(confirm, {"answer": world.passwords["alice"]}, follow=True)
    assert "Ask an administrator" in text(answer.content)


@pytest.mark.parametrize("path", ["/methods/add/access_pass/", "/methods/add/access_pass/code/"])
def test_nobody_adds_a_pass_themselves(client: Client, world: World, path: str) -> None:
    sign_in(client, world.alice)
    assert client.get(path).status_code == client.post(path).status_code == 404
