"""Dovecot's authentication protocol as a dialogue without any connection."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.doors.mail.auth_protocol import (
    MOST_CONVERSATIONS,
    Ask,
    AuthSession,
    Send,
    Step,
    allowed,
    greeting,
    later,
    refused,
)
from watchword.doors.mail.line_protocol import LONGEST_LINE, Hangup, Line, Lines


def coded(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def plain(name: str, secret: str, as_whom: str = "") -> str:
    return coded(f"{as_whom}\x00{name}\x00{secret}")


def say(conversation: AuthSession, line: str | bytes) -> Step | None:
    [whole] = Lines().feed((line.encode() if isinstance(line, str) else line) + b"\n")
    return conversation.receive(whole)


@pytest.fixture
def conversation() -> AuthSession:
    begun = AuthSession()
    assert say(begun, "VERSION\t1\t2") is None
    assert say(begun, "CPID\t4711") is None
    return begun


def auth(conversation: AuthSession, response: str, *, request: int = 1, mechanism: str = "PLAIN") -> Step | None:
    return say(conversation, f"AUTH\t{request}\t{mechanism}\tservice=smtp\tnologin\trip=192.0.2.1\tresp={response}")


def test_the_greeting_offers_what_is_spoken() -> None:
    assert greeting(7, 3, bytes(16)).decode().splitlines() == [
        "VERSION\t1\t2",
        "MECH\tPLAIN\tplaintext",
        "MECH\tLOGIN\tplaintext",
        "SPID\t7",
        "CUID\t3",
        f"COOKIE\t{'00' * 16}",
        "DONE",
    ]


def test_plain_asks_one_question(conversation: AuthSession) -> None:
    step = auth(conversation, plain("alice@x", "päss word"), request=42)
    assert isinstance(step, Ask)
    assert (step.request, step.name) == (42, "alice@x")
    asked = step.question
    assert (asked.name, asked.secret.reveal(), asked.service, asked.address) == (
        "alice@x",
        "päss word",
        "smtp",
        "192.0.2.1",
    )


def test_plain_without_a_first_response_is_asked_for_it(conversation: AuthSession) -> None:
    assert say(conversation, "AUTH\t1\tPLAIN\tservice=smtp") == Send(b"CONT\t1\t\n")
    assert isinstance(say(conversation, f"CONT\t1\t{plain('alice@x', 'secret')}"), Ask)


def test_login_asks_for_name_and_password(conversation: AuthSession) -> None:
    assert say(conversation, "AUTH\t1\tLOGIN\tservice=smtp") == Send(f"CONT\t1\t{coded('Username:')}\n".encode())
    assert say(conversation, f"CONT\t1\t{coded('alice@x')}") == Send(f"CONT\t1\t{coded('Password:')}\n".encode())
    step = say(conversation, f"CONT\t1\t{coded('secret')}")
    assert isinstance(step, Ask)
    assert (step.question.name, step.question.secret.reveal()) == ("alice@x", "secret")


@pytest.mark.parametrize(("mechanism", "prompt"), [("PLAIN", ""), ("LOGIN", "Username:")])
def test_an_empty_response_is_no_response(conversation: AuthSession, mechanism: str, prompt: str) -> None:
    assert auth(conversation, "", mechanism=mechanism) == Send(f"CONT\t1\t{coded(prompt)}\n".encode())


def test_an_empty_answer_to_a_prompt_is_an_empty_name_or_password(conversation: AuthSession) -> None:
    assert auth(conversation, "") == Send(b"CONT\t1\t\n")
    assert say(conversation, "CONT\t1\t") == Send(refused(1))
    say(conversation, "AUTH\t2\tLOGIN\tservice=smtp\tresp=")
    assert say(conversation, "CONT\t2\t") == Send(f"CONT\t2\t{coded('Password:')}\n".encode())
    assert say(conversation, f"CONT\t2\t{coded('secret')}") == Send(refused(2))


def test_login_may_send_the_name_at_once(conversation: AuthSession) -> None:
    assert auth(conversation, coded("alice@x"), mechanism="login") == Send(f"CONT\t1\t{coded('Password:')}\n".encode())


def test_acting_as_oneself_is_allowed_and_as_another_refused(conversation: AuthSession) -> None:
    assert isinstance(auth(conversation, plain("alice@x", "secret", "alice@x")), Ask)
    assert auth(conversation, plain("alice@x", "secret", "bob@x"), request=2) == Send(refused(2))
    assert auth(conversation, plain("alice@x", "secret", "ALICE@x"), request=3) == Send(refused(3))


@pytest.mark.parametrize(
    "response",
    [
        "=",
        "not base64!",
        "QUJ",
        coded(b"\x00\xff\xfe\x00secret"),
        coded(b"\x00alice@x\x00M\xfcllers K\xfche"),
        coded("alice@x"),
        coded("\x00alice@x"),
        coded("\x00alice@x\x00sec\x00ret"),
        plain("", "secret"),
        plain("alice@x", ""),
        plain("ali\tce@x", "secret"),
        plain("ali\nce@x", "secret"),
        plain("a" * 321, "secret"),
        plain("alice@x", "s" * 1025),
    ],
)
def test_a_message_that_no_honest_peer_sends_is_refused(conversation: AuthSession, response: str) -> None:
    assert auth(conversation, response) == Send(refused(1))
    assert isinstance(auth(conversation, plain("alice@x", "secret")), Ask)


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "CRAM-MD5", "ANONYMOUS", "EXTERNAL", "", "PLAIN "])
def test_other_mechanisms_are_refused(conversation: AuthSession, mechanism: str) -> None:
    assert auth(conversation, plain("alice@x", "secret"), mechanism=mechanism) == Send(refused(1))


def test_what_follows_the_response_is_not_believed(conversation: AuthSession) -> None:
    step = auth(conversation, f"{plain('alice@x', 'secret')}\trip=127.0.0.1\tservice=imap")
    assert isinstance(step, Ask)
    assert (step.question.address, step.question.service) == ("192.0.2.1", "smtp")


def test_the_first_word_about_the_address_counts(conversation: AuthSession) -> None:
    step = say(conversation, f"AUTH\t1\tPLAIN\trip=192.0.2.1\trip=127.0.0.1\tresp={plain('alice@x', 's')}")
    assert isinstance(step, Ask)
    assert step.question.address == "192.0.2.1"


def test_a_cancelled_request_gets_no_answer(conversation: AuthSession) -> None:
    auth(conversation, plain("alice@x", "secret"), request=5)
    assert say(conversation, "CANCEL\t5") is None
    assert not conversation.answered(5)
    say(conversation, "AUTH\t6\tPLAIN\tservice=smtp")
    say(conversation, "CANCEL\t6")
    assert say(conversation, f"CONT\t6\t{plain('alice@x', 'secret')}") == Send(refused(6))


def test_a_request_is_answered_once(conversation: AuthSession) -> None:
    auth(conversation, plain("alice@x", "secret"), request=5)
    assert conversation.answered(5)
    assert not conversation.answered(5)


def test_a_long_line_is_refused_and_the_next_request_is_heard(conversation: AuthSession) -> None:
    assert auth(conversation, "A" * 65_536, request=9) == Send(refused(9))
    assert isinstance(auth(conversation, plain("alice@x", "secret"), request=10), Ask)
    assert isinstance(say(conversation, b"A" * (LONGEST_LINE + 1)), Hangup)


def test_octets_that_are_no_text_are_refused(conversation: AuthSession) -> None:
    assert say(conversation, b"AUTH\t9\tPLAIN\tservice=\xff\tresp=AAAA") == Send(refused(9))
    assert isinstance(say(conversation, b"\xff"), Hangup)


def test_a_forgotten_response_for_an_unknown_request_is_refused(conversation: AuthSession) -> None:
    assert say(conversation, f"CONT\t77\t{coded('x')}") == Send(refused(77))


def test_too_many_requests_at_once_end_the_connection(conversation: AuthSession) -> None:
    for request in range(MOST_CONVERSATIONS):
        assert isinstance(auth(conversation, plain("alice@x", "secret"), request=request), Ask)
    assert isinstance(auth(conversation, plain("alice@x", "secret"), request=1000), Hangup)


def test_a_request_id_in_use_ends_the_connection(conversation: AuthSession) -> None:
    auth(conversation, plain("alice@x", "secret"))
    assert isinstance(auth(conversation, plain("alice@x", "secret")), Hangup)


@pytest.mark.parametrize(
    "line",
    ["VERSION\t2\t0", "VERSION", "VERSION\tx\ty", "VERSION\t1\t²", "CPID\t1", "AUTH\t1\tPLAIN", "GET / HTTP/1.1", ""],
)
def test_who_does_not_introduce_himself_is_hung_up_on(line: str) -> None:
    assert isinstance(say(AuthSession(), line), Hangup)


@pytest.mark.parametrize(
    "line", ["AUTH", "AUTH\tx\tPLAIN", "AUTH\t-1\tPLAIN", "AUTH\t4294967296\tPLAIN", "CONT", "USER\t1\ta"]
)
def test_nonsense_after_the_greeting_is_hung_up_on(conversation: AuthSession, line: str) -> None:
    assert isinstance(say(conversation, line), Hangup)


def test_only_clients_of_a_later_minor_version_understand_later() -> None:
    for minor, understands in ((0, False), (1, True), (2, True)):
        begun = AuthSession()
        say(begun, f"VERSION\t1\t{minor}")
        assert begun.understands_later is understands


def test_answers_cannot_be_forged_by_a_name() -> None:
    assert allowed(1, "a\tuser=root\n@x") == b"OK\t1\tuser=a\x01tuser=root\x01n@x\n"
    assert refused(1, "a\ttemp") == b"FAIL\t1\tuser=a\x01ttemp\n"
    assert later(3) == b"FAIL\t3\ttemp\tcode=temp_fail\n"


@given(st.lists(st.binary(max_size=200)))
def test_no_octets_break_the_conversation(lines: list[bytes]) -> None:
    begun = AuthSession()
    for line in lines:
        begun.receive(Line(line))


words = st.sampled_from(
    ["VERSION", "CPID", "AUTH", "CONT", "CANCEL", "1", "2", "0", "PLAIN", "LOGIN", "service=smtp", "resp="]
)


@given(st.lists(st.lists(words | st.text(max_size=20), max_size=6), max_size=20))
def test_no_order_of_words_breaks_the_conversation(lines: list[list[str]]) -> None:
    begun = AuthSession()
    begun.receive(Line(b"VERSION\t1\t2"))
    for fields in lines:
        begun.receive(Line("\t".join(fields).encode("utf-8", "surrogatepass")))
    assert len(begun._halves) + len(begun._asked) <= MOST_CONVERSATIONS
