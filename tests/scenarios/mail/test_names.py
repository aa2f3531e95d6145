"""Every name that can be created reads mail by IMAP, sends, and gets mail from outside: character by character."""

from __future__ import annotations

import base64
import contextlib
import imaplib
import smtplib
from collections.abc import Iterator

import pytest
from django.utils import timezone

from tests.scenarios.mail.programs import IN, REFUSED
from tests.scenarios.mail.site import Site, wait_until
from tests.world import World, give_password
from watchword.core.usernames import SIGNS, ascii_name, domain_key
from watchword.directory.actions import add_alias, create_person
from watchword.directory.models import Domain

pytestmark = [pytest.mark.scenario, pytest.mark.django_db(transaction=True)]

ALICE, BOB = "alice@harbour.example", "bob@harbour.example"
PASSWORD, CONTACT = "correct horse battery", "x@elsewhere.example"
SENT_IN = 235
"""Authentication succeeded (RFC 4954)."""
FIRST = "'&=~^#_"
"""The special characters that a name may also begin with."""

LOCAL_PARTS = [
    *(f"a{sign}b" for sign in SIGNS),
    *(f"{sign}a" for sign in FIRST),
    *(f"a{sign}" for sign in SIGNS if sign != "."),
    "o'brien",
]
OTHER_SCRIPTS = [
    "\u00e9lodie.l\u00e9ger",
    "\u5c71\u7530\u592a\u90ce",
    "\u0430\u043d\u043d\u0430",
    "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627",
    "\u0915\u094d\u200d\u0937",
    "\u0e2a\u0e21\u0e28\u0e23\u0e35",
    "\U0002000b",
]


def response(name: str, secret: str) -> bytes:
    """Return the response of a mail program for SASL PLAIN (RFC 4616)."""
    return f"\0{name}\0{secret}".encode()


@contextlib.contextmanager
def reading(site: Site, name: str, secret: str) -> Iterator[imaplib.IMAP4]:
    """Sign in by IMAP with a name in any script, and select the inbox."""
    program = imaplib.IMAP4("127.0.0.1", site.imap, timeout=60)
    try:
        program.authenticate("PLAIN", lambda _asked: response(name, secret))
        program.select()
        yield program
    finally:
        with contextlib.suppress(imaplib.IMAP4.error, OSError):
            program.shutdown()


def by_imap(site: Site, name: str, secret: str) -> str:
    """Sign in by IMAP and return the result."""
    try:
        with reading(site, name, secret):
            return IN
    except imaplib.IMAP4.error as error:
        return REFUSED if "AUTHENTICATIONFAILED" in str(error) else str(error)


def sign_in_to_send(program: smtplib.SMTP, name: str, secret: str) -> int:
    """Sign in by SMTP and return the status code."""
    program.ehlo()
    status, _said = program.docmd("AUTH", f"PLAIN {base64.b64encode(response(name, secret)).decode()}")
    return status


def hand_in(program: smtplib.SMTP, sender: str, to: str, subject: str) -> None:
    """Send a mail, with the extension that addresses outside ASCII need (RFC 6531)."""
    options = [] if f"{sender}{to}".isascii() else ["SMTPUTF8"]
    program.ehlo()
    program.command_encoding = "utf-8"
    refused = program.sendmail(
        sender, [to], f"To: {to}\r\nSubject: {subject}\r\n\r\nHello.\r\n".encode(), mail_options=options
    )
    assert refused == {}


@pytest.mark.parametrize("local", LOCAL_PARTS, ids=ascii)
def test_each_sign_of_the_alphabet_is_delivered_read_and_sent_with(site: Site, world: World, local: str) -> None:
    name = f"{local}@harbour.example"
    user = create_person(
        world.organisation, sign_in_name=name, display_name="X", contact_mail=CONTACT, by=world.root, now=timezone.now()
    )
    give_password(user, PASSWORD)
    with smtplib.SMTP("127.0.0.1", site.smtp, timeout=60) as outside:
        hand_in(outside, "somebody@elsewhere.example", name, "from outside")
    assert by_imap(site, name, PASSWORD) == IN
    wait_until(lambda: has(site, name, "from outside"))
    with smtplib.SMTP("127.0.0.1", site.smtp, timeout=60) as program:
        assert sign_in_to_send(program, name, PASSWORD) == SENT_IN
        hand_in(program, name, BOB, f"sent by {len(local)}")
    assert (site.folder / "mail/harbour.example" / local / "Maildir/new").is_dir()


def has(site: Site, name: str, subject: str) -> bool:
    """Return whether a person's inbox contains a mail with this subject."""
    with reading(site, name, PASSWORD) as program:
        _, found = program.search(None, "SUBJECT", f'"{subject}"')
        return bool(found[0])


@pytest.mark.parametrize("local", OTHER_SCRIPTS, ids=ascii)
def test_letters_of_other_scripts_are_delivered_read_and_sent_with(site: Site, world: World, local: str) -> None:
    name = f"{local}@harbour.example"
    user = create_person(
        world.organisation, sign_in_name=name, display_name="X", contact_mail=CONTACT, by=world.root, now=timezone.now()
    )
    give_password(user, PASSWORD)
    with smtplib.SMTP("127.0.0.1", site.smtp, timeout=60) as outside:
        hand_in(outside, "somebody@elsewhere.example", name, "from outside")
        hand_in(outside, "somebody@elsewhere.example", ascii_name(name), "in ASCII")
    wait_until(lambda: has(site, name, "from outside") and has(site, name, "in ASCII"))
    with smtplib.SMTP("127.0.0.1", site.smtp, timeout=60) as program:
        assert sign_in_to_send(program, name, PASSWORD) == SENT_IN
        hand_in(program, name, name, "to myself")
    wait_until(lambda: has(site, name, "to myself"))


@pytest.mark.parametrize("domain", ["b\u00fccher.example", "stra\u00dfe.example"])
def test_an_international_domain_is_one_name_in_both_spellings_at_both_doors(
    site: Site, world: World, domain: str
) -> None:
    a_label = domain_key(domain)
    Domain.objects.create(organisation=world.organisation, name=a_label)
    add_alias(world.alice, f"alice@{domain}", by=world.root, now=timezone.now())
    for name in (f"alice@{domain}", f"alice@{a_label}"):
        assert by_imap(site, name, world.alices_app_password) == IN
        with smtplib.SMTP("127.0.0.1", site.smtp, timeout=60) as program:
            assert sign_in_to_send(program, name, world.alices_app_password) == SENT_IN


@pytest.mark.parametrize(
    "typed",
    [f"{ALICE} ", f" {ALICE}", "Alice@Harbour.Example.", f"\u200b{ALICE}", f"\u202a{ALICE}\u202c", f"\ufeff{ALICE}"],
)
def test_what_came_along_with_a_copied_name_makes_no_difference_at_either_door(
    site: Site, world: World, typed: str
) -> None:
    assert by_imap(site, typed, world.alices_app_password) == IN
    with smtplib.SMTP("127.0.0.1", site.smtp, timeout=60) as program:
        assert sign_in_to_send(program, typed, world.alices_app_password) == SENT_IN
