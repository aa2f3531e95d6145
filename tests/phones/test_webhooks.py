"""Webhooks of providers: a provider's own requests are accepted, each once; any other request gets 404."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from tests.phones.http_benches import config_of
from tests.phones.provider import TOKEN, Provider
from tests.world import ALICES_NUMBER, World
from watchword.audit.models import Event
from watchword.core.policy import Channel
from watchword.messaging.gateway import Outgoing, Report, Result
from watchword.messaging.gateways.http.callback_urls import addresses_of, delivery_of, is_token, name_of, token_of
from watchword.messaging.gateways.http.config import ReceiptConfig, Scheme
from watchword.messaging.gateways.http.webhooks import LONGEST_BODY, is_genuine, result_of
from watchword.messaging.limits.counters import telephone_of
from watchword.messaging.models import DailyTotal, Delivery, DeliveryAttempt, OutboxMessage, Receipt
from watchword.messaging.send import new_delivery
from watchword.messaging.worker import delivery_receipts, outbox, persistence
from watchword.messaging.worker.delivery_receipts import DeliveryOutcome
from watchword.signin.models import CodeChallenge

FORM = "application/x-www-form-urlencoded"


def taken(world: World, gateway: str, *, channel: Channel = Channel.SMS, reference: str = "SM1") -> Delivery:
    """Return a delivery that a provider accepted."""
    now = timezone.now()
    delivery = new_delivery(world.alice, telephone_of(ALICES_NUMBER), channel, "sign_in", now=now)
    outcomes = [DeliveryOutcome(delivery.pk, gateway, Result.SENT, "DE", reference)]
    finished = [persistence.Finished(delivery.pk, Result.SENT, gateway, reference, 0, channel is Channel.VOICE)]
    persistence.write(persistence.Batch(outcomes=outcomes, finished=finished), lambda _changed: None, now)
    return delivery


def result(delivery: Delivery) -> Result:
    return Result(Delivery.objects.get(pk=delivery.pk).result)


def post(site: Client, url: str, fields: dict[str, str], *, signed: str | None = None, at: str = "") -> int:
    """Post a form as Twilio does; by default with Twilio's signature."""
    signature = Provider().signature(url, fields) if signed is None else signed
    path = urlsplit(at or url).path + (f"?{urlsplit(url).query}" if urlsplit(url).query else "")
    answer = site.generic("POST", path, urlencode(fields), FORM, headers={"X-Twilio-Signature": signature})
    return answer.status_code


def everything() -> list[list[dict[str, Any]]]:
    """Return the rows that a forged request could have changed."""
    tables: list[Any] = [Delivery, DeliveryAttempt, Receipt, DailyTotal, OutboxMessage, CodeChallenge, Event]
    return [list(table.objects.order_by("pk").values()) for table in tables]


def test_a_signed_receipt_is_heard(site: Client, world: World) -> None:
    delivery = taken(world, "texts")
    receipt, _voice = addresses_of("texts", delivery.pk)
    assert post(site, receipt, {"MessageSid": "SM1", "MessageStatus": "delivered"}) == 204
    assert result(delivery) is Result.DELIVERED
    assert DeliveryAttempt.objects.get().result == Result.DELIVERED


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda _url, _fields: "", id="no signature"),
        pytest.param(lambda _url, _fields: "####", id="rubbish"),
        pytest.param(lambda _url, _fields: "Zoë", id="letters outside ASCII"),
        pytest.param(lambda url, fields: Provider().signature(url, fields, "another secret"), id="another secret"),
        pytest.param(lambda url, _fields: Provider().signature(url, {}), id="other fields"),
        pytest.param(lambda url, f: Provider().signature(url + "?a=b", f), id="another query"),
        pytest.param(lambda url, f: Provider().signature(url.replace("testserver", "evil"), f), id="another host"),
    ],
)
def test_fld_11_a_forged_receipt_finds_nothing_and_changes_nothing(
    site: Client, world: World, forge: Callable[[str, dict[str, str]], str]
) -> None:
    """A receipt with a missing, broken or foreign signature gets 404 and changes nothing."""
    delivery = taken(world, "texts")
    receipt, _voice = addresses_of("texts", delivery.pk)
    fields, before = {"MessageStatus": "failed"}, everything()
    assert post(site, receipt, fields, signed=forge(receipt, fields)) == 404
    assert everything() == before


def test_fld_11_a_receipt_of_another_message_finds_nothing_there(site: Client, world: World) -> None:
    """A receipt signed for one message is refused at another's webhook: the signature covers the address."""
    mine, other = taken(world, "texts", reference="SM1"), taken(world, "texts", reference="SM2")
    fields = {"MessageSid": "SM1", "MessageStatus": "failed"}
    receipt, _ = addresses_of("texts", mine.pk)
    signature = Provider().signature(receipt, fields)
    before = everything()
    assert post(site, addresses_of("texts", other.pk)[0], fields, signed=signature) == 404
    # The token of one message is invalid for another one, or another gateway, however the request is signed.
    for gateway, name, token in (
        ("texts", name_of(other.pk), token_of("texts", mine.pk)),
        ("plain", name_of(mine.pk), token_of("texts", mine.pk)),
        ("plain", name_of(uuid4()), token_of("plain", mine.pk)),
        ("nobody", name_of(mine.pk), token_of("nobody", mine.pk)),
        ("unknown", name_of(mine.pk), token_of("unknown", mine.pk)),
        ("texts", str(mine.pk), token_of("texts", mine.pk)),
        ("texts", "x", "y"),
    ):
        url = f"http://testserver/gateways/{gateway}/{name}/{token}/"
        assert post(site, url, {**fields, "status": "delivered"}) == 404, url
    assert everything() == before


def test_fld_11_a_receipt_that_is_replayed_counts_once_and_takes_nothing_back(site: Client, world: World) -> None:
    """Replayed and reordered receipts count once and don't revert a delivery."""
    delivery = taken(world, "texts")
    receipt, _ = addresses_of("texts", delivery.pk)
    # Out of order as well: a failure from before the delivery arrives after it.
    for status in ("sent", "delivered", "delivered", "failed", "undelivered", "delivered"):
        assert post(site, receipt, {"MessageStatus": status}) == 204
    assert result(delivery) is Result.DELIVERED
    assert DeliveryAttempt.objects.get().result == Result.DELIVERED
    assert DailyTotal.objects.get().arrived == 1


def test_fld_11_a_failure_that_turns_out_to_have_arrived_has_arrived(site: Client, world: World) -> None:
    """A receipt of delivery after one of failure counts: the text has arrived."""
    delivery = taken(world, "texts")
    receipt, _ = addresses_of("texts", delivery.pk)
    for status in ("undelivered", "delivered"):
        post(site, receipt, {"MessageStatus": status})
    assert result(delivery) is Result.DELIVERED
    assert DeliveryAttempt.objects.get().result == Result.DELIVERED


def test_a_receipt_that_is_quicker_than_our_own_note_counts_for_its_gateway(site: Client, world: World) -> None:
    """The provider posts to the web server before the dispatcher has recorded that the provider accepted the text."""
    now = timezone.now()
    delivery = taken(world, "texts")
    DeliveryAttempt.objects.all().delete()
    Delivery.objects.update(result=Result.WAITING)
    receipt, _ = addresses_of("texts", delivery.pk)
    for _ in range(2):
        assert post(site, receipt, {"MessageStatus": "delivered"}) == 204
    assert result(delivery) is Result.DELIVERED
    delivery_receipts.note_outcomes([DeliveryOutcome(delivery.pk, "texts", Result.SENT, "DE", "SM1")], now=now)
    assert DeliveryAttempt.objects.get().result == Result.DELIVERED
    assert Receipt.objects.get().is_applied


def test_a_receipt_at_the_very_moment_of_our_own_note_is_found_later(world: World) -> None:
    delivery = taken(world, "texts")
    now = timezone.now()
    Receipt.objects.create(gateway="texts", reference=str(delivery.pk), result=Result.DELIVERED, at=now)
    assert delivery_receipts.apply_strays(now=now) == 1
    assert DeliveryAttempt.objects.get().result == Result.DELIVERED


def test_fld_11_a_signed_receipt_does_not_change_its_meaning_by_a_query(site: Client, world: World) -> None:
    """A query string added to a signed receipt changes nothing: HMAC covers the body, and only the body is read."""
    delivery = taken(world, "nobody")
    receipt, _ = addresses_of("nobody", delivery.pk)
    body = json.dumps({"news": [{"state": "on its way"}]}).encode()
    right = hmac.new(TOKEN.encode(), body, hashlib.sha256).hexdigest()
    answer = site.generic(
        "POST",
        f"{urlsplit(receipt).path}?news.0.state=at+the+phone",
        body,
        "application/json",
        headers={"X-Nobody-Signature": f"sha256={right}"},
    )
    assert answer.status_code == 204
    assert result(delivery) is Result.SENT


def test_a_provider_without_signatures_is_known_by_the_address_alone(site: Client, world: World) -> None:
    delivery = taken(world, "plain")
    receipt, _ = addresses_of("plain", delivery.pk)
    assert site.get(urlsplit(receipt).path + "?status=delivered").status_code == 204
    assert result(delivery) is Result.DELIVERED


@pytest.mark.parametrize(
    ("method", "body", "kind"),
    [
        ("POST", b"x" * (LONGEST_BODY + 1), FORM),
        ("POST", b"&".join(b"a%d=b" % number for number in range(300)), FORM),
        ("POST", b"[" * 5000, "application/json"),
        ("POST", b"\xff\xfe\x00", "application/json"),
        (
            "POST",
            b"--x\r\nContent-Disposition: form-data; name=status\r\n\r\ndelivered\r\n--x--",
            "multipart/form-data",
        ),
        ("GET", b"", ""),
    ],
)
@pytest.mark.parametrize("gateway", ["texts", "nobody", "plain"])
def test_nothing_that_is_sent_makes_it_fall(
    site: Client, world: World, method: str, body: bytes, kind: str, gateway: str
) -> None:
    delivery = taken(world, gateway)
    before = everything()
    for address in addresses_of(gateway, delivery.pk):
        answer = site.generic(method, urlsplit(address).path, body, kind)
        assert answer.status_code in {204, 404, 405, 200}
    assert everything() == before


def test_a_receipt_of_a_message_that_is_gone_changes_nothing(site: Client, world: World) -> None:
    receipt, _ = addresses_of("texts", uuid4())
    assert post(site, receipt, {"MessageStatus": "delivered"}) == 204
    assert not Delivery.objects.exists()


# Twilio's signature ---------------------------------------------------------------------------------------------------

TWILIO = ReceiptConfig(scheme=Scheme.TWILIO, secret="12345")
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_the_signature_of_twilios_own_documentation_is_right() -> None:
    """The example is on Twilio's page "Validating requests"."""
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    body = b"CallSid=CA1234567890ABCDE&Caller=%2B12349013030&Digits=1234&From=%2B12349013030&To=%2B18005551212"
    headers = {"X-Twilio-Signature": "0/KCTR6DLpKmkAf8muzZqo1nDgQ="}
    assert is_genuine(TWILIO, url=url, headers=headers, body=body, is_form=True, now=NOW)
    assert not is_genuine(TWILIO, url=url + "3", headers=headers, body=body, is_form=True, now=NOW)


@pytest.mark.parametrize("written", ["https://x.example:443/a?b=c", "https://x.example/a?b=c"])
@pytest.mark.parametrize("ours", ["https://x.example:443/a?b=c", "https://x.example/a?b=c"])
def test_the_port_of_https_may_be_written_or_not(written: str, ours: str) -> None:
    headers = {"X-Twilio-Signature": Provider().signature(written, {"a": "b"}, "12345")}
    assert is_genuine(TWILIO, url=ours, headers=headers, body=b"a=b", is_form=True, now=NOW)
    another = ours.replace("x.example", "x.example:8443").replace(":443", "")
    # Twilio may leave out the port of the address, but never changes it.
    is_left_out = ":443" not in written
    assert is_genuine(TWILIO, url=another, headers=headers, body=b"a=b", is_form=True, now=NOW) is is_left_out


def test_a_body_that_is_no_form_counts_with_its_digest_in_the_address_only() -> None:
    body = b'{"MessageStatus": "delivered"}'
    digest = hashlib.sha256(body).hexdigest()
    for query, is_right in (
        (f"?bodySHA256={digest}", True),
        ("", False),
        (f"?bodySHA256={'0' * 64}", False),
        (f"?bodySHA256={digest}&bodySHA256={'0' * 64}", False),
    ):
        url = f"https://x.example/a{query}"
        headers = {"x-twilio-signature": Provider().signature(url, {}, "12345")}
        assert is_genuine(TWILIO, url=url, headers=headers, body=body, is_form=False, now=NOW) is is_right
        if is_right:
            assert result_of(ReceiptConfig(status="MessageStatus"), url=url, body=body, is_form=False)
            assert not is_genuine(TWILIO, url=url, headers=headers, body=body + b" ", is_form=False, now=NOW)


@given(st.sampled_from(Scheme), st.text(max_size=40), st.binary(max_size=200), st.booleans(), st.text(max_size=40))
def test_no_octets_are_genuine_and_none_make_the_reader_fall(
    scheme: Scheme, signature: str, body: bytes, is_form: bool, query: str
) -> None:
    config = ReceiptConfig(scheme=scheme, secret="a secret", public_key="A" * 43 + "=")
    url = f"https://x.example/?{query}"
    headers = dict.fromkeys(("X-Twilio-Signature", "X-Signature", "Telnyx-Signature-Ed25519"), signature)
    headers["Telnyx-Timestamp"] = str(int(NOW.timestamp()))
    found = is_genuine(config, url=url, headers=headers, body=body, is_form=is_form, now=NOW)
    assert found is (scheme is Scheme.ADDRESS)
    result_of(config, url=url, body=body, is_form=is_form)


# Addresses ------------------------------------------------------------------------------------------------------------


@given(st.uuids(), st.text(max_size=30))
def test_a_name_in_an_address_stands_for_one_message(delivery_id: UUID, other: str) -> None:
    assert delivery_of(name_of(delivery_id)) == delivery_id
    found = delivery_of(other)
    assert found is None or name_of(found) == other


def test_a_token_is_made_for_one_message_and_channel() -> None:
    one, two = uuid4(), uuid4()
    assert is_token("a", one, token_of("a", one))
    assert not any(
        (is_token("a", two, token_of("a", one)), is_token("b", one, token_of("a", one)), is_token("a", one, ""))
    )
    assert len(token_of("a", one)) == 22


def test_a_text_that_arrived_is_not_sent_again(world: World) -> None:
    """A receipt for a text whose submission got no response shows that it was accepted after all."""
    now = timezone.now()
    delivery = taken(world, "texts")
    Delivery.objects.update(result=Result.WAITING)
    message = Outgoing(delivery.pk, Channel.SMS, ALICES_NUMBER, "", "493027", not_after=now + timedelta(minutes=5))
    outbox.put(message, now=now)
    delivery_receipts.note_reports([Report("texts", "", Result.DELIVERED, delivery.pk)], now=now)
    assert not OutboxMessage.objects.exists()


def test_receipts_of_the_presets_are_signed_where_the_provider_signs() -> None:
    schemes = {
        kind: getattr(config_of(kind, "https://api.example").receipts, "scheme", None)
        for kind in ("twilio-messages", "twilio-calls", "vonage-sms", "46elks", "telnyx")
    }
    assert schemes == {
        "twilio-messages": Scheme.TWILIO,
        "twilio-calls": Scheme.TWILIO,
        "vonage-sms": Scheme.ADDRESS,
        "46elks": Scheme.ADDRESS,
        "telnyx": Scheme.ADDRESS,
    }
