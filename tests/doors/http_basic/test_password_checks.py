"""Names and passwords that web servers and mail proxies ask about: who is believed, and what they are told."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client as Browser
from hypothesis import given
from hypothesis import strategies as st

from tests.world import World
from watchword.applications import clients
from watchword.applications.clients import ClientSettings
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.policy import FactorKind
from watchword.directory import applications
from watchword.directory.applications import AppSettings
from watchword.doors.http_basic.password_checks import read_basic
from watchword.factors import vault
from watchword.signin import actions

CLIENT = "198.51.100.9"


@pytest.fixture
def secret(world: World) -> str:
    app = applications.add_app(world.organisation, AppSettings("Calendar"), by=None, now=world.now)
    client = clients.add_client(app, ClientSettings(introspects=True), by=None)
    return clients.add_secret(client, by=None, now=world.now)


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def ask(secret: str, name: str, password: str) -> Any:
    headers = {"X-Watchword-Secret": secret, "Authorization": basic(name, password), "X-Forwarded-For": CLIENT}
    return Browser().get("/http-basic/check", headers=headers)


def ask_mail(secret: str, name: str, password: str, protocol: str = "imap", **more: str) -> Any:
    headers = {
        "X-Watchword-Secret": secret,
        "X-Watchword-Backend": "127.0.0.1:1143",
        "Auth-Method": "plain",
        "Auth-User": quote(name, safe="@."),
        "Auth-Pass": quote(password, safe=""),
        "Auth-Protocol": protocol,
        "Client-IP": CLIENT,
        **more,
    }
    return Browser().get("/mail-proxy/auth", headers=headers)


def test_an_app_password_opens_a_calendar_and_says_whose_it_is(world: World, secret: str) -> None:
    answer = ask(secret, "alice@harbour.example", world.alices_app_password)
    assert answer.status_code == 200
    assert answer["X-Watchword-User"] == "alice@harbour.example"
    event = Event.objects.get(kind=EventKind.SIGN_IN_ALLOWED)
    assert (event.door, event.service) == ("http_basic", "dav")


def test_the_account_password_opens_what_it_opens_in_mail(world: World, secret: str) -> None:
    assert ask(secret, "alice@harbour.example", world.passwords["alice"]).status_code == 401
    assert ask(secret, "carol@harbour.example", world.passwords["carol"]).status_code == 200
    wrong = ask(secret, "carol@harbour.example", "not her password")
    assert wrong.status_code == 401
    assert wrong["WWW-Authenticate"] == 'Basic realm="Calendar", charset="UTF-8"'


def test_a_name_and_a_password_of_two_people_open_nothing(world: World, secret: str) -> None:
    assert ask(secret, "bob@harbour.example", world.alices_app_password).status_code == 401


@pytest.mark.parametrize("given_secret", ["", "wws_guessed", "x" * 5_000])
def test_nobody_without_the_secret_of_an_app_can_try_passwords(world: World, secret: str, given_secret: str) -> None:
    before = Event.objects.count()
    assert ask(given_secret, "alice@harbour.example", world.alices_app_password).status_code == 403
    assert ask_mail(given_secret, "alice@harbour.example", world.alices_app_password).status_code == 403
    assert Event.objects.count() == before


def test_an_app_for_a_group_opens_to_nobody_else(world: World, secret: str) -> None:
    app = applications.apps_of(world.alice)[0]
    applications.change_app(app, AppSettings("Calendar", for_everyone=False), by=None, now=world.now)
    assert ask(secret, "alice@harbour.example", world.alices_app_password).status_code == 401
    assert Event.objects.filter(kind=EventKind.SIGN_IN_DENIED).get().reason == "not_assigned"


def test_what_stops_an_app_password_in_mail_stops_it_here(world: World, secret: str) -> None:
    stored = vault.holdings(world.alice, kinds=[FactorKind.APP_PASSWORD])[0]
    assert ask(secret, "alice@harbour.example", world.alices_app_password).status_code == 200
    actions.delete_app_passwords(world.alice, [stored.id], by=None, now=world.now)
    assert ask(secret, "alice@harbour.example", world.alices_app_password).status_code == 401
    assert ask_mail(secret, "alice@harbour.example", world.alices_app_password)["Auth-Status"] != "OK"


def test_a_removed_secret_opens_nothing_any_more(world: World, secret: str) -> None:
    app = applications.apps_of(world.alice)[0]
    client = app.oidc_client
    clients.end_secret(client, client.secrets.get().pk, by=None, now=world.now)
    assert ask(secret, "alice@harbour.example", world.alices_app_password).status_code == 403


def test_nginx_is_told_where_the_mailbox_is(world: World, secret: str) -> None:
    answer = ask_mail(secret, "alice@harbour.example", world.alices_app_password)
    told = {name: answer[name] for name in ("Auth-Status", "Auth-User", "Auth-Server", "Auth-Port")}
    assert told == {
        "Auth-Status": "OK",
        "Auth-User": "alice@harbour.example",
        "Auth-Server": "127.0.0.1",
        "Auth-Port": "1143",
    }
    event = Event.objects.get(kind=EventKind.SIGN_IN_ALLOWED)
    assert (event.door, event.service, event.address) == ("mail", "imap", CLIENT)


def test_nginx_is_told_a_refusal_in_the_words_of_the_protocol(world: World, secret: str) -> None:
    refused = ask_mail(secret, "alice@harbour.example", "x" * 24, "smtp")
    assert refused.status_code == 200
    assert (refused["Auth-Status"], refused["Auth-Error-Code"], refused["Auth-Wait"]) == (
        "Invalid login or password.",
        "535 5.7.8",
        "3",
    )
    assert ask_mail(secret, "alice@harbour.example", "x", **{"Auth-Method": "cram-md5"})["Auth-Status"] != "OK"
    assert ask_mail(secret, "a", "b", **{"Auth-Protocol": "http"}).status_code == 400
    assert ask_mail(secret, "a", "b", **{"X-Watchword-Backend": "nowhere"}).status_code == 400


def encoded(text: bytes) -> str:
    return "Basic " + base64.b64encode(text).decode()


NO_BASIC = [
    "",
    "Basic",
    "Basic !",
    encoded(b"no colon"),
    encoded(b"\xff:x"),
    "Bearer x",
    "Basic " + "A" * 5_000,
    encoded(b":x"),
    encoded(b"a\x00b:x"),
]


@pytest.mark.parametrize("header", NO_BASIC)
def test_a_header_that_is_no_basic_authentication_is_asked_for_one(world: World, secret: str, header: str) -> None:
    headers = {"X-Watchword-Secret": secret, **({"Authorization": header} if header else {})}
    assert Browser().get("/http-basic/check", headers=headers).status_code == 401


@given(st.text(max_size=200))
def test_no_header_makes_the_reader_fall_over(text: str) -> None:
    found = read_basic(f"Basic {text}")
    assert found is None or len(found) == 2


@given(
    st.text(min_size=1, max_size=50).filter(lambda text: ":" not in text and "\x00" not in text), st.text(max_size=50)
)
def test_what_a_program_sends_is_read_as_it_was_meant(name: str, password: str) -> None:
    if "\x00" not in password:
        assert read_basic(basic(name, password)) == (name, password)
