"""Postfix's socketmap protocol, netstring by netstring."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.doors.mail import socketmap
from watchword.doors.mail.line_protocol import Hangup, Line, Reply, TooLong
from watchword.doors.mail.socketmap import (
    LONGEST_REQUEST,
    AskAscii,
    AskSenders,
    Netstrings,
    parse,
    senders,
)


def netstring(text: str | bytes) -> bytes:
    octets = text.encode() if isinstance(text, str) else text
    return b"%d:%s," % (len(octets), octets)


def ask(text: str | bytes) -> object:
    [request] = Netstrings().feed(netstring(text))
    return parse(request)


@given(st.lists(st.binary(max_size=100), max_size=8), st.integers(1, 17))
def test_netstrings_arrive_whole_however_they_are_cut(wanted: list[bytes], size: int) -> None:
    stream = b"".join(netstring(one) for one in wanted)
    cutter = Netstrings()
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    assert [one for piece in pieces for one in cutter.feed(piece)] == [Line(one) for one in wanted]


@pytest.mark.parametrize(
    "octets",
    [
        b":",
        b"x",
        b"-1:",
        b"03:abc,",
        b"3:abcd",
        b"GET / HTTP/1.1",
        b"\xb2:ab,",
        b"99999",
        b"123456",
        b"16385:",
        b" 3:abc,",
    ],
)
def test_what_is_no_netstring_or_too_long_is_hung_up_on(octets: bytes) -> None:
    cutter = Netstrings()
    assert cutter.feed(octets) == [TooLong(b"")]
    assert isinstance(parse(TooLong(b"")), Hangup)
    assert cutter.feed(netstring("sender_logins a@x")) == [TooLong(b"")], "nothing after it is believed"


def test_the_longest_request_is_taken() -> None:
    assert Netstrings().feed(netstring(b"a" * LONGEST_REQUEST)) == [Line(b"a" * LONGEST_REQUEST)]


@given(st.binary(max_size=300))
def test_no_octets_break_the_parser(octets: bytes) -> None:
    for request in Netstrings().feed(octets):
        assert parse(request) is not None
    assert parse(Line(octets)) is not None


def test_an_address_is_asked_for() -> None:
    assert ask("sender_logins alice@harbour.example") == AskSenders("alice@harbour.example")
    assert ask("sender_logins o'brien grüße@bücher.example") == AskSenders("o'brien grüße@bücher.example")


PERSIAN = "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627@harbour.example"
"""A name with a zero width non-joiner where its script needs one."""


def test_a_name_with_a_joiner_is_asked_for_and_told() -> None:
    assert ask(f"sender_logins {PERSIAN}") == AskSenders(PERSIAN)
    assert ask(f"ascii_addresses {PERSIAN}") == AskAscii(PERSIAN)
    assert senders([PERSIAN]) == netstring(f"OK {PERSIAN}")


@pytest.mark.parametrize("key", [b"", b"\xff@x", b"a\n@x", b"a\x00@x", b"a" * 321])
def test_what_is_no_address_finds_no_sender(key: bytes) -> None:
    assert ask(b"sender_logins " + key) == Reply(b"9:NOTFOUND ,")


def test_a_request_without_an_address_finds_no_sender() -> None:
    assert ask("sender_logins") == Reply(socketmap.not_found())


@pytest.mark.parametrize("name", ["virtual alice@x", "", "SENDER_LOGINS alice@x"])
def test_another_map_is_a_mistake_in_the_configuration(name: str) -> None:
    answer = ask(name)
    assert isinstance(answer, Reply)
    assert b"PERM" in answer.octets


def test_answers_are_netstrings() -> None:
    assert senders(["alice@x", "bob@x"]) == b"16:OK alice@x,bob@x,"
    assert senders(["grüße@x"]) == netstring("OK grüße@x")
    assert senders([]) == b"9:NOTFOUND ,"
    assert socketmap.later() == b"20:TEMP try again later,"


@pytest.mark.parametrize("name", ["a,root@x", "a root@x", "a\troot@x", "a\nroot@x", "\u2028"])
def test_a_name_cannot_be_two(name: str) -> None:
    assert senders([name]) == socketmap.not_found()
    assert senders([name, "bob@x"]) == netstring("OK bob@x")
