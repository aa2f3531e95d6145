"""A person signed in at a real Postfix sends as themselves and as granted addresses, while the access lasts."""

from __future__ import annotations

import contextlib
import smtplib
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.scenarios.mail.programs import IN, LATER, REFUSED, smtp
from tests.scenarios.mail.site import Site
from tests.world import ORIGIN, World, evidence_for, give_app_password
from watchword.core.policy import FactorKind, MfaState
from watchword.directory.actions import add_alias
from watchword.directory.send_as import give_send_as, take_send_as
from watchword.factors import vault
from watchword.signin import actions, app_passwords, sessions
from watchword.signin.models import Session

pytestmark = [pytest.mark.scenario, pytest.mark.django_db(transaction=True)]

ALICE, BOB, CAROL = "alice@harbour.example", "bob@harbour.example", "carol@harbour.example"
ROOT = "root@harbour.example"
"""The recipient of all mails of this file, because other files check the mailboxes of the other people."""
LONG_AGO = timedelta(hours=1)


@contextlib.contextmanager
def signed_in(site: Site, name: str, secret: str) -> Iterator[smtplib.SMTP]:
    """Yield an SMTP session that is signed in."""
    with smtplib.SMTP("127.0.0.1", site.smtp, timeout=60) as program:
        program.login(name, secret)
        yield program


def send(program: smtplib.SMTP, sender: str, to: str = ROOT) -> str:
    """Send a mail in an open session and return Postfix's answer: IN, REFUSED, or "ended" for a 421."""
    try:
        program.sendmail(sender, [to], f"From: {sender}\r\nSubject: pay this\r\n\r\nnow\r\n")
    except smtplib.SMTPRecipientsRefused as error:
        [(code, said)] = error.recipients.values()
        return REFUSED if code == 553 and b"not owned by user" in said else f"{code} {said!r}"
    except smtplib.SMTPDataError as error:
        is_end = error.smtp_code == 421 and "sign in again" in str(error.smtp_error)
        return "ended" if is_end else f"{error.smtp_code} {error.smtp_error!r}"
    return IN


def test_who_signs_in_sends_as_themselves_and_as_nobody_else(site: Site, world: World) -> None:
    add_alias(world.alice, "Ally@harbour.example", by=world.root, now=timezone.now())
    mine = [
        ALICE,
        "Alice@Harbour.Example",
        "ally@harbour.example",
        "alice+shop@harbour.example",
        "ally+a+b@harbour.example",
    ]
    others = [
        "root@harbour.example",
        BOB,
        "nobody@harbour.example",
        "alice@elsewhere.example",
        "root+alice@harbour.example",
    ]
    with signed_in(site, ALICE, world.alices_app_password) as program:
        assert {sender: send(program, sender) for sender in mine} == dict.fromkeys(mine, IN)
        assert {sender: send(program, sender) for sender in others} == dict.fromkeys(others, REFUSED)


def test_signing_in_by_an_alias_changes_nothing(site: Site, world: World) -> None:
    add_alias(world.alice, "ally@harbour.example", by=world.root, now=timezone.now())
    with signed_in(site, "ALLY@harbour.example", world.alices_app_password) as program:
        assert send(program, ALICE) == send(program, "ally@harbour.example") == IN
        assert send(program, "root@harbour.example") == REFUSED


def test_an_address_that_was_given_is_written_as_until_it_ends(site: Site, world: World) -> None:
    before, now = timezone.now() - timedelta(days=2), timezone.now()
    given = give_send_as(world.alice, CAROL, until=None, by=world.root, now=now)
    give_send_as(world.alice, BOB, until=now - timedelta(days=1), by=world.root, now=before)
    with signed_in(site, ALICE, world.alices_app_password) as program:
        assert send(program, CAROL) == send(program, "carol+orders@harbour.example") == IN
        assert send(program, BOB) == REFUSED, "its time is over"
        take_send_as(world.alice, given.pk, by=world.root, now=timezone.now())
        assert send(program, CAROL) == REFUSED, "in the same session"
    with signed_in(site, CAROL, world.passwords["carol"]) as program:
        assert send(program, CAROL) == IN
        assert send(program, ALICE) == REFUSED, "the right goes one way"


def test_a_receipt_without_a_sender_goes_out(site: Site, world: World) -> None:
    with signed_in(site, ALICE, world.alices_app_password) as program:
        assert send(program, "") == IN


def _session(world: World) -> Session:
    proofs = evidence_for(FactorKind.PASSWORD, FactorKind.PHONE)
    return sessions.open_session(world.alice, proofs, origin=ORIGIN, now=timezone.now()).session


def _laptop(world: World) -> vault.StoredCredential:
    return next(one for one in vault.holdings(world.alice) if one.data.label == "Laptop")


ENDS: dict[str, Callable[[World], object]] = {
    "blocked": lambda world: actions.block(world.alice, by=world.root, now=timezone.now()),
    "signed out everywhere": lambda world: actions.sign_out_everywhere(world.alice, by=world.root, now=timezone.now()),
    "app password deleted": lambda world: actions.delete_app_passwords(
        world.alice, [_laptop(world).id], by=world.root, now=timezone.now()
    ),
    "app password paused": lambda world: app_passwords.pause(
        _session(world), _laptop(world).id, origin=ORIGIN, now=timezone.now()
    ),
    "password reset": lambda world: actions.reset_password(world.alice, by=world.root, now=timezone.now()),
    "app passwords suspended": lambda world: actions.set_mfa_state(
        world.alice, MfaState.DISABLED, by=world.root, now=timezone.now()
    ),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_an_open_session_sends_nothing_more_once_access_has_ended(
    site: Site, world: World, end: Callable[[World], object]
) -> None:
    with (
        signed_in(site, ALICE, world.alices_app_password) as alice,
        signed_in(site, CAROL, world.passwords["carol"]) as carol,
    ):
        assert send(alice, ALICE) == IN
        end(world)
        assert send(alice, ALICE) == "ended"
        with pytest.raises(smtplib.SMTPServerDisconnected):
            alice.noop()
        assert send(carol, CAROL) == IN, "nobody else's session is ended"


def test_a_deleted_persons_addresses_are_nobodys_and_their_session_ends(site: Site, world: World) -> None:
    with signed_in(site, ALICE, world.alices_app_password) as alice:
        actions.delete(world.alice, by=world.root, now=timezone.now())
        assert send(alice, ALICE) == REFUSED
        assert send(alice, "") == "ended"


def test_a_disabled_persons_session_ends_with_the_account_password_that_opened_it(site: Site, world: World) -> None:
    with signed_in(site, CAROL, world.passwords["carol"]) as carol:
        assert send(carol, CAROL) == IN
        actions.set_mfa_state(world.carol, MfaState.ENFORCED, by=world.root, now=timezone.now())
        assert send(carol, CAROL) == "ended"


def test_the_other_app_password_signs_in_again_and_goes_on(site: Site, world: World) -> None:
    other = give_app_password(world.alice, "Tablet")
    with signed_in(site, ALICE, other) as tablet:
        actions.delete_app_passwords(
            world.alice, [_laptop(world).id], by=world.root, now=timezone.now() - timedelta(minutes=1)
        )
        assert send(tablet, ALICE) == IN, "what ended before the sign-in has nothing to do with it"
        actions.delete_app_passwords(world.alice, [], by=world.root, now=timezone.now())
        assert send(tablet, ALICE) == IN, "nothing was deleted"
    assert smtp(site, ALICE, world.alices_app_password) == REFUSED


def test_a_session_from_before_a_restart_of_the_door_goes_on_unless_access_had_ended(site: Site, world: World) -> None:
    with (
        signed_in(site, ALICE, world.alices_app_password) as alice,
        signed_in(site, CAROL, world.passwords["carol"]) as carol,
    ):
        site.close_door()
        actions.sign_out_everywhere(world.alice, by=world.root, now=timezone.now())
        site.open_door()
        assert send(carol, CAROL) == IN
        assert send(alice, ALICE) == "ended"


def test_a_closed_door_refuses_senders_for_now(site: Site, world: World) -> None:
    with signed_in(site, ALICE, world.alices_app_password) as program:
        site.close_door()
        with pytest.raises(smtplib.SMTPException) as error:
            program.sendmail(ALICE, [ROOT], "Subject: later\r\n\r\nx\r\n")
        assert "451" in str(error.value)
        site.open_door()
    assert smtp(site, ALICE, world.alices_app_password) in (IN, LATER)
