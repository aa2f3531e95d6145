"""Mail that is sent with an app password arrives, and another program reads it."""

from __future__ import annotations

import imaplib
import poplib
import smtplib

import pytest
from django.utils import timezone

from tests.scenarios.mail.programs import curl, imap_session, send
from tests.scenarios.mail.site import Site, wait_until
from tests.world import World, give_app_password
from watchword.core.policy import MfaState
from watchword.directory.actions import add_alias
from watchword.signin import actions

pytestmark = [pytest.mark.scenario, pytest.mark.django_db(transaction=True)]

ALICE, BOB, CAROL = "alice@harbour.example", "bob@harbour.example", "carol@harbour.example"


def arrived(site: Site, name: str, subject: str) -> bool:
    inbox = site.maildir(name) / "new"
    return inbox.is_dir() and any(f"Subject: {subject}" in mail.read_text() for mail in inbox.iterdir())


def test_a_mail_sent_with_an_app_password_is_read_by_other_programs(site: Site, world: World) -> None:
    actions.set_mfa_state(world.bob, MfaState.ENFORCED, by=world.root, now=timezone.now())
    bobs = give_app_password(world.bob)
    send(site, ALICE, world.alices_app_password, to=BOB, subject="tea at four")
    wait_until(lambda: arrived(site, "bob", "tea at four"))
    with imap_session(site, BOB, bobs) as program:
        _, found = program.search(None, "SUBJECT", '"tea at four"')
        _, fetched = program.fetch(found[0].split()[-1].decode(), "(BODY[])")
    assert isinstance(fetched[0], tuple)
    mail = fetched[0][1].decode()
    assert "Hello from a mail program." in mail
    assert f"From: {ALICE}" in mail
    by_curl = curl(site, BOB, bobs, "INBOX;MAILINDEX=*")
    assert by_curl.returncode == 0, by_curl.stderr
    assert "Hello from a mail program." in by_curl.stdout
    post = poplib.POP3("127.0.0.1", site.pop3, timeout=60)
    post.user(BOB)
    post.pass_(bobs)
    assert post.stat()[0] > 0
    post.quit()


def test_mail_for_an_alias_arrives_in_the_persons_mailbox(site: Site, world: World) -> None:
    add_alias(world.carol, "kitty@harbour.example", by=world.root, now=timezone.now())
    send(site, ALICE, world.alices_app_password, to="Kitty@harbour.example", subject="to an alias")
    wait_until(lambda: arrived(site, "carol", "to an alias"))
    assert not site.maildir("kitty").exists()


def test_nobody_sends_without_signing_in(site: Site, world: World) -> None:
    with smtplib.SMTP("127.0.0.1", site.smtp, timeout=60) as program:
        program.ehlo()
        assert {"PLAIN", "LOGIN"} == set(program.esmtp_features["auth"].split())
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            program.sendmail("mallory@elsewhere.example", ["victim@elsewhere.example"], "Subject: spam\r\n\r\nspam")


def test_nobody_signs_in_as_another_person(site: Site, world: World) -> None:
    for who in (CAROL, ALICE.replace("alice", "root")):
        program = imaplib.IMAP4("127.0.0.1", site.imap, timeout=60)
        asked = f"{who}\x00{ALICE}\x00{world.alices_app_password}"

        def respond(_challenge: bytes | None = None, /, asked: str = asked) -> str:
            return asked

        with pytest.raises(imaplib.IMAP4.error):
            program.authenticate("PLAIN", lambda challenge: respond(challenge).encode())
        program.shutdown()
        with smtplib.SMTP("127.0.0.1", site.smtp, timeout=60) as sender:
            sender.ehlo()
            with pytest.raises(smtplib.SMTPAuthenticationError):
                sender.auth("PLAIN", respond)
