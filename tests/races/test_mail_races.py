"""A mail program's sign-in races with an act that ends its access, each on its own connection."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import pytest
from argon2 import PasswordHasher
from django.db import connections
from django.utils import timezone

from tests.world import World, make_world
from watchword.audit.models import Event
from watchword.core.decision import DenyReason
from watchword.core.policy import Door
from watchword.factors.password import factor as password_factor
from watchword.signin import actions, non_interactive
from watchword.signin.non_interactive import NO, AuthRequest, AuthResult, Secret

pytestmark = pytest.mark.django_db(transaction=True)

BOUND_SECONDS = 60
CAROL = "carol@harbour.example"


@pytest.fixture
def world(transactional_db: None) -> World:
    """Return the people of the tests, committed so that other connections see them."""
    return make_world()


class Delayed(PasswordHasher):
    """Argon2 that blocks after it has found a password right, until the test releases it."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.has_hashed, self.advance = threading.Event(), threading.Event()

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002  (the library's name)
        is_right = super().verify(hash, password)
        self.has_hashed.set()
        assert self.advance.wait(BOUND_SECONDS)
        return is_right


def check(secret: str) -> AuthResult:
    try:
        question = AuthRequest(Door.MAIL, CAROL, Secret(secret), "imap", "198.51.100.9")
        return non_interactive.check_account_password(question, now=timezone.now())
    finally:
        connections.close_all()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(actions.reset_password, DenyReason.WRONG_PROOF, id="replaced"),
        pytest.param(actions.block, DenyReason.BLOCKED, id="blocked"),
    ],
)
def test_a_change_made_while_a_password_was_hashed_keeps_its_owner_out_of_mail(
    world: World, monkeypatch: pytest.MonkeyPatch, change: Callable[..., object], reason: DenyReason
) -> None:
    delayed = Delayed()
    monkeypatch.setattr(password_factor, "_hasher", lambda: delayed)
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(check, world.passwords["carol"])
        assert delayed.has_hashed.wait(BOUND_SECONDS)
        change(world.carol, by=world.root, now=timezone.now())
        delayed.advance.set()
        assert answer.result(BOUND_SECONDS) == NO
    assert Event.objects.filter(kind="sign_in.denied").values_list("reason", flat=True).get() == reason
