"""The maildirs of the demo: the inbox stays readable whatever strangers send, and no message is changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as play
from hypothesis import strategies as st

from watchword.demo import mailbox_store

NAME = "alice@harbour.example"


@pytest.fixture(autouse=True)
def boxes(settings: Any, tmp_path: Path) -> None:
    settings.WATCHWORD_HOME = tmp_path


def read_back(content: bytes) -> mailbox_store.Mail:
    mailbox_store.deliver(NAME, content)
    key = mailbox_store.inbox(NAME)[0].key
    mail = mailbox_store.read(NAME, key)
    assert mail is not None
    return mail


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"Content-Type: text/plain; charset=klingon\n\nqapla", "qapla"),
        (b"Content-Type: text/plain; charset=latin-1\n\ngr\xfcn", "grün"),
        (b"Content-Type: text/html\n\n<title>t</title><p>Hi <b>you</b><script>alert(1)</script>", "Hi you"),
        (b"Content-Type: text/html\n\nbefore<![foo x]>after", "before"),
        (b"Content-Type: multipart/mixed\n\nno boundary", ""),
        (b"Content-Transfer-Encoding: base64\n\n!!!!x", "!!!!x"),
        (
            (
                b"Content-Type: multipart/alternative; boundary=x\n\n--x\nContent-Type: text/html\n\n<i>h</i>\n"
                b"--x\nContent-Type: text/plain\n\nplain\n--x--\n"
            ),
            "plain",
        ),
        (b"From: a@[\nFrom: <\nDate: Mon, 99 Jan 99999\n\nstill here", "still here"),
        (b"Date: Mon, 1 Jan 0001 00:00:00 +2359\n\nold", "old"),
        (b"", ""),
    ],
)
def test_strange_mails_are_read_as_well_as_can_be(content: bytes, text: str) -> None:
    assert read_back(content).text.strip() == text


def test_encoded_words_are_read_and_control_letters_are_not_shown() -> None:
    mail = read_back(b"From: =?utf-8?q?Zo=C3=AB?= <z@y.example>\nSubject: =?utf-8?b?R3LDvMOfZQ==?= \x00\x1b\n\nx")
    assert mail.sender == "Zoë <z@y.example>"
    assert mail.subject == "Grüße"


@given(st.binary(max_size=200))
@play(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_mail_hides_the_others(noise: bytes) -> None:
    for content in (noise, b"Subject: " + noise, b"Content-Type: text/html\n\n" + noise, b"From: " + noise + b"\n\nx"):
        mailbox_store.deliver(NAME, content)
    box = mailbox_store.open_box(NAME)
    keys = box.keys()
    assert {mail.key for mail in mailbox_store.inbox(NAME)} == set(keys)
    for key in keys:
        assert mailbox_store.read(NAME, key) is not None
        box.discard(key)


def test_reading_marks_a_mail_and_leaves_every_octet_of_it() -> None:
    content = b"From: x@y.example\r\nSubject: signed \xff\r\n\r\nexactly  so \r\n"
    before = len(mailbox_store.inbox(NAME))
    mailbox_store.deliver(NAME, content)
    (mail,) = mailbox_store.inbox(NAME)
    stored = mailbox_store.open_box(NAME).get_bytes(mail.key)
    assert not mail.is_read
    for _ in range(2):
        mailbox_store.read(NAME, mail.key)
        (mail,) = mailbox_store.inbox(NAME)
        assert mail.is_read
    assert mailbox_store.open_box(NAME).get_bytes(mail.key) == stored
    assert before == 0


@pytest.mark.parametrize("key", ["", "..", "../../keys", "no-such-mail", "\0"])
def test_a_key_of_no_mail_opens_nothing(key: str) -> None:
    mailbox_store.deliver(NAME, b"Subject: here\n\nx")
    assert mailbox_store.read(NAME, key) is None
    assert not mailbox_store.inbox(NAME)[0].is_read
