"""Templates of requests: the allowed fields, no injection out of them, and the values read from a response."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

import pytest

from tests.phones.http_benches import failure_of, outgoing, run
from tests.phones.provider import provider
from watchword.core.policy import Channel
from watchword.messaging.gateway import DeliveryFailed
from watchword.messaging.gateways.http.callback_urls import addresses_of
from watchword.messaging.gateways.http.config import FIELDS, HttpConfig, ReceiptConfig
from watchword.messaging.gateways.http.gateway import HttpGateway, coding_of
from watchword.messaging.gateways.http.request_templates import fill, look_up

VALUES = dict.fromkeys(FIELDS, "x") | {"number": "+49", "reference": "r"}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"url": "http://api.example/"}, "url is not https"),
        ({"url": "ftp://api.example/"}, "begins with https"),
        ({"url": "https:///x"}, "begins with https"),
        ({"url": "https://me:secret@api.example/"}, "holds a user name"),
        ({"url": "https://{number}.example/"}, "name of the host"),
        ({"url": "https://api.example:99999/"}, "ort"),
        ({"method": "DELETE"}, "method"),
        ({"method": "GET", "form": {"a": "b"}}, "no body"),
        ({"form": {"a": "b"}, "json": {"a": "b"}}, "one body"),
        ({"timeout_seconds": 30.0}, "timeout_seconds"),
        ({"headers": {"Authorization": "Bearer abcdef"}}, "secret in clear"),
        ({"query": {"api_key": "abcdef"}}, "secret in clear"),
        ({"form": {"password": "abcdef"}}, "secret in clear"),
        ({"form": {"pwd": "abcdef"}}, "secret in clear"),
        ({"url": "https://api.example/?user=me&pass=abcdef&to={number}"}, "secret in clear"),
        ({"json": {"to": "{number}", "auth": [{"apiKey": "abcdef"}]}}, "secret in clear"),
        ({"form": {"a": "{code}"}}, "means nothing"),
        ({"form": {"a": "{Number}"}}, "means nothing"),
        ({"form": {"a": "{key}"}, "secrets": {"key": "abcdef"}}, "means nothing"),
        ({"url": "https://bücher.example/"}, "outside ASCII"),
        ({"url": "https://api.example/a b"}, "blank"),
        ({"headers": {"X Key": "a"}}, "'X Key' is no name of a header"),
        ({"ca_file": Path("/nowhere/at/all.pem")}, "ca_file"),
        ({"ca_file": Path(__file__)}, "ca_file"),
        ({"channel": Channel.VOICE, "form": {"a": "{voice}"}}, "receipts"),
        ({"channel": Channel.VOICE, "receipts": ReceiptConfig()}, "voice"),
        ({"json": [{"a": ["{secret.nobody}"]}]}, "means nothing"),
    ],
)
def test_a_template_that_can_not_be_asked_is_refused_in_plain_words(table: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        HttpConfig(**{"url": "https://api.example/", **table})
    assert "abcdef" not in str(caught.value)


HOSTILE = ['"', "\r\nX-Injected: yes", "&to=+1", "#", "/../../", "{secret.key}", "{number}", "%0d%0a", "é😀", "\0"]


@pytest.mark.parametrize("value", HOSTILE)
def test_no_value_breaks_out_of_its_place(value: str) -> None:
    """No value breaks out of an address, a header, a form or JSON, and a template in a value is not expanded."""
    config = HttpConfig(
        url="https://api.example/{text}/x?a={text}",
        headers={"X-Text": "{text}"},
        json={"to": ["{text}"], "n": 1},
        secrets={"key": "the secret"},
    )
    request = fill(config, {**VALUES, "text": value})
    assert request.url.startswith("https://api.example/")
    assert request.url.count("/") == 4
    assert request.url.count("?") == 1
    assert "&" not in request.url
    assert "#" not in request.url
    assert "\n" not in request.headers["X-Text"]
    assert "\r" not in request.headers["X-Text"]
    assert json.loads(request.content) == {"to": [value], "n": 1}
    assert unquote(urlsplit(request.url).path) == f"/{value}/x"
    assert parse_qs(urlsplit(request.url).query, keep_blank_values=True) == {"a": [value]}
    form = fill(HttpConfig(url="https://api.example/", form={"a": "{text}", "b": "1"}), {**VALUES, "text": value})
    assert dict(parse_qsl(form.content.decode(), keep_blank_values=True)) == {"a": value, "b": "1"}
    assert "the secret" not in str((request.url, request.headers, request.content))


def test_headers_of_the_operator_count_more_than_ours_however_they_are_written() -> None:
    headers = {"accept": "text/plain", "Idempotency-Key": "mine", "content-type": "application/vnd.api+json"}
    config = HttpConfig(url="https://api.example/", headers=headers, json={"a": "b"})
    assert fill(config, VALUES).headers == headers


def test_the_name_of_a_secret_may_have_a_hyphen() -> None:
    headers = {"Authorization": "Bearer {secret.api-key}"}
    config = HttpConfig(url="https://api.example/", headers=headers, secrets={"api-key": "abcdef"})
    assert fill(config, VALUES).headers["Authorization"] == "Bearer abcdef"


def test_letters_outside_ascii_in_a_header_arrive() -> None:
    async def play() -> None:
        config = HttpConfig(url=f"{one.base}/nobody/", headers={"X-Name": "Zoë"}, private_networks_allowed=True)
        gateway = HttpGateway("one", config, addresses=addresses_of)
        await gateway.start(lambda _report: None)
        with pytest.raises(DeliveryFailed):
            await gateway.send(outgoing())
        await gateway.stop()
        assert one.requests[0].headers["x-name"].encode("latin-1").decode() == "Zoë"

    with provider() as one:
        run(play)


def test_a_request_that_can_not_be_written_has_certainly_not_been_taken() -> None:
    """A secret with an octet that no header allows fails before anything is sent: the next gateway is tried at once."""

    async def play() -> None:
        headers = {"X-Api-Key": "{secret.key}"}
        config = HttpConfig(url=one.base, headers=headers, secrets={"key": "a\0b"}, private_networks_allowed=True)
        assert not (await failure_of(config)).maybe_taken
        assert one.requests == []

    with provider() as one:
        run(play)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.0.b", "yes"),
        ("t", "true"),
        ("f", "false"),
        ("n", "0"),
        ("a.1", ""),
        ("a.-1", ""),
        ("a.x", ""),
        ("a", ""),
        ("null", ""),
        ("", ""),
    ],
)
def test_a_path_leads_to_a_word_or_to_nothing(path: str, found: str) -> None:
    assert look_up({"a": [{"b": "yes"}], "t": True, "f": False, "n": 0, "null": None}, path) == found


def test_the_coding_says_which_alphabet_a_text_needs() -> None:
    assert [coding_of("493 027 für Sie €"), coding_of("Ваш код")] == ["0", "2"]
