"""Account passwords beyond ASCII, as mail programs send them: SASL PLAIN prescribes UTF-8, some programs ignore it."""

from __future__ import annotations

import base64
import imaplib
import poplib
import smtplib
import unicodedata
from typing import Literal

import pytest

from tests.scenarios.mail.programs import IN, REFUSED
from tests.scenarios.mail.site import Site
from tests.world import World, give_password

pytestmark = [pytest.mark.scenario, pytest.mark.django_db(transaction=True)]

CAROL = "carol@harbour.example"
PASSWORD = "Müllers Kühe grüßen den Fährmann"
"""The password of Carol, who is Disabled and signs in to mail with it."""

NO = {"imap": "[AUTHENTICATIONFAILED]", "pop": "[AUTH]", "smtp": "535"}


def sign_in(site: Site, protocol: str, secret: bytes) -> str:
    """Sign in by SASL PLAIN with any octets as password; return IN, REFUSED, or the text of another answer."""
    response = b"\0" + CAROL.encode() + b"\0" + secret
    said = {"imap": _imap, "pop": _pop, "smtp": _smtp}[protocol](site, response)
    return REFUSED if NO[protocol] in said else said


def _imap(site: Site, response: bytes) -> str:
    program = imaplib.IMAP4("127.0.0.1", site.imap, timeout=60)
    try:
        program.authenticate("PLAIN", lambda _challenge: response)
    except imaplib.IMAP4.error as error:
        return str(error)
    else:
        return IN
    finally:
        program.shutdown()


def _pop(site: Site, response: bytes) -> str:
    program = poplib.POP3("127.0.0.1", site.pop3, timeout=60)
    try:
        program._shortcmd("AUTH PLAIN " + base64.b64encode(response).decode())  # type: ignore[attr-defined]  # no SASL in poplib
    except poplib.error_proto as error:
        return str(error)
    else:
        return IN
    finally:
        program.close()


def _smtp(site: Site, response: bytes) -> str:
    with smtplib.SMTP("127.0.0.1", site.smtp, timeout=60) as program:
        program.ehlo()
        code, said = program.docmd("AUTH", "PLAIN " + base64.b64encode(response).decode())
        return IN if code == 235 else f"{code} {said.decode()}"


@pytest.mark.parametrize("protocol", NO)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_password_beyond_ascii_opens_mail_composed_or_not(
    site: Site, world: World, protocol: str, form: Literal["NFC", "NFD"]
) -> None:
    give_password(world.carol, PASSWORD)
    assert sign_in(site, protocol, unicodedata.normalize(form, PASSWORD).encode()) == IN


@pytest.mark.parametrize("protocol", NO)
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16-le", "cp437"])
def test_octets_that_are_not_utf_8_are_a_wrong_password(site: Site, world: World, protocol: str, encoding: str) -> None:
    give_password(world.carol, PASSWORD)
    assert sign_in(site, protocol, PASSWORD.encode(encoding)) == REFUSED
