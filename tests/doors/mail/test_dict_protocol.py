"""Dovecot's dict protocol, line by line."""

import json

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from hypothesis import given
from hypothesis import strategies as st

from tests.environment import KEYS
from tests.keys import rotated
from watchword.core.keyring import KeyRing
from watchword.doors.mail.dict_protocol import (
    AskAll,
    AskMailbox,
    AskPassword,
    Command,
    Hello,
    Ignore,
    LookupFailed,
    LookupRejected,
    found,
    let_in,
    mailboxes,
    parse,
)
from watchword.doors.mail.encryption import sealing_key
from watchword.doors.mail.line_protocol import LONGEST_LINE, Hangup, Line, Lines, tab_escape, tab_unescape

RING = KeyRing.parse(KEYS, random_source=lambda length: bytes(range(length)))


def read(octets: bytes, ring: KeyRing = RING) -> Command:
    [line] = Lines().feed(octets + b"\n")
    return parse(line, ring)


def look_up(key: str, ring: KeyRing = RING) -> Command:
    return read(f"L{tab_escape(f'shared/{key}')}\talice".encode(), ring)


def field(text: str) -> str:
    """Return a field as Dovecot's %E escapes it."""
    return "".join(f"\\{character}" if character in "\"'\\" else character for character in text)


def sealed(secret: bytes, ring: KeyRing = RING) -> str:
    """Return a password as Dovecot's %{encrypt} encrypts it."""
    padder = PKCS7(128).padder()
    encryptor = Cipher(AES256(sealing_key(ring)[1]), CBC(bytes(range(16)))).encryptor()
    text = encryptor.update(padder.update(secret) + padder.finalize()) + encryptor.finalize()
    return f"{bytes(range(16)).hex()}${text.hex()}$"


@given(st.binary(max_size=300))
def test_no_octets_break_the_parser(octets: bytes) -> None:
    assert parse(Line(octets), RING) is not None


@given(
    st.sampled_from([b"H", b"L", b"Lshared/passdb/", b"Lshared/sealed/testkey1/", b"Lshared/userdb/"]),
    st.binary(max_size=300),
)
def test_nothing_behind_a_command_breaks_the_parser(command: bytes, octets: bytes) -> None:
    assert parse(Line(command + octets), RING) is not None


printable = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=100)


@given(
    printable, st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=200)
)
def test_every_name_and_password_arrives_whole(name: str, secret: str) -> None:
    for kind, shown in (("passdb", field(secret)), ("sealed/testkey1", sealed(secret.encode()))):
        command = look_up(f'{kind}/{field(name)}"{shown}"imap"192.0.2.1')
        assert isinstance(command, AskPassword)
        assert command.question.name == name
        assert command.question.secret.reveal() == secret
        assert (command.question.service, command.question.address) == ("imap", "192.0.2.1")


@pytest.mark.parametrize("octets", [b"H3\t2\t0\t\twatchword", b"H4\t0\t0\t\twatchword", b"H3\t2\t0\talice\tauth"])
def test_versions_three_and_four_are_spoken(octets: bytes) -> None:
    assert read(octets) == Hello()


@pytest.mark.parametrize(
    "octets", [b"H2\t0\t0\t\tauth", b"H5\t0\t0\t\tauth", b"H", b"H3", b"H\xb2\t0\t0\t\ta", b"Hx\t0\t0\t\tauth"]
)
def test_another_version_is_hung_up_on(octets: bytes) -> None:
    assert isinstance(read(octets), Hangup)


@pytest.mark.parametrize("octets", [b"", b"GET / HTTP/1.1", b"Q", b"\x00", b"\xff\xfe"])
def test_another_protocol_is_hung_up_on(octets: bytes) -> None:
    assert isinstance(read(octets), Hangup)


@pytest.mark.parametrize("octets", [b"B1", b"S1\tshared/a\tb", b"U1\tshared/a", b"A1\tshared/a\t1", b"R1", b"T1\t2\t3"])
def test_nothing_can_be_written(octets: bytes) -> None:
    assert read(octets) == Ignore()


@pytest.mark.parametrize(
    ("octets", "most"),
    [(b"I0\t0\tshared/userdb/\t", None), (b"I0\t10\tshared/userdb/\talice", 10), (b"I8\t0\tshared/userdb/", None)],
)
def test_mailboxes_are_listed(octets: bytes, most: int | None) -> None:
    assert read(octets) == AskAll(most)


@pytest.mark.parametrize(
    "octets", [b"I", b"I0\t0", b"I0\t0\tshared/passdb/\t", b"I0\tx\tshared/userdb/\t", b"I0\t0\tpriv/\t", b"C1", b"D1"]
)
def test_nothing_else_is_listed(octets: bytes) -> None:
    assert isinstance(read(octets), LookupFailed)


def test_a_list_has_one_row_for_each_mailbox() -> None:
    assert mailboxes(["alice@x", "bücher\t@x"]) == "Oshared/userdb/alice@x\t\nOshared/userdb/bücher\x01t@x\t\n".encode()


@pytest.mark.parametrize(
    "key",
    [
        "passdb/alice@x",
        'passdb/alice@x"secret"imap',
        'passdb/alice@x"secret"imap"192.0.2.1"more',
        'passdb/alice@x"secret\\',
        'passdb/"secret"imap"192.0.2.1',
        'passdb/alice@x""imap"192.0.2.1',
        'passdb/ali\x00ce@x"secret"imap"192.0.2.1',
        'passdb/ali\nce@x"secret"imap"192.0.2.1',
        'passdb/ali\tce@x"secret"imap"192.0.2.1',
        'passdb/alice@x"sec\x00ret"imap"192.0.2.1',
        "userdb/",
        "userdb/ali\nce@x",
        f"userdb/{'a' * 321}",
    ],
)
def test_a_lookup_of_an_impossible_name_is_refused(key: str) -> None:
    assert look_up(key) == LookupRejected()


def test_octets_that_are_no_text_are_refused() -> None:
    assert read(b'Lshared/passdb/alice@x"\xff\xfe"imap"\talice') == LookupRejected()


def test_a_look_up_that_is_too_long_is_refused() -> None:
    assert read(b'Lshared/passdb/alice@x"' + b"x" * LONGEST_LINE) == LookupRejected()


def test_a_sealed_password_that_cannot_be_opened_is_no_wrong_password() -> None:
    new_ring = rotated(RING)
    key = f'sealed/testkey1/alice@x"{sealed(b"secret")}"imap"192.0.2.1'
    assert isinstance(look_up(key, new_ring), AskPassword)
    assert isinstance(look_up(key, KeyRing(new_ring.keys[:1], random_source=bytes)), LookupFailed)
    for damaged in ("", "00$00$", "zz", f"{'00' * 16}${'00' * 16}$", f"{sealed(b'secret')}0"):
        assert isinstance(look_up(f'sealed/testkey1/alice@x"{damaged}"imap"192.0.2.1'), LookupFailed)
    another = KeyRing.parse(KEYS.replace(":AAEC", ":BAEC"), random_source=bytes)
    assert [key.id for key in another.keys] == [key.id for key in RING.keys]
    assert isinstance(look_up(key, another), LookupFailed)


@pytest.mark.parametrize("octets", [b"M\xfcllers K\xfche gr\xfc\xdfen", b"\xff", b"\xc3", "grüßen".encode("utf-16")])
def test_a_sealed_password_that_is_not_utf_8_is_a_wrong_password(octets: bytes) -> None:
    assert look_up(f'sealed/testkey1/alice@x"{sealed(octets)}"imap"192.0.2.1') == LookupRejected()


def test_why_something_cannot_be_answered_holds_no_secret() -> None:
    command = look_up('sealed/otherkey/alice@x"canary"imap"192.0.2.1')
    assert isinstance(command, LookupFailed)
    assert "canary" not in command.why


def test_a_mailbox_is_asked_for_by_its_name() -> None:
    assert look_up("userdb/Alice@harbour.example") == AskMailbox("Alice@harbour.example")
    assert look_up("userdb/lmtp/Alice@harbour.example") == AskMailbox("Alice@harbour.example", "lmtp")


def test_answers_are_one_line_of_json() -> None:
    answer = let_in('strange"name\n@harbour.example')
    assert answer[:1] == b"O"
    assert answer.index(b"\n") == len(answer) - 1
    assert json.loads(tab_unescape(answer[1:-1].decode())) == {
        "password": None,
        "nopassword": "y",
        "user": 'strange"name\n@harbour.example',
    }
    assert found({"user": "ü"}) == 'O{"user": "ü"}\n'.encode()
