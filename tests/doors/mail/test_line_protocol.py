"""Lines of a bounded length, tab escaping, and fields with impossible values."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.core.codes import LONGEST_TYPED
from watchword.doors.mail.line_protocol import (
    LONGEST_LINE,
    LONGEST_NAME,
    Line,
    Lines,
    TooLong,
    known_address,
    known_service,
    question,
    tab_escape,
    tab_unescape,
)


def fed(pieces: Iterable[bytes]) -> list[Line | TooLong]:
    lines = Lines()
    return [line for piece in pieces for line in lines.feed(piece)]


@given(st.text())
def test_what_is_escaped_is_unescaped_to_the_same(text: str) -> None:
    assert tab_unescape(tab_escape(text)) == text


@given(st.text())
def test_escaped_text_can_forge_neither_a_field_nor_a_line(text: str) -> None:
    assert not set(tab_escape(text)) & set("\x00\t\r\n")


@given(st.text(alphabet="\x0101trnlx"))
def test_any_text_can_be_unescaped(text: str) -> None:
    assert isinstance(tab_unescape(text), str)


@given(st.lists(st.binary(max_size=40)), st.data())
def test_lines_are_the_same_however_they_are_cut(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line.replace(b"\n", b" ") + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert fed(pieces) == [Line(line.replace(b"\n", b" ")) for line in lines]


@pytest.mark.parametrize("size", [1, 1000, 70_000])
def test_a_line_that_is_too_long_is_dropped_and_the_next_is_read(size: int) -> None:
    stream = b"A" * 65_536 + b"\nnext\n"
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    assert fed(pieces) == [TooLong(b"A" * 256), Line(b"next")]


def test_the_longest_line_is_still_a_line() -> None:
    assert fed([b"A" * LONGEST_LINE + b"\n"]) == [Line(b"A" * LONGEST_LINE)]
    assert fed([b"A" * (LONGEST_LINE + 1) + b"\n"]) == [TooLong(b"A" * 256)]


def test_a_line_without_end_is_not_kept() -> None:
    lines = Lines()
    for _ in range(100):
        assert lines.feed(b"A" * 65_536) == []
    assert len(lines._rest) == 0


@pytest.mark.parametrize(
    "name", ["", "a\x00b@x", "a\tb@x", "a\nb@x", "a\rb@x", "a\x1b[0m@x", "a\u2028b@x", "a" * (LONGEST_NAME + 1)]
)
def test_an_impossible_name_is_no_request(name: str) -> None:
    assert question(name, "secret", "imap", "") is None


@pytest.mark.parametrize("secret", ["", "a\x00b", "a" * (LONGEST_TYPED + 1)])
def test_an_impossible_secret_is_no_request(secret: str) -> None:
    assert question("alice@x", secret, "imap", "") is None


def test_a_question_hides_its_secret() -> None:
    asked = question("alice@x", "canary", "imap", "192.0.2.1")
    assert asked is not None
    assert "canary" not in repr(asked)
    assert asked.secret.reveal() == "canary"


@pytest.mark.parametrize(
    ("said", "known"),
    [("imap", "imap"), ("SUBMISSION", "smtp"), ("managesieve", "sieve"), ("a b", ""), ("é", ""), ("", "")],
)
def test_services_have_one_name_each(said: str, known: str) -> None:
    assert known_service(said) == known


@pytest.mark.parametrize(
    ("said", "known"), [("192.0.2.1", "192.0.2.1"), ("2001:DB8::0:1", "2001:db8::1"), ("nowhere", ""), ("", "")]
)
def test_what_is_no_address_is_left_out(said: str, known: str) -> None:
    assert known_address(said) == known
