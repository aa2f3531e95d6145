"""A real Exim uses the mail door: every SASL mechanism of mail programs, and the answers to them."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.scenarios.mail.exim import Exim, running_exim, why_no_exim
from tests.scenarios.mail.programs import IN, LATER, REFUSED
from tests.scenarios.mail.site import Site
from tests.world import World
from watchword.directory.send_as import give_send_as
from watchword.signin import actions

# Exim asks the door itself, so Dovecot's version makes no difference.
pytestmark = [
    pytest.mark.scenario,
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("running_site", ["2.3"], indirect=True),
]

ALICE = "alice@harbour.example"


@pytest.fixture(scope="module")
def exim(running_site: Site) -> Iterator[Exim]:
    """Yield an Exim that uses the site's mail door."""
    if reason := why_no_exim():
        pytest.skip(reason)
    yield from running_exim(running_site)


def sign_in(exim: Exim, name: str, secret: str, mechanism: str = "PLAIN", *, at_once: bool = True) -> str:
    """Sign in with an initial response or without, and send a mail if that was allowed; return the result."""
    with smtplib.SMTP("127.0.0.1", exim.port, timeout=60) as program:
        program.ehlo()
        assert set(program.esmtp_features["auth"].split()) == {"PLAIN", "LOGIN"}
        program.user, program.password = name, secret
        respond = {"PLAIN": program.auth_plain, "LOGIN": program.auth_login}[mechanism]
        try:
            program.auth(mechanism, respond, initial_response_ok=at_once)
        except smtplib.SMTPAuthenticationError as error:
            return {535: REFUSED, 435: LATER}[error.smtp_code]
        program.sendmail(name, ["bob@harbour.example"], "Subject: by Exim\n\nHello.\n")
    return IN


@pytest.mark.parametrize("at_once", [True, False], ids=["initial response", "asked for it"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_both_mechanisms_work_with_an_initial_response_and_without(
    site: Site, exim: Exim, world: World, mechanism: str, *, at_once: bool
) -> None:
    assert sign_in(exim, ALICE, world.alices_app_password, mechanism, at_once=at_once) == IN
    assert f"A=watchword_{mechanism.lower()}:{ALICE}" in exim.log
    assert sign_in(exim, ALICE, "zzzz zzzz zzzz zzzz zzzz zzzz", mechanism, at_once=at_once) == REFUSED
    assert sign_in(exim, "nobody@harbour.example", world.alices_app_password, mechanism, at_once=at_once) == REFUSED


def test_a_closed_door_means_later(site: Site, exim: Exim, world: World) -> None:
    site.close_door()
    assert sign_in(exim, ALICE, world.alices_app_password) == LATER
    site.open_door()
    assert sign_in(exim, ALICE, world.alices_app_password) == IN


def session(exim: Exim, secret: str) -> smtplib.SMTP:
    """Return an SMTP session in which Alice has signed in."""
    program = smtplib.SMTP("127.0.0.1", exim.port, timeout=60)
    program.login(ALICE, secret)
    return program


def test_who_signs_in_sends_as_themselves_and_as_nobody_else(site: Site, exim: Exim, world: World) -> None:
    give_send_as(world.alice, "carol@harbour.example", until=None, by=world.root, now=timezone.now())
    with session(exim, world.alices_app_password) as program:
        for sender in (ALICE, "Alice+shop@Harbour.example", "carol@harbour.example", ""):
            program.sendmail(sender, ["bob@harbour.example"], "Subject: mine\n\nHello.\n")
        for sender in ("root@harbour.example", "nobody@harbour.example", "alice@elsewhere.example"):
            with pytest.raises(smtplib.SMTPSenderRefused, match="not yours") as refused:
                program.sendmail(sender, ["bob@harbour.example"], "Subject: not mine\n\nHello.\n")
            assert refused.value.smtp_code == 550


def test_an_open_session_sends_nothing_more_once_access_has_ended(site: Site, exim: Exim, world: World) -> None:
    with session(exim, world.alices_app_password) as older:
        older.sendmail(ALICE, ["bob@harbour.example"], "Subject: before\n\nHello.\n")
        long_ago = timezone.now() - timedelta(minutes=1)
        actions.sign_out_everywhere(world.alice, by=world.root, now=long_ago)
        older.sendmail(ALICE, ["bob@harbour.example"], "Subject: it ended before\n\nHello.\n")
        actions.sign_out_everywhere(world.alice, by=world.root, now=timezone.now())
        with pytest.raises(smtplib.SMTPDataError, match="sign in again") as refused:
            older.sendmail(ALICE, ["bob@harbour.example"], "Subject: after\n\nHello.\n")
        assert refused.value.smtp_code == 451


def test_a_sender_that_cannot_be_checked_is_refused_for_now(site: Site, exim: Exim, world: World) -> None:
    with session(exim, world.alices_app_password) as program:
        site.close_door()
        with pytest.raises(smtplib.SMTPSenderRefused, match="try again later") as refused:
            program.sendmail(ALICE, ["bob@harbour.example"], "Subject: later\n\nHello.\n")
        assert refused.value.smtp_code == 451
        site.open_door()


def test_nobody_sends_without_signing_in(site: Site, exim: Exim, world: World) -> None:
    with smtplib.SMTP("127.0.0.1", exim.port, timeout=60) as program, pytest.raises(smtplib.SMTPRecipientsRefused):
        program.sendmail("mallory@elsewhere.example", ["victim@elsewhere.example"], "Subject: spam\n\nspam")
