"""When the database fails, no person is let in, no act is left half done, and the page says what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.db.backends.utils import CursorWrapper
from django.test import Client

from tests.pages import text
from tests.telephone import Telephone
from tests.world import World
from watchword.core.policy import Door
from watchword.signin import non_interactive
from watchword.signin.models import CodeChallenge, Session
from watchword.signin.non_interactive import AuthRequest, Secret, Unavailable

TABLES = ("signin_session", "audit_event", "signin_knownbrowser")
SECRET = "row of alice with a secret"


@contextmanager
def refusing(table: str) -> Iterator[None]:
    """Let every INSERT into one table fail, as with a broken disk or a wrong migration."""

    def refuse(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if sql.startswith((f'INSERT INTO "{table}"', f"INSERT INTO {table} ")):
            raise OperationalError(SECRET)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        yield


def at_the_code(client: Client, world: World) -> None:
    client.post("/sign-in/", {"name": "alice@harbour.example"})
    client.post("/sign-in/password/", {"answer": world.passwords["alice"]})


@pytest.mark.parametrize("table", TABLES)
def test_flt_15_an_insert_that_fails_lets_nobody_in_and_spends_nothing(
    world: World, telephone: Telephone, table: str
) -> None:
    """Whichever row of a sign-in can't be written: 503, no session, and the code is still unspent."""
    client = Client(raise_request_exception=False)
    at_the_code(client, world)
    with refusing(table):
        answer = client.post("/sign-in/prove/", {"answer": telephone.code})
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) <= 5
    assert SECRET not in answer.content.decode()
    assert "watchword-session" not in {name for name, cookie in answer.cookies.items() if cookie.value}
    assert not Session.objects.exists()
    assert CodeChallenge.objects.get().spent_at is None
    again = client.post("/sign-in/prove/", {"answer": telephone.code})
    assert again.status_code == 302
    assert Session.objects.count() == 1


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_flt_05_a_database_that_does_not_answer_is_said_in_plain_words(
    world: World, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """With a locked or missing database every page is 503 with Retry-After, mail logins defer, and none is accepted."""

    def fail(*_arguments: object, **_named: object) -> None:
        raise error(SECRET)

    client = Client(raise_request_exception=False)
    client.cookies["watchword-session"] = "x" * 43
    with monkeypatch.context() as patch:
        patch.setattr(CursorWrapper, "execute", fail)
        for address in ("/", "/security/", "/admin/users/"):
            answer = client.get(address)
            assert answer.status_code == 503, address
            assert "try again" in text(answer.content).lower()
            assert SECRET not in answer.content.decode()
            assert answer["Content-Security-Policy"]
        question = AuthRequest(
            Door.MAIL, "alice@harbour.example", Secret(world.alices_app_password), "imap", "198.51.100.7"
        )
        with pytest.raises(Unavailable):
            non_interactive.check_many([question], now=world.now)
        with pytest.raises(Unavailable):
            non_interactive.check_account_password(question, now=world.now)


def test_an_app_password_whose_row_cannot_be_logged_is_not_let_in(world: World) -> None:
    question = AuthRequest(
        Door.MAIL, "alice@harbour.example", Secret(world.alices_app_password), "imap", "198.51.100.7"
    )
    with refusing("audit_event"), pytest.raises(Unavailable):
        non_interactive.check_many([question], now=world.now)
