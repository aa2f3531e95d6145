"""Which password opens the mail door in which state, tested with real mail programs."""

from __future__ import annotations

import pytest
from django.utils import timezone

from tests.scenarios.mail.programs import IN, PROGRAMS, REFUSED, curl, imap, pop3, smtp
from tests.scenarios.mail.site import Site
from tests.world import ORIGIN, World, evidence_for, give_app_password
from watchword.core.factors import Rejected
from watchword.core.policy import FactorKind, MfaState
from watchword.directory.actions import add_alias
from watchword.factors import vault
from watchword.signin import actions, enrolment, sessions

pytestmark = [pytest.mark.scenario, pytest.mark.django_db(transaction=True)]

ALICE, BOB, CAROL = "alice@harbour.example", "bob@harbour.example", "carol@harbour.example"


def heard(site: Site, name: str, secret: str) -> set[str]:
    """Return the results of the three mail programs, by IMAP, POP and SMTP."""
    return {program(site, name, secret) for program in PROGRAMS}


@pytest.mark.breaks_invariants
def test_disabled_means_account_password_and_no_app_password(site: Site, world: World) -> None:
    assert heard(site, CAROL, world.passwords["carol"]) == {IN}
    assert heard(site, CAROL, give_app_password(world.carol)) == {REFUSED}


def test_enabled_with_nothing_registered_means_account_password(site: Site, world: World) -> None:
    assert heard(site, BOB, world.passwords["bob"]) == {IN}
    assert heard(site, BOB, give_app_password(world.bob)) == {REFUSED}


def test_enforced_means_app_password_alone(site: Site, world: World) -> None:
    assert heard(site, ALICE, world.alices_app_password) == {IN}
    assert heard(site, ALICE, world.passwords["alice"]) == {REFUSED}


def test_a_name_without_its_domain_is_one_of_the_default_domain(site: Site, world: World) -> None:
    assert heard(site, "alice", world.alices_app_password) == {IN}
    assert heard(site, "alice", world.passwords["alice"]) == {REFUSED}
    assert heard(site, "mallory", world.alices_app_password) == {REFUSED}


def test_curl_comes_in_with_an_app_password_and_not_with_the_account_password(site: Site, world: World) -> None:
    allowed, refused = (
        curl(site, ALICE, secret, "") for secret in (world.alices_app_password, world.passwords["alice"])
    )
    assert allowed.returncode == 0, allowed.stderr
    assert "INBOX" in allowed.stdout
    assert refused.returncode == 67, refused.stderr  # CURLE_LOGIN_DENIED
    assert "INBOX" not in refused.stdout


@pytest.mark.parametrize(
    "secret", ["wrong", "zzzz zzzz zzzz zzzz zzzz zzzz", "a\"b\\c %u %w 'd'", "{PLAIN}x", "x" * 900]
)
def test_a_wrong_password_is_refused(site: Site, world: World, secret: str) -> None:
    assert pop3(site, ALICE, secret) == REFUSED
    assert smtp(site, ALICE, secret) == REFUSED
    assert heard(site, "nobody@harbour.example", "wrong") == {REFUSED}
    assert imap(site, ALICE, world.alices_app_password) == IN


def test_an_app_password_may_be_typed_as_it_is_shown_or_otherwise(site: Site, world: World) -> None:
    shown = world.alices_app_password
    letters = shown.replace(" ", "")
    for typed in (shown, letters, letters.upper(), shown.title(), shown.replace(" ", "-"), f" {shown} "):
        assert imap(site, ALICE, typed) == IN, "a way of typing"
    for typed in (letters[:-1], letters + "a", letters + "1", letters + "\N{LATIN SMALL LETTER E}" * 72):
        assert imap(site, ALICE, typed) == REFUSED


def test_another_persons_app_password_is_refused(site: Site, world: World) -> None:
    actions.set_mfa_state(world.bob, MfaState.ENFORCED, by=world.root, now=timezone.now())
    assert heard(site, BOB, world.alices_app_password) == {REFUSED}
    assert heard(site, ALICE, give_app_password(world.bob)) == {REFUSED}


def test_app_07_a_revoked_app_password_is_refused_and_the_others_still_open(site: Site, world: World) -> None:
    other = give_app_password(world.alice, "Tablet")
    lost = next(stored for stored in vault.holdings(world.alice) if stored.data.label == "Laptop")
    assert heard(site, ALICE, world.alices_app_password) == {IN}
    assert actions.delete_app_passwords(world.alice, [lost.id], by=world.root, now=timezone.now()) == 1
    assert heard(site, ALICE, world.alices_app_password) == {REFUSED}
    assert heard(site, ALICE, other) == {IN}


def test_a_suspended_app_password_never_comes_back(site: Site, world: World) -> None:
    actions.set_mfa_state(world.alice, MfaState.DISABLED, by=world.root, now=timezone.now())
    assert heard(site, ALICE, world.alices_app_password) == {REFUSED}
    assert heard(site, ALICE, world.passwords["alice"]) == {IN}
    actions.set_mfa_state(world.alice, MfaState.ENABLED, by=world.root, now=timezone.now())
    world.alice.refresh_from_db()
    assert world.alice.state is MfaState.ENFORCED
    assert heard(site, ALICE, world.alices_app_password) == {REFUSED}
    assert heard(site, ALICE, world.passwords["alice"]) == {REFUSED}


def test_blocked_and_deleted_people_stay_out(site: Site, world: World) -> None:
    actions.block(world.alice, by=world.root, now=timezone.now())
    actions.delete(world.carol, by=world.root, now=timezone.now())
    assert heard(site, ALICE, world.alices_app_password) == {REFUSED}
    assert heard(site, CAROL, world.passwords["carol"]) == {REFUSED}
    actions.unblock(world.alice, by=world.root, now=timezone.now())
    actions.restore(world.carol, by=world.root, now=timezone.now())
    assert heard(site, ALICE, world.alices_app_password) == {IN}


def test_forty_app_passwords_open_and_there_is_no_forty_first(site: Site, world: World) -> None:
    proofs = evidence_for(FactorKind.PASSWORD, FactorKind.PHONE)
    session = sessions.open_session(world.alice, proofs, origin=ORIGIN, now=timezone.now()).session
    made = [
        enrolment.create_app_password(session, f"Phone {number}", origin=ORIGIN, now=timezone.now())
        for number in range(2, 42)
    ]
    assert isinstance(made[39], Rejected)
    fortieth = made[38]
    assert isinstance(fortieth, enrolment.ShownOnce)
    assert heard(site, ALICE, fortieth.secret) == {IN}
    assert heard(site, ALICE, world.alices_app_password) == {IN}


def test_every_spelling_and_alias_is_the_same_mailbox(site: Site, world: World) -> None:
    add_alias(world.alice, "ally@harbour.example", by=world.root, now=timezone.now())
    for name in (ALICE, "Alice@Harbour.Example", "ALLY@harbour.example"):
        assert heard(site, name, world.alices_app_password) == {IN}
    assert site.maildir("alice").is_dir()
    assert not site.maildir("ally").exists()
    assert not site.maildir("Alice").exists()
