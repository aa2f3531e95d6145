"""Submission sessions: which sender addresses a signed-in person may use, and how long the session may go on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import OperationalError, connection
from pytest_django.fixtures import DjangoAssertNumQueries

from tests.world import ORIGIN, World, evidence_for, give_app_password, give_password
from watchword.core.policy import Door, FactorKind, MfaState
from watchword.core.restrictions import Program, Restrictions
from watchword.directory.send_as import give_send_as
from watchword.factors import vault
from watchword.signin import actions, app_passwords, non_interactive, service_settings, sessions
from watchword.signin.mail_submission import OVERLAP, SubmissionLogin, may_go_on, names_that_may_send_as
from watchword.signin.models import Session
from watchword.signin.non_interactive import AuthRequest, Secret, Unavailable

pytestmark = pytest.mark.django_db

ALICE, CAROL = "alice@harbour.example", "carol@harbour.example"


def sign_in(name: str, secret: str, at: datetime) -> SubmissionLogin:
    """Sign in as a mail program does, and return the sign-in as the mail door stores it."""
    question = AuthRequest(Door.MAIL, name, Secret(secret), "smtp", "192.0.2.1")
    if non_interactive.is_shaped_like_app_password(question):
        [answer] = non_interactive.check_many([question], now=at)
    else:
        answer = non_interactive.check_account_password(question, now=at)
    assert answer.allowed
    assert answer.credential_id is not None
    return SubmissionLogin(answer.mailbox, answer.credential_id, at, "smtp", "192.0.2.1")


def request_session(world: World) -> Session:
    proofs = evidence_for(FactorKind.PASSWORD, FactorKind.PHONE, at=world.now)
    return sessions.open_session(world.alice, proofs, origin=ORIGIN, now=world.now).session


def laptop(world: World) -> vault.StoredCredential:
    return next(one for one in vault.holdings(world.alice) if one.data.label == "Laptop")


type End = Callable[[World, datetime], object]

ENDS: dict[str, End] = {
    "blocked": lambda world, now: actions.block(world.alice, by=world.root, now=now),
    "deleted": lambda world, now: actions.delete(world.alice, by=world.root, now=now),
    "signed out everywhere": lambda world, now: actions.sign_out_everywhere(world.alice, by=world.root, now=now),
    "password reset": lambda world, now: actions.reset_password(world.alice, by=world.root, now=now),
    "app passwords deleted": lambda world, now: actions.delete_app_passwords(world.alice, by=world.root, now=now),
    "app password paused": lambda world, now: app_passwords.pause(
        request_session(world), laptop(world).id, origin=ORIGIN, now=now
    ),
    "suspended by Disabled": lambda world, now: actions.set_mfa_state(
        world.alice, MfaState.DISABLED, by=world.root, now=now
    ),
    "limited to reading": lambda world, now: app_passwords.limit(
        request_session(world),
        laptop(world).id,
        Restrictions(programs=frozenset({Program.IMAP})),
        origin=ORIGIN,
        now=now,
    ),
    "app passwords switched off": lambda world, now: service_settings.change_settings(
        world.organisation, {"app_passwords_allowed": False}, by=world.root, now=now
    ),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_whatever_ends_access_ends_sending(world: World, end: End) -> None:
    signed_in = sign_in(ALICE, world.alices_app_password, world.now)
    later = world.now + timedelta(minutes=1)
    assert may_go_on(ALICE, signed_in, now=later)
    assert may_go_on(ALICE, None, now=later), "where the sign-in isn't known, nothing has ended"
    end(world, later)
    assert not may_go_on(ALICE, signed_in, now=later)
    assert not may_go_on(ALICE, None, now=later)


def test_what_was_committed_late_still_ends_a_sign_in_that_it_did_not_keep_out(world: World) -> None:
    """The revocation carries the time at which it began; the program signed in between that time and its commit."""
    signed_in = sign_in(ALICE, world.alices_app_password, world.now)
    actions.sign_out_everywhere(world.alice, by=world.root, now=world.now - OVERLAP / 2)
    assert not may_go_on(ALICE, signed_in, now=world.now)


@pytest.mark.breaks_invariants
def test_a_credential_that_went_is_looked_at_itself_however_late_the_act_was_committed(world: World) -> None:
    signed_in = sign_in(ALICE, world.alices_app_password, world.now)
    long_before = world.now - timedelta(hours=1)
    actions.delete_app_passwords(world.alice, by=world.root, now=long_before)
    assert not may_go_on(ALICE, signed_in, now=world.now)


def test_who_signs_in_again_goes_on(world: World) -> None:
    actions.sign_out_everywhere(world.alice, by=world.root, now=world.now)
    later = world.now + timedelta(seconds=10)
    assert may_go_on(ALICE, sign_in(ALICE, world.alices_app_password, later), now=later)


def test_the_end_of_an_app_passwords_time_ends_sending(world: World) -> None:
    until = world.now + timedelta(hours=1)
    app_passwords.limit(
        request_session(world), laptop(world).id, Restrictions(until=until), origin=ORIGIN, now=world.now
    )
    later = world.now + timedelta(minutes=1)
    signed_in = sign_in(ALICE, world.alices_app_password, later)
    assert may_go_on(ALICE, signed_in, now=until - timedelta(seconds=1))
    assert not may_go_on(ALICE, signed_in, now=until)


def test_an_account_password_goes_on_for_as_long_as_it_opens_mail(world: World) -> None:
    signed_in = sign_in(CAROL, world.passwords["carol"], world.now)
    assert may_go_on(CAROL, signed_in, now=world.now)
    give_password(world.carol, "another long passphrase")
    assert not may_go_on(CAROL, signed_in, now=world.now), "it was replaced"


def test_an_account_password_of_a_person_enabled_ends_when_mail_is_closed_to_it(world: World) -> None:
    bob = "bob@harbour.example"
    signed_in = sign_in(bob, world.passwords["bob"], world.now)
    assert may_go_on(bob, signed_in, now=world.now)
    service_settings.change_settings(
        world.organisation, {"account_password_in_mail_while_enabled": False}, by=world.root, now=world.now
    )
    assert not may_go_on(bob, signed_in, now=world.now)


def test_a_name_that_is_nobodys_goes_on_nowhere(world: World) -> None:
    signed_in = sign_in(ALICE, world.alices_app_password, world.now)
    assert not may_go_on("nobody@harbour.example", None, now=world.now)
    assert not may_go_on("nonsense", signed_in, now=world.now)
    assert not may_go_on(CAROL, signed_in, now=world.now), "it is somebody else's credential"


def test_another_app_password_goes_on_with_the_persons_other_sign_ins_ended(world: World) -> None:
    tablet = sign_in(ALICE, give_app_password(world.alice, "Tablet"), world.now)
    actions.delete_app_passwords(world.alice, [laptop(world).id], by=world.root, now=world.now - timedelta(minutes=1))
    assert may_go_on(ALICE, tablet, now=world.now)


def test_a_message_costs_four_reads_however_much_the_person_holds(
    world: World, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(39):
        give_app_password(world.alice, f"Device {number}")
    signed_in = sign_in(ALICE, world.alices_app_password, world.now)
    with django_assert_num_queries(4):
        assert may_go_on(ALICE, signed_in, now=world.now)


def test_the_mail_server_is_told_the_names_that_it_knows_people_by(world: World) -> None:
    give_send_as(world.alice, CAROL, until=None, by=world.root, now=world.now)
    assert names_that_may_send_as("Carol+x@harbour.example", now=world.now) == [CAROL, ALICE]
    assert names_that_may_send_as("nobody@harbour.example", now=world.now) == []


def test_a_database_that_fails_means_later(world: World) -> None:
    def fail(*_arguments: object) -> None:
        raise OperationalError

    with connection.execute_wrapper(fail):
        with pytest.raises(Unavailable):
            names_that_may_send_as(ALICE, now=world.now)
        with pytest.raises(Unavailable):
            may_go_on(ALICE, None, now=world.now)
