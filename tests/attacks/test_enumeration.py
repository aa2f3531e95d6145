"""Enumeration: words, headers, queries and slow hashes don't tell an attacker which accounts exist, or their state."""

from __future__ import annotations

import re
from typing import Any

import argon2
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.attacks.addresses import every_address
from tests.pages import text
from tests.telephone import Telephone
from tests.world import World, give_app_password, give_password, give_phone, make_person, sign_in
from watchword.core.policy import MfaState
from watchword.directory.models import User
from watchword.directory.roles import Role
from watchword.factors.password import factor as password_factor
from watchword.signin.models import SignInAttempt

WRONG = "certainly a wrong one"
ANSWER = re.compile(r'name="csrfmiddlewaretoken" value="[^"]*"')


@pytest.fixture
def everybody(world: World) -> list[str]:
    """Return one name for each kind of account; the first name has no account."""
    kinds: dict[str, dict[str, Any]] = {
        "blocked": {"blocked_at": world.now},
        "deleted": {"deleted_at": world.now},
        "locked": {},
    }
    for name, fields in kinds.items():
        user = make_person(world.organisation, name, state=MfaState.ENFORCED)
        give_password(user, f"the password of {name}")
        give_phone(user, "+4915199999999")
        give_app_password(user)
        User.objects.filter(pk=user.pk).update(**fields)
    make_person(world.organisation, "passwordless")
    give_password(make_person(world.organisation, "helper", roles=(Role.HELPDESK_ADMINISTRATOR,)), "the helper's own")
    names = ["nobody", "alice", "bob", "carol", "root", "blocked", "deleted", "locked", "passwordless", "helper"]
    return [f"{name}@harbour.example" for name in names] + ["someone@elsewhere.example"]


def seen(answer: Any, name: str) -> tuple[object, ...]:
    """Return all that a response shows, without its random parts and without the name that was typed."""
    body = ANSWER.sub("", answer.content.decode()).replace(name, "…")
    headers = {key: value for key, value in answer.headers.items() if key not in {"Content-Length", "Expires"}}
    cookies = {
        key: (len(cookie.value), cookie["max-age"], cookie["httponly"], cookie["samesite"], cookie["path"])
        for key, cookie in answer.cookies.items()
    }
    return answer.status_code, body, tuple(headers.items()), tuple(cookies.items())


def shape_of(queries: CaptureQueriesContext) -> list[str]:
    """Return which tables were read and written, in order, without the statements that begin and end transactions."""
    kinds = (
        re.match(r"(?:\d+ times: )?(SELECT|INSERT|UPDATE|DELETE)", query["sql"]) for query in queries.captured_queries
    )
    return [found[1] for found in kinds if found is not None]


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record every call of the slow hash, one entry each."""
    asked: list[str] = []
    real = argon2.PasswordHasher.verify

    def verify(self: argon2.PasswordHasher, stored: str | bytes, typed: str | bytes) -> Any:
        asked.append("verify")
        return real(self, stored, typed)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", verify)
    password_factor._dummy_hash()
    return asked


def test_enu_01_every_page_of_a_refused_sign_in_is_the_same_for_everybody(
    world: World, everybody: list[str], telephone: Telephone
) -> None:
    """Refused sign-ins for unknown, blocked, deleted, administrator or passwordless names get identical responses."""
    shown: dict[str, list[tuple[object, ...]]] = {}
    for name in everybody:
        client = Client(REMOTE_ADDR="198.51.100.9")
        steps: list[tuple[str, dict[str, str] | None]] = [
            ("/sign-in/", None),
            ("/sign-in/", {"name": name}),
            ("/sign-in/password/", None),
            ("/sign-in/password/", {"answer": ""}),
            ("/sign-in/password/", {"answer": WRONG}),
            ("/sign-in/password/", {"answer": "x" * 5_000}),
            ("/sign-in/prove/", None),
            ("/sign-in/prove/", {"answer": "123456"}),
            ("/sign-in/send/", {"method": str(world.alices_phone.id), "channel": "sms"}),
            ("/sign-in/register/", None),
            ("/methods/add/phone/", None),
        ]
        shown[name] = [
            seen(client.get(address) if data is None else client.post(address, data), name) for address, data in steps
        ]
    for name in everybody[1:]:
        for number, (one, other) in enumerate(zip(shown[everybody[0]], shown[name], strict=True)):
            assert one == other, (name, number)
    assert telephone.received == []


def test_enu_01_a_right_password_of_a_person_who_may_not_come_in_tells_nothing(
    world: World, everybody: list[str]
) -> None:
    """The right password of a blocked or deleted person is answered as a wrong one."""
    reference = None
    for name, password in (
        ("nobody", WRONG),
        ("blocked", "the password of blocked"),
        ("deleted", "the password of deleted"),
    ):
        client = Client(REMOTE_ADDR="198.51.100.9")
        typed = f"{name}@harbour.example"
        client.post("/sign-in/", {"name": typed})
        page = seen(client.post("/sign-in/password/", {"answer": password}), typed)
        reference = reference or page
        assert page == reference


def test_enu_02_a_refused_password_costs_one_slow_hash_whoever_was_named(
    world: World, everybody: list[str], hashes: list[str]
) -> None:
    """Each refused password costs exactly one Argon2 check with today's parameters, so that timing tells nothing."""
    for name in everybody:
        client = Client()
        client.post("/sign-in/", {"name": name})
        assert hashes == [], name
        client.post("/sign-in/password/", {"answer": WRONG})
        assert hashes == ["verify"], name
        hashes.clear()
    assert argon2.extract_parameters(password_factor._dummy_hash()) == argon2.extract_parameters(
        password_factor._hasher().hash("x")
    )


def test_enu_02_beginning_costs_the_same_queries_whoever_was_named(world: World, everybody: list[str]) -> None:
    """Submitting a name costs the same queries for an unknown name as for an existing account."""
    shapes = {}
    for name in everybody:
        client = Client()
        with CaptureQueriesContext(connection) as queries:
            client.post("/sign-in/", {"name": name})
        shapes[name] = shape_of(queries)
    assert len({tuple(shape) for shape in shapes.values()}) == 1, shapes


def test_enu_02_a_refused_password_costs_the_same_queries_whoever_was_named(world: World, everybody: list[str]) -> None:
    """A wrong password costs the same queries in the same order for an unknown name as for an existing account."""
    shapes = {}
    for number, name in enumerate(everybody):
        client = Client(REMOTE_ADDR=f"198.51.100.{number + 1}")
        client.post("/sign-in/", {"name": name})
        with CaptureQueriesContext(connection) as queries:
            client.post("/sign-in/password/", {"answer": WRONG})
        shapes[name] = shape_of(queries)
    assert len({tuple(shape) for shape in shapes.values()}) == 1, {name: len(shape) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("address", "data"),
    [
        ("/sign-in/prove/", None),
        ("/sign-in/prove/", {"answer": "123456"}),
        ("/sign-in/send/", {"method": "x", "channel": "sms"}),
        ("/sign-in/register/", None),
        ("/sign-in/state/", None),
        ("/sign-in/state/?adding", None),
        ("/methods/add/phone/", None),
        ("/methods/add/phone/code/", None),
        ("/methods/add/phone/code/", {"answer": "123456"}),
    ],
)
def test_enu_02_a_page_out_of_order_costs_the_same_queries_whoever_was_named(
    world: World, everybody: list[str], address: str, data: dict[str, str] | None
) -> None:
    """An attacker who skips the password learns nothing from the timing of later pages: the queries are the same."""
    shapes = {}
    for name in everybody:
        client = Client()
        client.post("/sign-in/", {"name": name})
        with CaptureQueriesContext(connection) as queries:
            client.get(address) if data is None else client.post(address, data)
        shapes[name] = shape_of(queries)
    assert len({tuple(shape) for shape in shapes.values()}) == 1, {name: len(shape) for name, shape in shapes.items()}


def test_enu_03_there_is_no_page_that_sends_something_to_whoever_is_named(world: World) -> None:
    """Not applicable: only administrators reset passwords, so no recovery page can tell which accounts exist.

    An invitation is found by its token: the responses for wrong, used and foreign tokens are alike.
    """
    words = ("forgot", "recover", "reset", "resend", "lost")
    open_to_all = [address for address in every_address(world) if not getattr(address.view, "login_required", True)]
    assert open_to_all
    assert not [address for address in open_to_all if any(word in address.route for word in words)]
    pages = {
        seen(Client().post("/invitation/", {"code": token}), "no name")[:2]
        for token in ("x" * 24, "alice", str(world.alice.pk), "0")
    }
    assert len(pages) == 1
    assert Client().post("/invitation/", {"code": "alice"}).status_code == 410


def test_enu_04_administrators_are_answered_as_everybody_else(world: World) -> None:
    """Not applicable to recovery, which doesn't exist; the sign-in of an administrator looks like any other."""
    pages = []
    for name in ("root", "carol", "nobody"):
        client = Client(REMOTE_ADDR="198.51.100.9")
        typed = f"{name}@harbour.example"
        begun = seen(client.post("/sign-in/", {"name": typed}), typed)
        pages.append((begun, seen(client.post("/sign-in/password/", {"answer": WRONG}), typed)))
    assert pages[0] == pages[1] == pages[2]


def test_enu_05_no_digit_of_a_number_is_shown_before_the_right_password(world: World, telephone: Telephone) -> None:
    """The last digits of a number, channels and methods appear only on the code page, after the right password."""
    client = Client()
    pages = [client.post("/sign-in/", {"name": "alice@harbour.example"}), client.get("/sign-in/password/")]
    pages.append(client.post("/sign-in/password/", {"answer": WRONG}))
    pages.append(client.get("/sign-in/prove/"))
    for page in pages:
        assert "ending" not in text(page.content)
        assert str(world.alices_phone.id) not in page.content.decode()
    client.post("/sign-in/password/", {"answer": world.passwords["alice"]})
    assert "number ending 78" in text(client.get("/sign-in/prove/").content)


def test_enu_05_with_a_wrong_password_a_locked_person_looks_like_nobody(world: World, telephone: Telephone) -> None:
    """A locked second proof is shown only after the right password; with a wrong one the page doesn't reveal it."""
    owner = Client()
    owner.post("/sign-in/", {"name": "alice@harbour.example"})
    owner.post("/sign-in/password/", {"answer": world.passwords["alice"]})
    for _try in range(10):
        owner.post("/sign-in/prove/", {"answer": telephone.wrong_code()})
    closed = owner.get("/sign-in/prove/")
    assert "Too many codes were wrong" in text(closed.content)
    pages = []
    for name in ("alice", "nobody"):
        client = Client(REMOTE_ADDR="198.51.100.9")
        typed = f"{name}@harbour.example"
        client.post("/sign-in/", {"name": typed})
        pages.append(seen(client.post("/sign-in/password/", {"answer": WRONG}), typed))
    assert pages[0] == pages[1]


def test_enu_09_waiting_after_wrong_passwords_is_told_for_nobody_as_for_a_person(world: World) -> None:
    """The wait after too many wrong passwords begins after as many tries for an unknown name as for an existing one."""
    tries = {}
    for number, name in enumerate(("alice", "nobody", "root")):
        client = Client(REMOTE_ADDR=f"203.0.113.{number + 1}")
        for turn in range(1, 15):
            client.post("/sign-in/", {"name": f"{name}@harbour.example"})
            page = client.post("/sign-in/password/", {"answer": f"{WRONG} {turn}"})
            if "Too many passwords were wrong" in text(page.content):
                tries[name] = turn
                break
    assert len(tries) == 3
    assert len(set(tries.values())) == 1, tries


def test_enu_10_nobody_without_a_role_can_look_people_up(world: World) -> None:
    """A person without a role finds no address that shows other people."""
    client = Client()
    sign_in(client, world.carol)
    for address in every_address():
        page = client.get(address.path, {"q": "alice", "person": str(world.alice.pk)})
        if page.status_code == 200 and page.get("Content-Type", "").startswith("text/html"):
            assert "alice@harbour.example" not in page.content.decode(), address
    assert not SignInAttempt.objects.filter(user=world.alice).exists()
