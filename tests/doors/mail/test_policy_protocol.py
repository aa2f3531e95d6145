"""Postfix's policy protocol, line by line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.doors.mail.line_protocol import Hangup, Line, Reply, TooLong
from watchword.doors.mail.policy_protocol import MOST_ATTRIBUTES, AskGoOn, PolicySession, Step

ASKED = {
    "request": "smtpd_access_policy",
    "protocol_state": "DATA",
    "client_address": "192.0.2.1",
    "sasl_method": "PLAIN",
    "sasl_username": "alice@harbour.example",
    "instance": "3039.6a5b4c3d.a1b2c.7",
    "size": "1234",
}


def ask(conversation: PolicySession, attributes: dict[str, str], *more: bytes) -> Step | None:
    lines = [f"{name}={value}".encode() for name, value in attributes.items()]
    for line in (*lines, *more):
        assert conversation.receive(Line(line)) is None
    return conversation.receive(Line(b""))


def test_a_message_is_asked_about_by_name_process_and_address() -> None:
    conversation = PolicySession()
    assert ask(conversation, ASKED) == AskGoOn("alice@harbour.example", 12345, "192.0.2.1")
    again = ASKED | {"sasl_username": "bob@harbour.example", "instance": "1.2.3.4"}
    assert ask(conversation, again) == AskGoOn("bob@harbour.example", 1, "192.0.2.1"), "nothing is left of the first"


@pytest.mark.parametrize("change", [{"sasl_username": ""}, {"sasl_method": "", "sasl_username": ""}])
def test_who_has_not_signed_in_is_none_of_our_business(change: dict[str, str]) -> None:
    assert ask(PolicySession(), ASKED | change) == Reply(b"action=DUNNO\n\n")


@pytest.mark.parametrize("instance", ["", "zz.1.2", "123456789.1.2.3", "-1.2.3", "3039", "3039.x"])
def test_an_instance_of_another_kind_names_no_process(instance: str) -> None:
    assert ask(PolicySession(), ASKED | {"instance": instance}) == AskGoOn(ASKED["sasl_username"], 0, "192.0.2.1")


def test_another_mail_server_may_tell_its_process_in_decimal() -> None:
    assert ask(PolicySession(), ASKED | {"instance": "", "process": "4711"}) == AskGoOn(
        "alice@harbour.example", 4711, "192.0.2.1"
    )
    for odd in ("", "-1", "x", "9" * 11, "٣"):
        assert ask(PolicySession(), ASKED | {"process": odd}) == AskGoOn("alice@harbour.example", 12345, "192.0.2.1")


def test_a_name_with_a_joiner_is_asked_about() -> None:
    name = "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627@harbour.example"
    assert ask(PolicySession(), ASKED | {"sasl_username": name}) == AskGoOn(name, 12345, "192.0.2.1")


@pytest.mark.parametrize("name", ["a" * 321, "ali\tce@x", "\u2028@x", "\ufffd@x"])
def test_an_impossible_name_ends_the_session(name: str) -> None:
    answer = ask(PolicySession(), ASKED | {"sasl_username": name})
    assert isinstance(answer, Reply)
    assert answer.octets.startswith(b"action=421 4.7.0 ")


def test_the_first_word_counts() -> None:
    forged = b"sasl_username=root@harbour.example"
    assert ask(PolicySession(), ASKED, forged) == AskGoOn("alice@harbour.example", 12345, "192.0.2.1")


def test_an_address_that_is_none_is_no_address() -> None:
    assert ask(PolicySession(), ASKED | {"client_address": "unknown"}) == AskGoOn(ASKED["sasl_username"], 12345, "")


@pytest.mark.parametrize(
    "line", [Line(b"GET / HTTP/1.1"), TooLong(b"sasl_username=aaa"), Line(b"\xff\xfe"), Line(b"")], ids=repr
)
def test_another_protocol_is_hung_up_on(line: Line | TooLong) -> None:
    assert isinstance(PolicySession().receive(line), Hangup)


def test_a_request_of_another_kind_is_hung_up_on() -> None:
    assert isinstance(ask(PolicySession(), ASKED | {"request": "junk"}), Hangup)


def test_a_request_without_an_end_is_hung_up_on() -> None:
    conversation = PolicySession()
    for _ in range(MOST_ATTRIBUTES):
        assert conversation.receive(Line(b"a=b")) is None
    assert isinstance(conversation.receive(Line(b"a=b")), Hangup)


@given(st.lists(st.binary(max_size=200)))
def test_no_octets_break_the_conversation(lines: list[bytes]) -> None:
    conversation = PolicySession()
    for line in lines:
        conversation.receive(Line(line))
    assert len(conversation._attributes) <= MOST_ATTRIBUTES
