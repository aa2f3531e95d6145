"""A sign-in page loads its decision once, and a request stays within its number of queries."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.doors.web.test_code_on_its_way import let_pass
from tests.telephone import Telephone, carry
from tests.world import ORIGIN, World
from watchword.signin import facts, throttling

PASSWORD, PROVE = "/sign-in/password/", "/sign-in/prove/"
TURNS, NOTIFY = (2, 1) if connection.vendor == "postgresql" else (0, 0)
"""PostgreSQL runs transactions in parallel, so sending takes advisory locks for the number and the organisation; and a
message that is handed over wakes the workers of all nodes by NOTIFY."""


@dataclass
class Asked:
    """The number of times a request loaded the facts of a decision, and the number of its SQL statements."""

    decisions: int = 0
    queries: int = 0


@pytest.fixture
def asks(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Return a context manager that counts; statements of a dispatcher outside it are not counted."""
    real, counted = facts.attempt_facts, Asked()

    def counting(*arguments: Any, **named: Any) -> Any:
        counted.decisions += 1
        return real(*arguments, **named)

    users = [module for module in list(sys.modules.values()) if getattr(module, "attempt_facts", None) is real]
    for module in users:
        monkeypatch.setattr(module, "attempt_facts", counting)

    @contextmanager
    def within() -> Iterator[Asked]:
        counted.decisions = 0
        with CaptureQueriesContext(connection) as captured:
            yield counted
        said = [query["sql"] for query in captured.captured_queries]
        counted.queries = sum(not sql.startswith(("SAVEPOINT", "RELEASE")) for sql in said)

    return within


def test_a_page_that_is_looked_at_decides_once(client: Client, world: World, asks: Callable[[], Any]) -> None:
    client.post("/sign-in/", {"name": world.alice.sign_in_name})
    with asks() as asked:
        assert client.get(PASSWORD).status_code == 200
    assert asked.decisions == 1
    assert asked.queries <= 4
    client.post(PASSWORD, {"answer": world.passwords["alice"]})
    with asks() as asked:
        assert client.get(PROVE).status_code == 200
    assert asked.decisions == 1
    assert asked.queries <= 5
    with asks() as asked:
        assert client.get(PASSWORD)["Location"] == PROVE
    assert asked.decisions == 1
    assert asked.queries <= 5
    throttling.lock(world.alice, origin=ORIGIN, now=world.now)
    with asks() as asked:
        assert b"locked" in client.get(PROVE).content
    assert asked.decisions == 1
    assert asked.queries <= 5


def test_the_page_that_waits_for_a_code_decides_nothing(client: Client, world: World, asks: Callable[[], Any]) -> None:
    client.post("/sign-in/", {"name": world.alice.sign_in_name})
    client.post(PASSWORD, {"answer": world.passwords["alice"]})
    with asks() as asked:
        assert client.get("/sign-in/state/").status_code == 200
    assert asked.decisions == 0
    assert asked.queries <= 2


def test_the_right_password_is_decided_on_once_and_its_code_once(
    client: Client, world: World, asks: Callable[[], Any]
) -> None:
    """The decisions: one for the page; under the lock one for the answer, and one for the code that is sent at once."""
    client.post("/sign-in/", {"name": world.alice.sign_in_name})
    with asks() as asked:
        assert client.post(PASSWORD, {"answer": world.passwords["alice"]})["Location"] == PROVE
    assert asked.decisions == 3
    assert asked.queries <= 40 + TURNS + NOTIFY


def test_an_answered_code_is_decided_on_under_the_lock_and_its_page_drawn_from_what_follows(
    client: Client, world: World, asks: Callable[[], Any]
) -> None:
    telephone = Telephone()
    client.post("/sign-in/", {"name": world.alice.sign_in_name})
    client.post(PASSWORD, {"answer": world.passwords["alice"]})
    carry(telephone.take, telephone.name)
    with asks() as asked:
        assert client.post(PROVE, {"answer": telephone.wrong_code()}).status_code == 200
    assert asked.decisions == 3
    assert asked.queries <= 29
    let_pass(60)
    with asks() as asked:
        client.post("/sign-in/send/", {"method": str(world.alices_phone.id), "channel": "voice"})
    assert asked.decisions == 1
    assert asked.queries <= 20 + TURNS + NOTIFY
    carry(telephone.take, telephone.name)
    with asks() as asked:
        assert client.post(PROVE, {"answer": telephone.code}).status_code == 302
    assert asked.decisions == 3
    assert asked.queries <= 30


def test_a_name_of_nobody_costs_the_same_queries_as_alices(
    client: Client, world: World, asks: Callable[[], Any]
) -> None:
    seen = []
    for name in (world.alice.sign_in_name, "nobody@harbour.example"):
        browser = Client()
        browser.post("/sign-in/", {"name": name})
        with asks() as asked:
            browser.get(PASSWORD)
        looked = (asked.decisions, asked.queries)
        with asks() as asked:
            browser.post(PASSWORD, {"answer": "not it"})
        seen.append((looked, (asked.decisions, asked.queries)))
    assert seen[0] == seen[1]
