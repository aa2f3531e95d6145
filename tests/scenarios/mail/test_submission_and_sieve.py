"""Dovecot's own submission service in front of Postfix, and ManageSieve: the same passwords, senders and ends."""

from __future__ import annotations

import base64
import smtplib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from socket import SocketIO

import pytest
from django.utils import timezone

from tests.scenarios.mail.programs import IN, LATER, REFUSED
from tests.scenarios.mail.site import Site, wait_until
from tests.world import World
from watchword.audit.models import Event
from watchword.signin import actions

pytestmark = [pytest.mark.scenario, pytest.mark.django_db(transaction=True)]

ALICE, BOB, ROOT = "alice@harbour.example", "bob@harbour.example", "root@harbour.example"
WRONG = "zzzz zzzz zzzz zzzz zzzz zzzz"


def sign_in_to_submit(site: Site, name: str, secret: str) -> str:
    """Sign in at Dovecot's submission service; return the result."""
    with smtplib.SMTP("127.0.0.1", site.submission, timeout=60) as program:
        try:
            program.login(name, secret)
        except smtplib.SMTPAuthenticationError as error:
            return {535: REFUSED, 454: LATER}[error.smtp_code]
    return IN


@contextmanager
def sieve(site: Site) -> Iterator[SocketIO]:
    """Yield a ManageSieve connection after its greeting (RFC 5804)."""
    with (
        socket.create_connection(("127.0.0.1", site.sieve), timeout=60) as connection,
        connection.makefile("rwb", buffering=0) as lines,
    ):
        answer(lines)
        yield lines


def answer(lines: SocketIO) -> str:
    """Return the line that ends an answer: OK, NO or BYE and what follows; empty if the connection was closed."""
    while line := lines.readline().decode():
        if line.startswith(("OK", "NO", "BYE")):
            return line
    return ""


def sign_in_to_sieve(lines: SocketIO, name: str, secret: str) -> str:
    response = base64.b64encode(f"\0{name}\0{secret}".encode()).decode()
    lines.write(f'AUTHENTICATE "PLAIN" "{response}"\r\n'.encode())
    return answer(lines)


def test_the_submission_service_takes_the_right_password_alone(site: Site, world: World) -> None:
    assert sign_in_to_submit(site, ALICE, world.alices_app_password) == IN
    for name, secret in ((ALICE, WRONG), (ALICE, world.passwords["alice"]), (BOB, world.alices_app_password)):
        assert sign_in_to_submit(site, name, secret) == REFUSED
    site.close_door()
    assert sign_in_to_submit(site, ALICE, world.alices_app_password) == LATER


def test_who_signed_in_at_the_submission_service_sends_as_themselves_alone(site: Site, world: World) -> None:
    with smtplib.SMTP("127.0.0.1", site.submission, timeout=60) as program:
        program.login(ALICE, world.alices_app_password)
        program.sendmail(ALICE, [BOB], "Subject: by submission\r\n\r\nHello\r\n")
        with pytest.raises(smtplib.SMTPException, match="not owned by user"):
            program.sendmail(ROOT, [BOB], "Subject: pay this\r\n\r\nnow\r\n")
    inbox = site.maildir("bob") / "new"
    wait_until(lambda: inbox.is_dir() and any("by submission" in mail.read_text() for mail in inbox.iterdir()))
    seen = Event.objects.filter(kind="sign_in.allowed").values_list("service", "address", "actor_name")
    assert set(seen) == {("smtp", "127.0.0.1", ALICE)}


def test_nobody_submits_without_signing_in(site: Site, world: World) -> None:
    for port in (site.submission, site.relay):
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as program, pytest.raises(smtplib.SMTPException):
            program.sendmail("mallory@elsewhere.example", [BOB], "Subject: spam\r\n\r\nspam")


def test_an_open_submission_session_sends_nothing_more_once_access_has_ended(site: Site, world: World) -> None:
    with smtplib.SMTP("127.0.0.1", site.submission, timeout=60) as program:
        program.login(ALICE, world.alices_app_password)
        program.sendmail(ALICE, [BOB], "Subject: before\r\n\r\nHello\r\n")
        actions.block(world.alice, by=world.root, now=timezone.now())
        with pytest.raises((smtplib.SMTPException, OSError)):
            program.sendmail(ALICE, [BOB], "Subject: after\r\n\r\nHello\r\n")


def test_sieve_scripts_are_stored_with_an_app_password(site: Site, world: World) -> None:
    with sieve(site) as lines:
        assert sign_in_to_sieve(lines, ALICE, world.alices_app_password).startswith("OK")
        script = b'require "fileinto";\r\nkeep;\r\n'
        lines.write(b'PUTSCRIPT "mine" {%d+}\r\n%s\r\n' % (len(script), script))
        assert answer(lines).startswith("OK")
        lines.write(b'SETACTIVE "mine"\r\n')
        assert answer(lines).startswith("OK")
    assert (site.maildir("alice").parent / "sieve/mine.sieve").is_file()


def test_managesieve_refuses_a_wrong_password_and_says_later_while_the_door_is_closed(site: Site, world: World) -> None:
    for secret in (WRONG, world.passwords["alice"]):
        with sieve(site) as lines:
            refused = sign_in_to_sieve(lines, ALICE, secret)
            assert refused.startswith("NO")
            assert "AUTHENTICATIONFAILED" in refused or "Authentication failed" in refused
    site.close_door()
    with sieve(site) as lines:
        later = sign_in_to_sieve(lines, ALICE, world.alices_app_password)
    assert later.startswith("NO")
    assert "Authentication failed" not in later


def test_an_open_managesieve_session_is_closed_when_access_ends(site: Site, world: World) -> None:
    with sieve(site) as lines:
        assert sign_in_to_sieve(lines, ALICE, world.alices_app_password).startswith("OK")
        actions.block(world.alice, by=world.root, now=timezone.now())
        ended = answer(lines)
    assert ended == "" or ended.startswith("BYE")
