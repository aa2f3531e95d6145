"""When access ends, the next sign-in is refused and open sessions are closed, within one second of the commit."""

from __future__ import annotations

import contextlib
import imaplib
import os
import poplib
import time
from collections.abc import Callable

import pytest
from django.utils import timezone

from tests.scenarios.mail.programs import IN, PROGRAMS, REFUSED, imap, imap_session
from tests.scenarios.mail.site import Site, wait_until
from tests.world import World, give_app_password
from watchword.core.policy import MfaState
from watchword.signin import actions

pytestmark = [pytest.mark.scenario, pytest.mark.django_db(transaction=True)]

ALICE, CAROL = "alice@harbour.example", "carol@harbour.example"
PROMISE_SECONDS = 1.0


def patience() -> float:
    """Return the promised time; on an overloaded machine, whose scheduler adds to it, return ten seconds."""
    return PROMISE_SECONDS if os.getloadavg()[0] <= (os.cpu_count() or 1) else 10.0


def is_idling(program: imaplib.IMAP4) -> bool:
    """Send IDLE; return False where the second check after an earlier end of access has just closed the session."""
    program.send(b"a1 IDLE\r\n")
    return program.readline().startswith(b"+")


type End = Callable[[World], object]

ENDS: dict[str, End] = {
    "blocked": lambda world: actions.block(world.alice, by=world.root, now=timezone.now()),
    "deleted": lambda world: actions.delete(world.alice, by=world.root, now=timezone.now()),
    "app passwords deleted": lambda world: actions.delete_app_passwords(world.alice, by=world.root, now=timezone.now()),
    "password reset": lambda world: actions.reset_password(world.alice, by=world.root, now=timezone.now()),
    "multi-factor disabled": lambda world: actions.set_mfa_state(
        world.alice, MfaState.DISABLED, by=world.root, now=timezone.now()
    ),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_app_04_what_is_open_is_closed_within_a_second(site: Site, world: World, end: End) -> None:
    carols = world.passwords["carol"]
    with contextlib.ExitStack() as stack:
        idling = stack.enter_context(imap_session(site, ALICE, world.alices_app_password))
        while not is_idling(idling):
            idling = stack.enter_context(imap_session(site, ALICE, world.alices_app_password))
        selected = stack.enter_context(imap_session(site, ALICE, world.alices_app_password))
        carol = stack.enter_context(imap_session(site, CAROL, carols))
        end(world)
        committed = time.monotonic()
        for program in (idling, selected):
            program.socket().settimeout(30)
            while program.readline():
                pass
            assert time.monotonic() - committed < patience()
        for program_kind in PROGRAMS:
            assert program_kind(site, ALICE, world.alices_app_password) == REFUSED
        assert carol.noop()[0] == "OK", "nobody else's connection is closed"


def test_the_next_sign_in_is_refused_at_once(site: Site, world: World) -> None:
    assert imap(site, ALICE, world.alices_app_password) == IN
    actions.delete_app_passwords(world.alice, by=world.root, now=timezone.now())
    assert {program(site, ALICE, world.alices_app_password) for program in PROGRAMS} == {REFUSED}


def test_an_open_pop_connection_is_closed(site: Site, world: World) -> None:
    post = poplib.POP3("127.0.0.1", site.pop3, timeout=30)
    post.user(ALICE)
    post.pass_(world.alices_app_password)
    actions.block(world.alice, by=world.root, now=timezone.now())
    committed = time.monotonic()
    while post.file.readline():
        pass
    assert time.monotonic() - committed < patience()
    post.close()


def test_the_other_app_passwords_come_in_again(site: Site, world: World) -> None:
    other = give_app_password(world.alice, "Tablet")
    from watchword.factors import vault

    lost = next(stored for stored in vault.holdings(world.alice) if stored.data.label == "Laptop")
    with imap_session(site, ALICE, other) as tablet:
        actions.delete_app_passwords(world.alice, [lost.id], by=world.root, now=timezone.now())
        tablet.socket().settimeout(30)
        while tablet.readline():
            pass
    assert imap(site, ALICE, other) == IN


def test_what_ended_while_the_door_was_closed_is_closed_when_it_opens(site: Site, world: World) -> None:
    with imap_session(site, ALICE, world.alices_app_password) as program:
        site.close_door()
        actions.block(world.alice, by=world.root, now=timezone.now())
        site.open_door()
        program.socket().settimeout(30)
        with pytest.raises((imaplib.IMAP4.abort, OSError)):
            wait_until(lambda: program.noop()[0] != "OK")
