"""A real Exim asks the mail door: every way in which programs sign in, and what they hear."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator

import pytest

from tests.scenarios.mail.exim import Exim, running_exim, why_no_exim
from tests.scenarios.mail.programs import IN, LATER, REFUSED
from tests.scenarios.mail.site import Site
from tests.world import World

pytestmark = [pytest.mark.scenario, pytest.mark.django_db(transaction=True)]

ALICE = "alice@harbour.example"


@pytest.fixture(scope="module")
def exim(running_site: Site) -> Iterator[Exim]:
    """Exim, asking the site's mail door."""
    if reason := why_no_exim():
        pytest.skip(reason)
    yield from running_exim(running_site)


def sign_in(exim: Exim, name: str, secret: str, mechanism: str = "PLAIN", *, at_once: bool = True) -> str:
    """Sign in as a mail program does, with the initial response or without, and send a mail if that was allowed."""
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


def test_nobody_sends_without_signing_in(site: Site, exim: Exim, world: World) -> None:
    with smtplib.SMTP("127.0.0.1", exim.port, timeout=60) as program, pytest.raises(smtplib.SMTPRecipientsRefused):
        program.sendmail("mallory@elsewhere.example", ["victim@elsewhere.example"], "Subject: spam\n\nspam")
