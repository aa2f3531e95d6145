"""Providers with one webhook for the whole account: receipts find messages by the provider's message id."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.test import Client, override_settings

from tests.environment import KEYS
from tests.phones.http_benches import phones_of
from tests.phones.test_webhooks import everything, result, taken
from tests.world import World
from watchword.cli.phones import phones
from watchword.core.keyring import KeyRing
from watchword.messaging.gateway import Result
from watchword.messaging.gateways.http.callback_urls import addresses_of, gateway_path
from watchword.messaging.models import Receipt

FORM = "application/x-www-form-urlencoded"
FILE = """
[[gateway]]
name = "account"
kind = "http"
url = "https://gateway.example/send"
form = {{ to = "{{digits}}", text = "{{text}}" }}
reference_path = "messages.0.id"

[gateway.receipts]
{receipts}
"""
SEVEN = 'reference = "data.msg_id"\nstatus = "data.status"\narrived = ["delivered"]\nunreachable = ["notdelivered"]'
LISTED = 'reference = "id"\nstatus = "state"\nlist = "results"\narrived = ["ok"]\nfailed = ["no"]'


def site_with(receipts: str) -> Any:
    return override_settings(WATCHWORD_PHONES=phones_of(FILE.format(receipts=receipts)))


def address() -> str:
    return gateway_path("account", settings.WATCHWORD_KEY_RING)


def post(site: Client, body: Any, kind: str = "application/json", *, at: str = "") -> int:
    text = json.dumps(body) if kind == "application/json" else urlencode(body)
    return site.generic("POST", at or address(), text, kind).status_code


def test_a_receipt_at_the_channel_s_address_finds_its_message(site: Client, world: World) -> None:
    mine, other = taken(world, "account", reference="77"), taken(world, "account", reference="78")
    with site_with(SEVEN):
        assert post(site, {"webhook_event": "dlr", "data": {"msg_id": 77, "status": "DELIVERED"}}) == 204
    assert (result(mine), result(other)) == (Result.DELIVERED, Result.SENT)


def test_a_receipt_may_name_the_message_as_we_did(site: Client, world: World) -> None:
    mine = taken(world, "account", reference="77")
    with site_with(SEVEN):
        assert post(site, {"data": {"msg_id": str(mine.pk), "status": "notdelivered"}}) == 204
    assert result(mine) is Result.UNREACHABLE


@pytest.mark.parametrize("channel", ["form", "query"])
def test_a_receipt_may_come_as_a_form_or_in_the_query(site: Client, world: World, channel: str) -> None:
    mine = taken(world, "account", reference="77")
    fields = {"id": "77", "state": "ok"}
    with site_with('reference = "id"\nstatus = "state"\narrived = ["ok"]'):
        if channel == "form":
            assert post(site, fields, FORM) == 204
        else:
            assert site.get(f"{address()}?{urlencode(fields)}").status_code == 204
    assert result(mine) is Result.DELIVERED


@pytest.mark.parametrize("receipts", [LISTED, LISTED.replace('list = "results"\n', "")])
def test_several_receipts_come_at_once(site: Client, world: World, receipts: str) -> None:
    first, second, third = (taken(world, "account", reference=name) for name in ("a", "b", "c"))
    listed: list[Any] = [
        {"id": "a", "state": "ok"},
        {"id": "b", "state": "no"},
        {"id": "c", "state": "on its way"},
        {"state": "ok"},
        "rubbish",
        None,
    ]
    with site_with(receipts):
        assert post(site, {"results": listed} if "list" in receipts else listed) == 204
    assert [result(one) for one in (first, second, third)] == [Result.DELIVERED, Result.FAILED, Result.SENT]


def test_a_receipt_that_comes_before_our_note_is_heard(site: Client, world: World) -> None:
    with site_with(SEVEN):
        assert post(site, {"data": {"msg_id": "77", "status": "delivered"}}) == 204
        assert result(taken(world, "account", reference="77")) is Result.DELIVERED


def test_a_provider_is_answered_as_it_wants(site: Client, world: World) -> None:
    """Jasmin repeats each receipt until it gets this response, at the webhook of one message too."""
    mine = taken(world, "account")
    with site_with('answer = "ACK/Jasmin"\nstatus = "message_status"\narrived = ["delivrd"]'):
        receipts, _voice = addresses_of("account", mine.pk)
        body = urlencode({"id": "x", "message_status": "DELIVRD"})
        answer = site.generic("POST", receipts.removeprefix(settings.WATCHWORD_PUBLIC_URL), body, FORM)
    assert (answer.status_code, answer.content) == (200, b"ACK/Jasmin")
    assert result(mine) is Result.DELIVERED


@pytest.mark.parametrize("where", ["another channel", "another token", "a channel without reference", "nobody"])
def test_nothing_is_found_at_any_other_address(site: Client, world: World, where: str) -> None:
    taken(world, "account", reference="77")
    before = everything()
    at = {
        "another channel": address().replace("/account/", "/texts/"),
        "another token": f"{address()[:-2]}{'A' if address()[-2] != 'A' else 'B'}/",
        "nobody": "/gateways/nobody/AAAAAAAAAAAAAAAAAAAAAA/",
        "a channel without reference": address(),
    }[where]
    receipts = SEVEN if where != "a channel without reference" else 'status = "data.status"\narrived = ["delivered"]'
    with site_with(receipts):
        assert post(site, {"data": {"msg_id": "77", "status": "delivered"}}, at=at) == 404
    assert everything() == before


def test_a_signature_is_asked_for_at_the_channel_s_address_too(site: Client, world: World, tmp_path: Path) -> None:
    (tmp_path / "key").touch(mode=0o600)
    (tmp_path / "key").write_text("secret")
    taken(world, "account", reference="77")
    with site_with(f'{SEVEN}\nscheme = "hmac-sha256"\nsecret = "file:{tmp_path}/key"'):
        assert post(site, {"data": {"msg_id": "77", "status": "delivered"}}) == 404
    assert not Receipt.objects.exists()


@pytest.mark.parametrize(
    "body", [b"", b"[" * 100_000, b"\xff", b'{"data": [1]}', b'{"data": {"msg_id": "' + b"x" * 600_000 + b'"}}']
)
def test_nothing_that_comes_there_makes_it_fall(site: Client, world: World, body: bytes) -> None:
    with site_with(SEVEN):
        assert site.generic("POST", address(), body, "application/json").status_code in {204, 404}


def test_the_check_says_which_address_the_provider_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "phones.toml"
    path.write_text(FILE.format(receipts=SEVEN))
    variables = {"WATCHWORD_KEYS": KEYS, "WATCHWORD_PUBLIC_URL": "https://sign-in.example/"}
    assert phones(["check", "--file", str(path)], variables) == 0
    right = gateway_path("account", KeyRing.parse(KEYS, random_source=os.urandom))
    assert f"https://sign-in.example{right}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ('list = "results"\nstatus = "a"', "no reference"),
        ('answer = "a\\nb"', "more than one line"),
    ],
)
def test_receipts_that_could_not_be_read_are_refused(
    wrong: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "phones.toml"
    path.write_text(FILE.format(receipts=wrong))
    assert phones(["check", "--file", str(path)], {"WATCHWORD_KEYS": KEYS}) == 1
    assert words in capsys.readouterr().err
