"""The end of a request: however it is split, it is not read before it is complete, and no wait is endless."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.cli.request_framing import LARGEST_HEAD, Framing

MOST = 1000
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
FORM = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\nname=me"
CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nname\r\n3;x=y\r\n=me\r\n0\r\n\r\n"
TRAILED = CHUNKED[:-2] + b"Trailer: 1\r\n\r\n"


@given(st.sampled_from([GET, FORM, CHUNKED, TRAILED]), st.data())
def test_a_request_is_whole_with_its_last_octet_and_not_before(request: bytes, data: st.DataObject) -> None:
    framing, sent = Framing(MOST), 0
    while sent < len(request):
        size = data.draw(st.integers(1, len(request) - sent))
        assert not framing.is_whole
        framing.feed(request[sent : sent + size])
        sent += size
    assert framing.is_whole
    assert not framing.is_cut
    assert framing.octets == request


def test_what_is_sent_ahead_stays_with_the_request() -> None:
    framing = Framing(MOST)
    assert framing.feed(FORM + GET)
    assert framing.octets == FORM + GET


@pytest.mark.parametrize("length", [b"1001", b"99999999"])
def test_a_body_that_is_too_large_is_not_taken(length: bytes) -> None:
    head = b"POST / HTTP/1.1\r\nContent-Length: " + length + b"\r\n\r\n"
    framing = Framing(MOST)
    assert framing.feed(head + b"x" * 500)
    assert framing.is_cut
    assert framing.octets == head


def test_chunks_without_end_are_not_taken() -> None:
    framing = Framing(MOST)
    framing.feed(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunks = 0
    while not framing.feed(b"4\r\nname\r\n"):
        chunks += 1
    assert chunks < MOST
    assert framing.is_cut
    assert len(framing.octets) < 200


def test_a_head_without_end_is_handed_over_to_be_refused() -> None:
    framing = Framing(MOST)
    while not framing.is_whole:
        framing.feed(b"X: " + b"y" * 1000 + b"\r\n")
    assert LARGEST_HEAD < len(framing.octets) < LARGEST_HEAD + 2000


@pytest.mark.parametrize(
    "request_", [b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 1e3\r\n\r\n",
                 b"POST / HTTP/1.1\r\nContent-Length: 9999999999999999999999\r\n\r\n",
                 b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"\r\n\r\n", b"\x00\r\n\r\n"]
)  # fmt: skip
def test_what_is_malformed_is_handed_over_to_be_refused(request_: bytes) -> None:
    assert Framing(MOST).feed(request_)


def test_who_waits_for_a_word_before_sending_the_body_is_heard() -> None:
    framing = Framing(MOST)
    framing.feed(b"POST / HTTP/1.1\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n")
    assert framing.wants_continue
    assert not framing.is_whole


@given(st.binary(max_size=300), st.integers(1, 40))
def test_no_octets_break_it(octets: bytes, size: int) -> None:
    framing = Framing(50)
    for position in range(0, len(octets), size):
        framing.feed(
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" * (position == 0)
            + octets[position : position + size]
        )
    whole = Framing(50)
    whole.feed(bytes(framing.octets))
    assert whole.is_whole == framing.is_whole, "how it is cut changes nothing"


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 5\r\nContent-Length: 50",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    ],
)
def test_what_can_be_read_in_two_ways_is_refused_at_once(fields: bytes) -> None:
    head = b"POST / HTTP/1.1\r\n" + fields + b"\r\n\r\n"
    framing = Framing(MOST)
    assert framing.feed(head + b"name=")
    assert framing.is_cut
    assert framing.octets == head
