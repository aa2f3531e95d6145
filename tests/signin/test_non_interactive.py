"""Doors without dialogue: the table of DESIGN section 3, and the sign-ins that must never be allowed."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import DjangoAssertNumQueries

from tests.keys import rotated
from tests.world import World, give_app_password, give_password, give_phone
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.decision import DenyReason
from watchword.core.policy import Door, FactorKind, MfaState
from watchword.directory.models import SignInName, User
from watchword.factors import vault
from watchword.signin import actions, non_interactive, queries
from watchword.signin.non_interactive import NO, AuthRequest, AuthResult, Mailbox, Secret, Unavailable


def ask(
    world: World, name: str, secret: str, *, later: timedelta = timedelta(0), address: str = "198.51.100.9"
) -> AuthResult:
    question = AuthRequest(Door.MAIL, name, Secret(secret), "imap", address)
    now = world.now + later
    if non_interactive.is_shaped_like_app_password(question):
        return non_interactive.check_many([question], now=now)[0]
    return non_interactive.check_account_password(question, now=now)


def last_reason() -> str:
    event = Event.objects.order_by("-id").first()
    assert event is not None
    return event.reason


def test_an_app_password_opens_mail_for_the_enforced(world: World) -> None:
    assert ask(world, "alice@harbour.example", world.alices_app_password).mailbox == "alice@harbour.example"


@pytest.mark.parametrize(
    "spelling", [str.upper, lambda text: text.replace(" ", ""), lambda text: text.replace(" ", "-")]
)
def test_app_17_case_blanks_and_hyphens_do_not_matter(world: World, spelling: type[str]) -> None:
    assert ask(world, "Alice@Harbour.EXAMPLE", spelling(world.alices_app_password)).allowed


def test_an_alias_opens_the_same_mailbox(world: World) -> None:
    SignInName.objects.create(user=world.alice, name="al@harbour.example", key="al@harbour.example", is_alias=True)
    assert ask(world, "al@harbour.example", world.alices_app_password).mailbox == "alice@harbour.example"
    assert non_interactive.find_mailbox("AL@harbour.example") == "alice@harbour.example"


def test_app_02_the_account_password_does_not_open_mail_for_the_enforced(world: World) -> None:
    assert ask(world, "alice@harbour.example", world.passwords["alice"]) == NO
    assert last_reason() == DenyReason.APP_PASSWORD_NEEDED


@pytest.mark.parametrize("name", ["bob", "carol"])
def test_the_account_password_opens_mail_for_the_others(world: World, name: str) -> None:
    assert ask(world, f"{name}@harbour.example", world.passwords[name]).allowed


def test_app_03_an_organisation_can_close_mail_to_the_account_passwords_of_the_enabled(world: World) -> None:
    world.organisation.account_password_in_mail_while_enabled = False
    world.organisation.save()
    assert ask(world, "bob@harbour.example", world.passwords["bob"]) == NO
    assert ask(world, "carol@harbour.example", world.passwords["carol"]).allowed


@pytest.mark.breaks_invariants
@pytest.mark.parametrize("state", [MfaState.DISABLED, MfaState.ENABLED])
def test_an_app_password_made_earlier_is_refused_where_the_state_is_not_enforced(world: World, state: MfaState) -> None:
    User.objects.filter(pk=world.alice.pk).update(mfa_state=state)
    assert ask(world, "alice@harbour.example", world.alices_app_password) == NO


def test_another_persons_app_password_is_refused_and_logged_on_the_name_that_was_tried(world: World) -> None:
    assert ask(world, "bob@harbour.example", world.alices_app_password) == NO
    event = Event.objects.order_by("-id").first()
    assert event is not None
    assert event.subject_id == world.bob.pk
    assert "app_password" not in event.details


def test_a_revoked_app_password_is_refused_and_recognised(world: World) -> None:
    stored = queries.app_passwords_of(world.alice)[0]
    vault.revoke(world.alice, stored.id, because="test", now=world.now)
    assert ask(world, "alice@harbour.example", world.alices_app_password) == NO
    event = Event.objects.order_by("-id").first()
    assert event is not None
    assert (event.reason, event.details["app_password"]) == (DenyReason.APP_PASSWORD_REVOKED, "Laptop")


def test_a_suspended_app_password_is_refused_even_when_enforced_again(world: World) -> None:
    vault.suspend_all(world.alice, FactorKind.APP_PASSWORD, now=world.now)
    assert ask(world, "alice@harbour.example", world.alices_app_password) == NO
    assert last_reason() == DenyReason.APP_PASSWORD_SUSPENDED


@pytest.mark.breaks_invariants
@pytest.mark.parametrize("column", ["blocked_at", "deleted_at"])
def test_app_04_blocked_and_deleted_people_are_refused(world: World, column: str) -> None:
    User.objects.update(**{column: world.now})
    assert ask(world, "alice@harbour.example", world.alices_app_password) == NO
    assert ask(world, "carol@harbour.example", world.passwords["carol"]) == NO


def test_an_initial_password_does_not_open_mail(world: World) -> None:
    give_password(world.carol, "an initial passphrase", initial=True)
    assert ask(world, "carol@harbour.example", "an initial passphrase") == NO


def test_app_16_what_is_shaped_like_an_app_password_never_reaches_the_slow_hash(world: World) -> None:
    question = AuthRequest(Door.MAIL, "carol@harbour.example", Secret("a" * 24))
    assert non_interactive.is_shaped_like_app_password(question)
    assert non_interactive.check_many([question], now=world.now) == [NO]


@pytest.mark.parametrize(
    "name",
    ["", "no name", "alice", "\0@harbour.example", "x" * 70_000, "\ud800@harbour.example", "nobody@harbour.example"],
)
@pytest.mark.parametrize("secret", ["a" * 24, "wrong", "\0", "y" * 70_000, "\ud800"])
def test_log_01_hostile_names_and_secrets_are_refused_and_logged(world: World, name: str, secret: str) -> None:
    assert ask(world, name, secret) == NO
    assert Event.objects.filter(kind=EventKind.SIGN_IN_DENIED).count() == 1


def test_each_question_of_a_new_kind_leaves_exactly_one_row(world: World) -> None:
    for secret in (world.alices_app_password, "a" * 24, world.passwords["alice"], "wrong"):
        before = Event.objects.count()
        ask(world, "alice@harbour.example", secret)
        assert Event.objects.count() == before + 1


def test_app_20_last_use_is_written_with_service_and_address(world: World) -> None:
    ask(world, "alice@harbour.example", world.alices_app_password, later=timedelta(hours=1))
    row = queries.app_passwords_of(world.alice)[0]
    assert row.last_used_at == world.now + timedelta(hours=1)
    assert (row.last_used_service, row.last_used_address) == ("imap", "198.51.100.9")


def test_a_mixed_batch_is_answered_in_order(world: World) -> None:
    right = AuthRequest(Door.MAIL, "alice@harbour.example", Secret(world.alices_app_password), "imap", "198.51.100.9")
    wrong = AuthRequest(Door.MAIL, "alice@harbour.example", Secret("b" * 24), "imap", "198.51.100.9")
    answers = non_interactive.check_many([right, wrong, wrong, right], now=world.now)
    assert [answer.allowed for answer in answers] == [True, False, False, True]


def test_app_16_the_number_of_queries_does_not_grow_with_app_passwords_or_questions(
    world: World, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(39):
        give_app_password(world.alice, f"Device {number}")
    wrong = [AuthRequest(Door.MAIL, "alice@harbour.example", Secret(letter * 24)) for letter in "abcdefghij"]
    with django_assert_max_num_queries(7):
        non_interactive.check_many(wrong, now=world.now)


def test_old_keys_of_the_ring_still_find_app_passwords(world: World, settings: Any) -> None:
    new_ring = rotated(vault.key_ring())
    settings.WATCHWORD_KEY_RING = new_ring
    assert ask(world, "alice@harbour.example", world.alices_app_password).allowed


def test_a_locked_database_means_try_later_and_tells_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_arguments: object) -> None:
        raise OperationalError("database is locked: secret parameters")

    monkeypatch.setattr(vault, "find_by_lookups", locked)
    with pytest.raises(Unavailable) as caught:
        ask(world, "alice@harbour.example", world.alices_app_password)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_account_password_is_hashed_for_nobody_as_for_a_person(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from argon2 import PasswordHasher

    hashed: list[str] = []
    genuine = PasswordHasher.verify

    def counting(self: PasswordHasher, stored: str, password: bytes) -> bool:
        hashed.append(stored)
        return genuine(self, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", counting)
    for name in ("carol@harbour.example", "nobody@harbour.example", "not even a name"):
        ask(world, name, "wrong")
    assert len(hashed) == 3


def test_a_secret_hides_itself() -> None:
    question = AuthRequest(Door.MAIL, "alice@harbour.example", Secret("hidden"), "imap", "")
    assert "hidden" not in repr(question)
    assert "hidden" not in str(question.secret)


def test_all_mailboxes_are_found_in_portions_without_deleted_people(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(non_interactive, "BATCH_SIZE", 2)
    actions.block(world.bob, by=world.root, now=world.now)
    actions.delete(world.carol, by=world.root, now=world.now)
    found: list[Mailbox] = []
    while batch := non_interactive.find_mailboxes(found[-1].id if found else None):
        assert len(batch) <= 2
        found += batch
    assert sorted(mailbox.name for mailbox in found) == [
        "alice@harbour.example",
        "bob@harbour.example",
        "root@harbour.example",
    ]


def queries_of(world: World, name: str, secret: str, address: str) -> list[str]:
    """Return the SQL statements of a refused sign-in from an address, without their values."""
    with CaptureQueriesContext(connection) as captured:
        assert ask(world, f"{name}@harbour.example", secret, address=address) == NO
    asked = [re.split(" (?:WHERE|VALUES|SET) ", query["sql"])[0] for query in captured.captured_queries]
    return [sql for sql in asked if not sql.startswith(("SAVEPOINT", "RELEASE"))]


def test_enu_06_a_refusal_asks_the_same_of_the_database_whoever_is_named(world: World) -> None:
    actions.block(world.bob, by=world.root, now=world.now)
    actions.delete(world.carol, by=world.root, now=world.now)
    of_no_user = [queries_of(world, "nobody", f"wrong {number}", f"192.0.2.{number}") for number in (1, 2)]
    assert all(of_no_user)
    refusals = [
        ("alice", "wrong"),
        ("bob", "wrong"),
        ("bob", world.passwords["bob"]),
        ("carol", "wrong"),
        ("carol", world.passwords["carol"]),
    ]
    tried: list[str] = []
    for number, (name, secret) in enumerate(refusals):
        # At the second refusal a name has a row already, whether it exists or not.
        expected = of_no_user[name in tried]
        assert queries_of(world, name, secret, f"192.0.2.{number + 3}") == expected, (name, number)
        tried.append(name)


@pytest.mark.parametrize("act", [actions.block, actions.delete])
def test_enu_01_the_right_password_of_a_person_blocked_or_deleted_counts_like_a_wrong_one(
    world: World, act: Callable[..., bool]
) -> None:
    """Otherwise the missing wait would tell an attacker that the password was right; the web door counts it as well."""
    act(world.carol, by=world.root, now=world.now)
    most = world.organisation.policy.limits.burst_failures
    for number in range(most - 1):
        assert ask(world, "carol@harbour.example", f"wrong {number}") == NO
    assert ask(world, "carol@harbour.example", world.passwords["carol"]) == NO
    assert last_reason() == (DenyReason.BLOCKED if act is actions.block else DenyReason.DELETED)
    assert ask(world, "carol@harbour.example", "one more") == NO
    assert last_reason() == DenyReason.PASSWORD_WAITS


def test_the_right_password_of_the_enforced_is_not_counted(world: World) -> None:
    for _ in range(world.organisation.policy.limits.burst_failures + 1):
        assert ask(world, "alice@harbour.example", world.passwords["alice"]) == NO
        assert last_reason() == DenyReason.APP_PASSWORD_NEEDED


def test_the_account_password_opens_no_mail_for_a_person_enabled_who_has_a_phone(world: World) -> None:
    give_phone(world.bob, "+4915187654321")
    assert ask(world, "bob@harbour.example", world.passwords["bob"]) == NO
    assert last_reason() == DenyReason.ACCOUNT_PASSWORD_CLOSED
