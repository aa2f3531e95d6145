"""Receipts signed with Ed25519, as Telnyx does: its own are accepted, any other request gets 404."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.test import Client

from tests.phones.http_benches import config_of, phones_file, phones_of
from tests.phones.test_webhooks import everything, result, taken
from tests.world import World
from watchword.messaging.gateway import Result
from watchword.messaging.gateways.http.callback_urls import addresses_of
from watchword.messaging.gateways.http.config import ReceiptConfig, Scheme
from watchword.messaging.gateways.http.webhooks import FRESH_SECONDS, is_genuine

KEY = Ed25519PrivateKey.from_private_bytes(b"telnyx".ljust(32))
OTHER = Ed25519PrivateKey.from_private_bytes(b"stranger".ljust(32))
PUBLIC = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()
ARRIVED = json.dumps({"data": {"payload": {"to": [{"status": "delivered"}]}}}).encode()
FAILED = ARRIVED.replace(b"delivered", b"sending_failed")


def signed(
    body: bytes, *, key: Ed25519PrivateKey = KEY, at: datetime | None = None, bar: bytes = b"|"
) -> dict[str, str]:
    """Return the headers that Telnyx sends with a body."""
    seconds = str(int((at or datetime.now(UTC)).timestamp()))
    signature = base64.b64encode(key.sign(seconds.encode() + bar + body)).decode()
    return {"Telnyx-Timestamp": seconds, "Telnyx-Signature-Ed25519": signature}


@pytest.fixture
def gateway(site: Client, settings: Any) -> str:
    """Return the name of a gateway whose receipts Telnyx signs."""
    file = phones_file("telnyx", "https://api.example", name="signed", more=f'public_key = "{PUBLIC}"')
    settings.WATCHWORD_PHONES = phones_of(file)
    return "signed"


def post(site: Client, url: str, body: bytes, headers: dict[str, str]) -> int:
    return site.generic("POST", urlsplit(url).path, body, "application/json", headers=headers).status_code


def test_a_receipt_that_telnyx_signed_is_heard(site: Client, world: World, gateway: str) -> None:
    delivery = taken(world, gateway)
    receipt, _voice = addresses_of(gateway, delivery.pk)
    assert post(site, receipt, ARRIVED, signed(ARRIVED)) == 204
    assert result(delivery) is Result.DELIVERED


def without(name: str) -> dict[str, str]:
    return {header: value for header, value in signed(FAILED).items() if header != name}


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(dict, id="nothing"),
        pytest.param(lambda: without("Telnyx-Signature-Ed25519"), id="no signature"),
        pytest.param(lambda: without("Telnyx-Timestamp"), id="without a time"),
        pytest.param(lambda: signed(FAILED, key=OTHER), id="another key"),
        pytest.param(lambda: signed(ARRIVED), id="another body"),
        pytest.param(lambda: signed(FAILED, bar=b"."), id="put together otherwise"),
        pytest.param(lambda: signed(FAILED, at=datetime.now(UTC) - timedelta(seconds=330)), id="old"),
        pytest.param(lambda: signed(FAILED, at=datetime.now(UTC) + timedelta(seconds=330)), id="of the future"),
        pytest.param(
            lambda: signed(FAILED) | {"Telnyx-Timestamp": str(int(datetime.now(UTC).timestamp()) + 1)},
            id="another time",
        ),
        pytest.param(lambda: signed(FAILED) | {"Telnyx-Timestamp": "today"}, id="no time"),
        pytest.param(lambda: signed(FAILED) | {"Telnyx-Timestamp": "1" * 400}, id="no time that there is"),
        pytest.param(lambda: signed(FAILED) | {"Telnyx-Timestamp": "٣"}, id="a time in other digits"),
        pytest.param(lambda: signed(FAILED) | {"Telnyx-Signature-Ed25519": "####"}, id="rubbish"),
        pytest.param(lambda: signed(FAILED) | {"Telnyx-Signature-Ed25519": "QUJD"}, id="too short"),
        pytest.param(lambda: signed(FAILED) | {"Telnyx-Signature-Ed25519": "Zoë"}, id="letters outside ASCII"),
    ],
)
def test_fld_11_what_telnyx_did_not_sign_finds_nothing_and_changes_nothing(
    site: Client, world: World, gateway: str, forge: Callable[[], dict[str, str]]
) -> None:
    """A receipt with a missing, forged, old or altered Telnyx signature gets 404 and changes nothing."""
    delivery = taken(world, gateway)
    receipt, _voice = addresses_of(gateway, delivery.pk)
    before = everything()
    assert post(site, receipt, FAILED, forge()) == 404
    assert everything() == before
    # With a signature the same receipt would have been accepted.
    assert post(site, receipt, FAILED, signed(FAILED)) == 204
    assert result(delivery) is Result.FAILED


@pytest.mark.parametrize(("late", "is_fresh"), [(0, True), (FRESH_SECONDS, True), (FRESH_SECONDS + 1, False)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_signature_is_good_for_five_minutes(late: int, is_fresh: bool, sign: int) -> None:
    at = datetime(2026, 11, 24, 12, tzinfo=UTC)
    config = ReceiptConfig(scheme=Scheme.TELNYX, public_key=PUBLIC)
    now = at + timedelta(seconds=sign * late)
    headers = signed(ARRIVED, at=at)
    assert (
        is_genuine(config, url="https://x.example/", headers=headers, body=ARRIVED, is_form=False, now=now) is is_fresh
    )


@pytest.mark.parametrize("public_key", ["", "####", "QUJD", PUBLIC + "QUJD", f"{PUBLIC}\n\N{SNOWMAN}"])
def test_what_is_no_public_key_is_refused(public_key: str) -> None:
    with pytest.raises(ValueError, match="public_key is not the account's public key"):
        ReceiptConfig(scheme=Scheme.TELNYX, public_key=public_key)


def test_without_the_public_key_the_address_must_do() -> None:
    receipts = config_of("telnyx", "https://api.example").receipts
    assert receipts is not None
    assert receipts.scheme is Scheme.ADDRESS
