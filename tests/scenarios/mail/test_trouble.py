"""A closed door, a locked database, and programs that send garbage: never reported as a wrong password."""

from __future__ import annotations

import base64
import imaplib
import socket
import sqlite3

import pytest
from django.db import connection

from tests.left_out import ON_THE_OTHER_DATABASE
from tests.scenarios.mail.programs import IN, LATER, PROGRAMS, REFUSED, imap, smtp
from tests.scenarios.mail.site import Site
from tests.world import World
from watchword.audit.models import Event

pytestmark = [pytest.mark.scenario, pytest.mark.django_db(transaction=True)]

ALICE, CAROL = "alice@harbour.example", "carol@harbour.example"


def test_a_closed_door_means_later_and_then_it_opens_again(site: Site, world: World) -> None:
    assert {program(site, ALICE, world.alices_app_password) for program in PROGRAMS} == {IN}
    site.close_door()
    for secret in (world.alices_app_password, "canary of a wrong password"):
        assert {program(site, ALICE, secret) for program in PROGRAMS} == {LATER}
    site.open_door()
    assert {program(site, ALICE, world.alices_app_password) for program in PROGRAMS} == {IN}
    assert {program(site, ALICE, "canary of a wrong password") for program in PROGRAMS} == {REFUSED}


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason=f"{ON_THE_OTHER_DATABASE}only SQLite locks as a whole")
def test_a_locked_database_means_later(site: Site, world: World) -> None:
    others = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    others.execute("BEGIN IMMEDIATE")
    try:
        for name, secret in ((ALICE, world.alices_app_password), (ALICE, "wrong"), (CAROL, world.passwords["carol"])):
            assert imap(site, name, secret) == LATER
        assert smtp(site, ALICE, world.alices_app_password) == LATER
    finally:
        others.execute("ROLLBACK")
        others.close()
    assert {program(site, ALICE, world.alices_app_password) for program in PROGRAMS} == {IN}
    assert {program(site, CAROL, world.passwords["carol"]) for program in PROGRAMS} == {IN}


def test_no_log_ever_holds_a_password(site: Site, world: World) -> None:
    secrets = [world.alices_app_password, world.passwords["carol"], "canary of a wrong password"]
    for secret in secrets:
        for program in PROGRAMS:
            program(site, ALICE, secret)
    site.close_door()
    for secret in secrets:
        for program in PROGRAMS:
            assert program(site, ALICE, secret) == LATER
    site.open_door()
    logs = site.logs
    assert ALICE in logs
    for secret in secrets:
        for form in (secret, secret.replace(" ", ""), base64.b64encode(secret.encode()).decode()):
            assert form not in logs


def test_every_sign_in_is_remembered_with_service_and_address(site: Site, world: World) -> None:
    for program in PROGRAMS:
        program(site, ALICE, world.alices_app_password)
    seen = Event.objects.filter(kind="sign_in.allowed").values_list("door", "service", "address", "actor_name")
    assert set(seen) == {("mail", service, "127.0.0.1", ALICE) for service in ("imap", "pop3", "smtp")}


GARBAGE = {
    "NUL": b"a\x00b",
    "TAB": b"a\tb",
    "LF": b"a\nb",
    "CR LF": b"a\r\nb",
    "not UTF-8": b"\xff\xfe\xc3(",
    "64 kB": b"a" * 65_536,
    "escapes": b'\x01t\x01n"\\%u%w',
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_garbage_in_names_and_passwords_leaves_the_door_serving(site: Site, world: World, garbage: bytes) -> None:
    secret = world.alices_app_password.encode()
    for name, shown in ((garbage, secret), (ALICE.encode(), garbage), (garbage, garbage)):
        assert not imap_plain(site, name, shown)
        assert not smtp_plain(site, name, shown)
        for protocol in ("dict", "auth"):
            straight_at_the_door(site, protocol, name, shown)
    assert site.door.is_running
    assert {program(site, ALICE, world.alices_app_password) for program in PROGRAMS} == {IN}


def imap_plain(site: Site, name: bytes, secret: bytes) -> bool:
    """Return whether SASL PLAIN with any octets opens IMAP."""
    program = imaplib.IMAP4("127.0.0.1", site.imap, timeout=60)
    try:
        program.authenticate("PLAIN", lambda _challenge: b"\x00" + name + b"\x00" + secret)
    except (imaplib.IMAP4.error, ConnectionError):
        return False
    else:
        return True
    finally:
        program.shutdown()


def smtp_plain(site: Site, name: bytes, secret: bytes) -> bool:
    """Return whether SASL PLAIN with any octets opens SMTP."""
    response = base64.b64encode(b"\x00" + name + b"\x00" + secret)
    with (
        socket.create_connection(("127.0.0.1", site.smtp), timeout=60) as program,
        program.makefile("rwb") as lines,
    ):
        lines.readline()
        lines.write(b"EHLO program\r\nAUTH PLAIN " + response + b"\r\nQUIT\r\n")
        try:
            lines.flush()
            said = lines.read()
        except ConnectionError:
            return False
    return b"\n235" in said


def straight_at_the_door(site: Site, protocol: str, name: bytes, secret: bytes) -> None:
    """Send octets that no mail server sends, read until the door hangs up, and check that no answer is a success."""
    response = base64.b64encode(b"\x00" + name + b"\x00" + secret)
    said = {
        "dict": b"H3\t2\t0\t\twatchword\nLshared/passdb/" + name + b'"' + secret + b'"imap"127.0.0.1\talice\n',
        "auth": b"VERSION\t1\t2\nCPID\t1\nAUTH\t1\tPLAIN\tservice=smtp\tresp=" + response + b"\n",
    }[protocol]
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(60)
        peer.connect(str(site.sockets / protocol))
        peer.sendall(said)
        peer.shutdown(socket.SHUT_WR)
        heard = b""
        while octets := peer.recv(65_536):
            heard += octets
    assert b"\nO" not in heard
    assert not heard.startswith(b"O")
