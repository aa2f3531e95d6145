"""Providers that answer in plain text: their responses are read by bounded patterns, and no text is paid twice."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.phones.http_benches import outgoing, run
from watchword.messaging.gateway import DeliveryFailed, Result
from watchword.messaging.gateways.http.callback_urls import addresses_of
from watchword.messaging.gateways.http.config import HttpConfig
from watchword.messaging.gateways.http.gateway import HttpGateway
from watchword.messaging.gateways.http.patterns import first_group, matches

JASMIN: dict[str, Any] = {"success_pattern": "^Success", "reference_pattern": '"([^"]+)"'}
PLAIN: dict[str, Any] = {
    "success_pattern": r"^OK\b",
    "reference_pattern": r"^OK: (\d+)",
    "code_pattern": r"^ERR (\d+)",
    "bad_number": ("105",),
    "blocked": ("7",),
}


@asynccontextmanager
async def gateway(body: str, status: int = 200, **config: Any) -> AsyncIterator[HttpGateway]:
    """Open a gateway to a provider that answers every request with this body and status."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        octets = body.encode()
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(octets)}\r\nConnection: close\r\n\r\n".encode())
        writer.write(octets)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/send?to={{number}}"
    stored = HttpConfig(method="GET", url=url, private_networks_allowed=True, **config)
    to_gateway = HttpGateway("one", stored, addresses=addresses_of)
    await to_gateway.start(lambda _report: None)
    try:
        yield to_gateway
    finally:
        await to_gateway.stop()
        server.close()


@pytest.mark.parametrize(
    ("config", "body", "reference"),
    [
        pytest.param(JASMIN, 'Success "07033084-5cfd-4812-90a4-e4d24ffb6e3d"', "07033084-5cfd-4812-90a4-e4d24ffb6e3d"),
        pytest.param(PLAIN, "OK: 123\r\n", "123"),
    ],
)
def test_a_text_that_is_accepted_is_sent_once_and_known_by_its_name(
    config: dict[str, Any], body: str, reference: str
) -> None:
    async def play() -> None:
        async with gateway(body, **config) as to_gateway:
            assert (await to_gateway.send(outgoing())).reference == reference
            assert to_gateway.condition.words == ""

    run(play)


@pytest.mark.parametrize(
    ("body", "result", "permanent", "maybe_taken"),
    [
        ("ERR 105 no such number", Result.BAD_NUMBER, True, False),
        ("ERR 7", Result.BLOCKED, False, False),
        ("ERR 9", Result.FAILED, False, False),
        ("<html>Log in to this hotel</html>", Result.FAILED, False, False),
        ("", Result.FAILED, False, True),
    ],
)
def test_a_refusal_in_text_is_one_and_says_why(body: str, result: Result, permanent: bool, maybe_taken: bool) -> None:
    async def play() -> None:
        async with gateway(body, **PLAIN) as to_gateway:
            with pytest.raises(DeliveryFailed) as caught:
                await to_gateway.send(outgoing())
            failed = caught.value
            assert (failed.result, failed.permanent, failed.maybe_taken) == (result, permanent, maybe_taken)

    run(play)


def test_a_status_that_is_no_success_is_none_whatever_the_text_says() -> None:
    async def play() -> None:
        async with gateway("OK: 123", 500, **PLAIN) as to_gateway:
            with pytest.raises(DeliveryFailed) as caught:
                await to_gateway.send(outgoing())
            assert not caught.value.maybe_taken

    run(play)


def test_a_line_of_text_where_json_was_expected_is_not_paid_twice_and_said_on_the_page() -> None:
    async def play() -> None:
        async with gateway("OK: 123", success_path="status", success_values=("ok",)) as to_gateway:
            assert (await to_gateway.send(outgoing())).result is Result.SENT
            assert to_gateway.condition.is_up
            assert "say success_pattern instead of success_path" in to_gateway.condition.words

    run(play)


@pytest.mark.parametrize("body", ["<html>Bad gateway</html>", '{"status": "o', "\x00\x01"])
def test_what_is_neither_json_nor_a_line_of_text_stays_unclear(body: str) -> None:
    async def play() -> None:
        async with gateway(body, success_path="status", success_values=("ok",)) as to_gateway:
            with pytest.raises(DeliveryFailed) as caught:
                await to_gateway.send(outgoing())
            assert caught.value.maybe_taken

    run(play)


def test_no_pattern_takes_long_whatever_the_answer_is() -> None:
    """The standard library's ``re`` would backtrack for years."""
    began = time.monotonic()
    assert not matches(r"^(a+)+$", "a" * 60_000 + "b")
    assert first_group(r"(x+x+)+y", "x" * 60_000) == ""
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"success_pattern": "("}, "success_pattern is no regular expression of RE2"),
        ({"success_pattern": r"(?=OK)"}, "success_pattern is no regular expression of RE2"),
        ({"success_pattern": "x" * 201}, "success_pattern has more than 200"),
        ({"success_pattern": "OK", "reference_pattern": "OK"}, "reference_pattern needs one group"),
        ({"success_pattern": "OK", "code_pattern": "(a)(b)"}, "code_pattern needs one group"),
        ({"success_pattern": "OK", "success_path": "a"}, "success_path and success_pattern are both there"),
        ({"reference_pattern": "(a)"}, "need success_pattern"),
    ],
)
def test_a_pattern_that_can_not_be_used_is_refused_in_plain_words(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        HttpConfig(url="https://api.example/", **config)
