"""Whatever a client sends in a socket, a header, a form or a file, the parsers answer and never crash."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.environment import KEYS
from watchword.core.codes import normal_app_password, normal_code
from watchword.core.keyring import KeyRing
from watchword.core.restrictions import InvalidNetwork, read_networks
from watchword.core.usernames import InvalidSignInName, name_key
from watchword.doors.mail import auth_protocol, dict_protocol, policy_protocol, socketmap
from watchword.doors.mail.line_protocol import Lines
from watchword.doors.web.next_address import safe_next
from watchword.factors.phone.factor import read_number

SECONDS = float(os.environ.get("TEST_FUZZ_SECONDS", "0"))
"""Total time for all parsers together; each gets its 500 examples once, however long that takes."""

WORDS = (
    b"AUTH CONT CANCEL VERSION CPID PLAIN LOGIN service=imap rip= resp= H3 L I 1 0 = / AGEAYg== shared/ priv/".split()
)
WORDS += [b"\t", b"\n", b"\0", b"\x01", b"\xff", b"9" * 25]
octets = st.lists(st.sampled_from(WORDS) | st.binary(max_size=12), max_size=25).map(b"".join)
chunks = st.lists(octets, max_size=6)
texts = st.text(max_size=80) | octets.map(lambda raw: raw.decode("utf-8", "surrogateescape"))

RING = KeyRing.parse(KEYS, random_source=lambda number: b"\1" * number)


def auth(pieces: list[bytes]) -> None:
    lines, conversation = Lines(), auth_protocol.AuthSession()
    for piece in (b"VERSION\t1\t2\nCPID\t1\n", *pieces):
        for line in lines.feed(piece):
            conversation.receive(line)


def dictionary(pieces: list[bytes]) -> None:
    lines = Lines()
    for piece in (b"H3\t2\t0\t\twatchword\n", *pieces):
        for line in lines.feed(piece):
            dict_protocol.parse(line, RING)


def senders(pieces: list[bytes]) -> None:
    netstrings = socketmap.Netstrings()
    for piece in pieces:
        for request in (*netstrings.feed(b"%d:%s," % (len(piece), piece)), *netstrings.feed(piece)):
            socketmap.parse(request)


def policy(pieces: list[bytes]) -> None:
    lines, conversation = Lines(), policy_protocol.PolicySession()
    for piece in (b"request=smtpd_access_policy\n", *pieces, b"\n\n"):
        for line in lines.feed(piece):
            conversation.receive(line)


def words(text: str) -> None:
    with suppress(InvalidSignInName):
        assert name_key(name_key(text)) == name_key(text)
    with suppress(InvalidNetwork):
        read_networks(text.splitlines())
    letters, digits = normal_app_password(text), normal_code(text)
    assert letters is None or len(letters) == 24
    assert digits is None or (len(digits) == 6 and digits.isascii())
    assert safe_next(text).startswith("/")
    assert not safe_next(text).startswith("//")
    read_number(text, "DE")


@pytest.mark.parametrize(
    ("parser", "strategy"),
    [(auth, chunks), (dictionary, chunks), (senders, chunks), (policy, chunks), (words, texts)],
    ids=["auth", "dict", "senders", "policy", "words"],
)
def test_no_octets_make_a_parser_fall_over[T](parser: Callable[[T], None], strategy: st.SearchStrategy[T]) -> None:
    tried = 0

    @settings(max_examples=500, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(strategy)
    def once(value: T) -> None:
        nonlocal tried
        tried += 1
        parser(value)

    until = time.monotonic() + SECONDS / 3
    while True:
        once()
        if time.monotonic() > until:
            break
    print(f"{parser.__name__}: {tried:,} examples")  # noqa: T201  (the output of the long run)
    assert tried >= 400
