"""The sign-in pages through Django's client, over the real service: what they show, store, refuse and leak."""

from __future__ import annotations

import re

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse

from tests.pages import text
from tests.telephone import Telephone
from tests.world import World, give_password, give_phone, make_person, sign_in
from watchword.core.policy import FactorKind
from watchword.directory.models import User
from watchword.doors.web.next_address import safe_next
from watchword.messaging.gateway import Result
from watchword.signin import invitations, queries
from watchword.signin.models import Session, SignInAttempt


def at_password(client: Client, name: str, next_url: str = "") -> None:
    answer = client.post("/sign-in/", {"name": name, "next": next_url})
    assert answer.status_code == 302
    assert answer["Location"] == "/sign-in/password/"


def at_code(client: Client, world: World) -> None:
    at_password(client, "alice@harbour.example")
    answer = client.post("/sign-in/password/", {"answer": world.passwords["alice"]})
    assert answer["Location"] == "/sign-in/prove/"


def registering(client: Client, world: World) -> None:
    at_password(client, "bob@harbour.example")
    answer = client.post("/sign-in/password/", {"answer": world.passwords["bob"]})
    assert answer["Location"] == "/sign-in/register/"


PHONE = {"slot": "mobile", "country": "DE", "number": "0151 23456789", "extension": "", "channel": "sms"}


def test_a_disabled_person_comes_in_and_goes_where_they_wanted(client: Client, world: World) -> None:
    at_password(client, "carol@harbour.example", "/security/")
    answer = client.post("/sign-in/password/", {"answer": world.passwords["carol"]})
    assert answer["Location"] == "/security/"
    page = client.get("/security/")
    assert page.status_code == 200
    assert "no-store" in page["Cache-Control"]


def test_the_code_is_sent_at_once_and_opens_the_door(client: Client, world: World, telephone: Telephone) -> None:
    at_code(client, world)
    assert len(telephone.received) == 1
    page = client.get("/sign-in/prove/")
    assert "We sent a text message to the number ending 78" in text(page.content)
    assert 'autocomplete="one-time-code"' in page.content.decode()
    assert telephone.code not in page.content.decode()
    answer = client.post("/sign-in/prove/", {"answer": telephone.code})
    assert answer["Location"] == "/"
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("name", ["alice", "nobody", "blocked"])
def test_a_refusal_is_the_same_for_everybody(client: Client, world: World, name: str) -> None:
    User.objects.filter(pk=give_password(make_person(world.organisation, "blocked"), "x").user_id).update(
        blocked_at=world.now
    )
    at_password(client, f"{name}@harbour.example")
    page = client.post("/sign-in/password/", {"answer": "not the password"})
    assert page.status_code == 200
    said = text(page.content).replace(f"{name}@harbour.example", "…")
    assert "Error: Enter your password" in said
    assert "That name or password is not right." in said
    reference = Client()
    at_password(reference, "carol@harbour.example")
    other = text(reference.post("/sign-in/password/", {"answer": "not the password"}).content)
    assert said == other.replace("carol@harbour.example", "…")


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("", "Enter your sign-in name."),
        ("alice", "That is no sign-in name."),
        ("a\0b@c.example", "Null characters"),
        ("x" * 5000, "That is no sign-in name."),
    ],
)
def test_a_bad_name_is_explained_and_kept(client: Client, world: World, typed: str, says: str) -> None:
    page = client.post("/sign-in/", {"name": typed, "next": "/security/"})
    assert page.status_code == 200
    assert says in text(page.content)
    assert not SignInAttempt.objects.exists()
    if typed.isprintable() and typed:
        assert f'value="{typed}"' in page.content.decode()
    assert 'value="/security/"' in page.content.decode()


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("", "Enter the code that you were sent."),
        ("12345", "A code has six digits."),
        ("abcdef", "A code has six digits."),
        ("x" * 5000, "A code has six digits."),
    ],
)
def test_a_code_that_is_none_is_explained(
    client: Client, world: World, telephone: Telephone, typed: str, says: str
) -> None:
    at_code(client, world)
    page = client.post("/sign-in/prove/", {"answer": typed})
    assert page.status_code == 200
    assert says in text(page.content)
    assert not Session.objects.exists()


def test_a_wrong_code_blames_nobody_and_leaves_a_way_on(client: Client, world: World, telephone: Telephone) -> None:
    at_code(client, world)
    page = client.post("/sign-in/prove/", {"answer": telephone.wrong_code()})
    said = text(page.content)
    assert "That code didn't work. Check it, or get a new one." in said.replace("&#x27;", "'")
    assert "Call the number ending 78" in said
    assert "You can ask for another code in 30 seconds" in said or "29 seconds" in said


def test_asking_again_too_soon_says_when(client: Client, world: World, telephone: Telephone) -> None:
    at_code(client, world)
    client.post("/sign-in/send/", {"method": str(world.alices_phone.id), "channel": "voice"})
    said = text(client.get("/sign-in/prove/").content)
    assert re.search(r"You can ask for another one in \d+ seconds", said)
    assert len(telephone.received) == 1


@pytest.mark.parametrize("junk", [{}, {"method": "x", "channel": "sms"}, {"method": "0" * 32, "channel": "pigeon"}])
def test_a_senseless_wish_for_a_code_sends_nothing(
    client: Client, world: World, telephone: Telephone, junk: dict[str, str]
) -> None:
    at_code(client, world)
    assert client.post("/sign-in/send/", junk).status_code == 302
    assert len(telephone.received) == 1


def test_a_text_that_did_not_get_through_is_said_in_plain_words(
    client: Client, world: World, telephone: Telephone
) -> None:
    telephone.break_down(permanent=True, result=Result.UNREACHABLE)
    at_code(client, world)
    assert "The text message did not get through. Choose another way:" in text(client.get("/sign-in/prove/").content)


@pytest.mark.parametrize(
    "address",
    ["/sign-in/password/", "/sign-in/prove/", "/sign-in/register/", "/methods/add/phone/", "/methods/add/phone/code/"],
)
def test_a_page_out_of_order_leads_to_the_start(client: Client, world: World, address: str) -> None:
    assert client.get(address)["Location"] == "/sign-in/?over=1"


def test_every_page_leads_to_where_the_attempt_stands(client: Client, world: World, telephone: Telephone) -> None:
    registering(client, world)
    for address in ("/sign-in/password/", "/sign-in/prove/"):
        assert client.get(address)["Location"] == "/sign-in/register/"
    assert client.get("/methods/add/app_password/")["Location"] == "/sign-in/?over=1"
    assert client.get("/")["Location"] == "/sign-in/?next=%2F"


def test_an_attempt_that_is_over_keeps_the_name(client: Client, world: World) -> None:
    at_password(client, "alice@harbour.example")
    SignInAttempt.objects.update(expires_at=world.now)
    assert client.get("/sign-in/password/")["Location"] == "/sign-in/?over=1"
    page = client.get("/sign-in/?over=1").content.decode()
    assert "This page was open for too long. Start again." in page
    assert 'value="alice@harbour.example"' in page


def test_bob_registers_and_sees_his_app_password_once(client: Client, world: World, telephone: Telephone) -> None:
    registering(client, world)
    assert client.post("/methods/add/phone/", PHONE)["Location"] == "/methods/add/phone/code/"
    page = client.post("/methods/add/phone/code/", {"answer": telephone.code})
    assert "no-store" in page["Cache-Control"]
    found = re.search(r'id="secret">(.*?)</p>', page.content.decode())
    assert found is not None
    secret = re.sub("<[^>]+>", "", found[1])
    assert re.fullmatch(r"([a-z]{4} ){5}[a-z]{4}", secret)
    again = client.post("/methods/add/phone/code/", {"answer": telephone.code})
    assert secret not in again.content.decode()
    assert secret not in client.get("/app-passwords/").content.decode()


def test_a_number_that_lost_its_plus_gets_the_code_and_no_stranger_does(
    client: Client, world: World, telephone: Telephone
) -> None:
    registering(client, world)
    client.post("/methods/add/phone/", {**PHONE, "number": "4915123456789", "channel": "voice"})
    assert [message.number for message in telephone.received] == ["+4915123456789"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"number": ""}, "Enter your phone number."),
        ({"number": "12"}, "Enter a telephone number that exists in this country."),
        ({"number": "4921123456"}, "This could be two different numbers. Write it with +"),
        ({"country": "AR", "number": "+54 11 2345 6789"}, "A mobile number has a 9 after +54."),
        ({"country": "GB", "number": "07797 712345"}, "Your organisation does not send codes to Jersey."),
        ({"country": "US", "number": "+1 787 234 5678"}, "Your organisation does not send codes to Puerto Rico."),
        ({"country": "FR", "number": "+262 692 12 34 56"}, "Your organisation does not send codes to Reunion."),
        ({"country": "MX", "number": "+52 1 55 1234 5678"}, "Your organisation does not send codes to Mexico."),
        ({"number": "0900 1234567"}, "This kind of number can't be used."),
        ({"number": "030 901820"}, "This number can't get text messages."),
        ({"extension": "12"}, "Only an office telephone has an extension"),
        ({"country": "XX"}, "Select a valid choice"),
        ({"channel": ""}, "Choose how the code should come."),
        ({"channel": "pigeon"}, "Select a valid choice"),
        ({"slot": "kitchen"}, "Select a valid choice"),
    ],
)
def test_a_bad_telephone_is_explained_and_what_was_typed_is_kept(
    client: Client, world: World, telephone: Telephone, changes: dict[str, str], says: str
) -> None:
    registering(client, world)
    page = client.post("/methods/add/phone/", {**PHONE, **changes})
    assert page.status_code == 200
    assert says in text(page.content).replace("&#x27;", "'")
    if "number" not in changes:
        assert 'value="0151 23456789"' in page.content.decode()
    assert telephone.received == []
    assert queries.methods_of(world.bob) == []


def test_the_directory_phone_fills_in_the_number(client: Client, world: World) -> None:
    User.objects.filter(pk=world.bob.pk).update(directory_phone="+49 151 555")
    registering(client, world)
    assert 'value="+49 151 555"' in client.get("/methods/add/phone/").content.decode()


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("", "Enter a new password."),
        ("tiny-one", "This password is too short."),
        ("a" * 24, "exactly 24 letters"),
        ("the long passphrase of carol!", "This is the password that you have already."),
    ],
)
def test_a_bad_new_password_is_explained_and_never_shown_again(
    client: Client, world: World, password: str, says: str
) -> None:
    sign_in(client, world.carol)
    page = client.post("/methods/add/password/", {"password": password, "current": world.passwords["carol"]})
    assert says in text(page.content).replace("&#x27;", "'")
    assert not password or password not in page.content.decode()


def test_a_session_without_fresh_proof_proves_again_and_comes_back(
    client: Client, world: World, telephone: Telephone
) -> None:
    sign_in(client, world.alice, FactorKind.PASSWORD)
    answer = client.get("/methods/add/app_password/?name=Tablet")
    assert answer["Location"] == "/sign-in/confirm/?next=%2Fmethods%2Fadd%2Fapp_password%2F%3Fname%3DTablet"
    client.post(answer["Location"], {"answer": world.passwords["alice"]})
    answer = client.post("/sign-in/prove/", {"answer": telephone.code})
    assert answer["Location"] == "/methods/add/app_password/?name=Tablet"
    assert 'value="Tablet"' in client.get(answer["Location"]).content.decode()


@pytest.mark.parametrize(
    ("name", "says"),
    [("", "Give it a name"), ("laptop", "You have an app password by this name"), ("x" * 51, "The name is too long")],
)
def test_a_bad_name_for_an_app_password_is_explained(client: Client, world: World, name: str, says: str) -> None:
    sign_in(client, world.alice)
    page = client.post("/methods/add/app_password/", {"name": name})
    assert says in text(page.content)
    assert len(queries.app_passwords_of(world.alice)) == 1


def test_creation_that_is_not_possible_says_why(client: Client, world: World) -> None:
    sign_in(client, world.carol)
    assert "Your administrator can enable it" in text(client.get("/methods/add/app_password/").content)


def test_removing_asks_first_and_says_what_follows(client: Client, world: World) -> None:
    sign_in(client, world.alice)
    address = reverse("web:remove", args=[world.alices_phone.id])
    assert "Add another phone first" in text(client.get(address).content)
    assert client.post(address)["Location"] == address
    assert len(queries.methods_of(world.alice)) == 1
    give_phone(world.alice, "+4915187654321", slot="alternate")
    assert "No more codes will be sent to the number ending 78" in text(client.get(address).content)
    assert client.post(address)["Location"] == "/security/"
    assert [method.slot for method in queries.methods_of(world.alice)] == ["alternate"]


def test_enr_06_nobody_reaches_what_others_hold(client: Client, world: World) -> None:
    bobs = give_phone(world.bob, "+4915187654321")
    sign_in(client, world.alice)
    for method in (client.get, client.post):
        assert method(reverse("web:remove", args=[bobs.id])).status_code == 404
    assert client.get("/methods/add/pigeon/").status_code == 404


def test_an_invitation_is_accepted_by_a_post_alone(client: Client, world: World) -> None:
    dora = make_person(world.organisation, "dora")
    link = reverse("web:invitation")
    code = {"code": invitations.invite(dora, by=None, now=world.now).token}
    assert "Code from the message" in text(client.get(link).content)
    assert all("dora@harbour.example" in text(client.post(link, code).content) for _time in range(2))
    assert "This password is too short." in text(client.post(link, {**code, "password": "short"}).content)
    assert client.post(link, {**code, "password": "a very fine passphrase"})["Location"] == "/sign-in/"
    assert "This link does not work any more" in text(client.post(link, code).content)


@pytest.mark.parametrize(
    "evil",
    [
        "//evil.example",
        "/\\evil.example",
        "/%2fevil.example",
        "https:evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "/\tevil",
        "/ok\n//evil.example",
        "/%5Cevil.example",
        "\\\\evil.example",
        "//evil.example/%2f..",
        "/%0d%0aLocation:x",
        "\u2215evil",
        "evil",
        "/" + "x" * 2000,
    ],
)
def test_an_address_of_another_site_is_never_followed(world: World, evil: str) -> None:
    assert safe_next(evil) == "/"


@pytest.mark.parametrize(
    "good", ["/", "/security/", "/admin/users/?q=a%20b&state=enabled", "/methods/add/phone/?slot=office"]
)
def test_a_page_of_ours_is_followed(world: World, good: str) -> None:
    assert safe_next(good) == good


def test_signing_out_needs_a_post_and_ends_the_session(client: Client, world: World) -> None:
    opened = sign_in(client, world.alice)
    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/")["Location"] == "/sign-in/"
    opened.session.refresh_from_db()
    assert opened.session.ended_at is not None
    assert client.get("/")["Location"].startswith("/sign-in/")


def test_a_session_gets_a_new_token_at_every_sign_in_and_an_old_cookie_opens_nothing(
    client: Client, world: World, telephone: Telephone
) -> None:
    client.cookies["watchword-session"] = "planted"
    at_code(client, world)
    client.post("/sign-in/prove/", {"answer": telephone.code})
    assert client.cookies["watchword-session"].value != "planted"
    assert client.cookies["watchword-session"]["httponly"]
    assert client.cookies["watchword-session"]["samesite"] == "Lax"


def test_enr_07_forms_need_a_token_against_forgery(world: World) -> None:
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post("/sign-in/", {"name": "alice@harbour.example"})
    assert answer.status_code == 403
    assert "This form could not be sent" in text(answer.content)


def test_hostile_names_are_shown_as_text(client: Client, world: World) -> None:
    User.objects.filter(pk=world.carol.pk).update(display_name="<script>alert(1)</script>")
    sign_in(client, User.objects.get(pk=world.carol.pk))
    assert b"<script>alert" not in client.get("/").content


def test_the_policy_of_the_pages_allows_no_foreign_or_inline_code(client: Client, world: World) -> None:
    page = client.get("/sign-in/")
    policy = page["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert not re.search(r"<script(?![^>]*src=)|style=|onclick=", page.content.decode())


@pytest.mark.parametrize("typed", ["alice", "Alice Ahlberg <alice@harbour.example>;"])
def test_a_name_is_read_as_people_paste_it(client: Client, world: World, settings: LazySettings, typed: str) -> None:
    settings.WATCHWORD_DEFAULT_DOMAIN = "harbour.example"
    assert client.post("/sign-in/", {"name": typed, "next": ""}).status_code == 302
    answer = client.post("/sign-in/password/", {"answer": world.passwords["alice"]})
    assert answer["Location"] == "/sign-in/prove/"


def test_a_name_without_domain_is_refused_where_there_is_no_default(client: Client, world: World) -> None:
    answer = client.post("/sign-in/", {"name": "alice", "next": ""})
    assert answer.status_code == 200
    assert "There is a problem" in answer.content.decode()
