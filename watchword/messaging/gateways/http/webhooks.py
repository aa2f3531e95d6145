"""Check whether a receipt comes from the provider, and parse it. No input raises an exception."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from watchword.messaging.gateway import Result
from watchword.messaging.gateways.http.config import ReceiptConfig, Scheme
from watchword.messaging.gateways.http.request_templates import find, look_up

LONGEST_BODY = 16 * 1024
LONGEST_LIST_BODY = 512 * 1024
"""Longest body with many receipts at once, for a whole account."""
MOST_RECEIPTS = 2000
FRESH_SECONDS = 300
"""Most seconds between a signature's time and ours; Telnyx' own libraries allow as much."""
_MOST_FIELDS = 200
_PORTS = {"https": 443, "http": 80}


def is_genuine(
    config: ReceiptConfig, *, url: str, headers: Mapping[str, str], body: bytes, is_form: bool, now: datetime
) -> bool:
    """Return whether the provider signed this request; names of ``headers`` are case-insensitive."""
    lower = {name.lower(): value for name, value in headers.items()}
    match config.scheme:
        case Scheme.ADDRESS:
            # The token in the URL was checked before.
            return True
        case Scheme.TWILIO:
            signature = lower.get("x-twilio-signature", "")
            return _twilio(config.secret, url, body, signature, is_form=is_form)
        case Scheme.HMAC:
            given = lower.get(config.header.lower(), "").rpartition("=")[2].strip().lower()
            right = hmac.new(config.secret.encode(), body, hashlib.sha256).hexdigest()
            return hmac.compare_digest(given.encode("utf-8", "replace"), right.encode())
        case Scheme.TELNYX:
            signature = lower.get("telnyx-signature-ed25519", "")
            return _telnyx(config.public_key, lower.get("telnyx-timestamp", ""), body, signature, now)


def fields_of(body: bytes) -> dict[str, str]:
    """Return the fields of a form; none if the body is no form, or has more fields than any provider sends."""
    try:
        return dict(_pairs(body))
    except ValueError:
        return {}


def _twilio(secret: str, url: str, body: bytes, signature: str, *, is_form: bool) -> bool:
    # Twilio's documentation, "Validating requests": the URL, then each field's name and value, sorted by name. For a
    # body that is no form, the URL holds its digest; a body that neither covers is rejected.
    try:
        given = base64.b64decode(signature, validate=True)
        fields = sorted(set(_pairs(body))) if is_form else []
    except (binascii.Error, ValueError):
        return False
    if not is_form and body and not _has_digest_of(body, url):
        return False
    ending = "".join(name + value for name, value in fields)
    return any(
        hmac.compare_digest(given, hmac.new(secret.encode(), signed.encode("utf-8", "replace"), hashlib.sha1).digest())
        for signed in (address + ending for address in _with_and_without_port(url))
    )


def _telnyx(public_key: str, at: str, body: bytes, signature: str, now: datetime) -> bool:
    # Telnyx' documentation, "Receiving Webhooks for Messaging": Ed25519 (RFC 8032) of the time in seconds since 1970, a
    # bar and the raw body. An old signature is a replay by an attacker who read the request.
    if not re.fullmatch("[0-9]{1,12}", at) or abs(int(now.timestamp()) - int(at)) > FRESH_SECONDS:
        return False
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key))
    try:
        key.verify(base64.b64decode(signature, validate=True), f"{at}|".encode() + body)
    except (InvalidSignature, ValueError):
        return False
    return True


def _pairs(body: bytes) -> list[tuple[str, str]]:
    return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)


def _has_digest_of(body: bytes, url: str) -> bool:
    digests = [value for name, value in _query_of(url) if name == "bodySHA256"]
    right = hashlib.sha256(body).hexdigest()
    return len(digests) == 1 and hmac.compare_digest(digests[0].lower().encode("utf-8", "replace"), right.encode())


def _with_and_without_port(url: str) -> Iterable[str]:
    """Yield a URL with and without the default port of its scheme, as a provider may sign either."""
    parts = urlsplit(url)
    host = parts.netloc.removesuffix(f":{parts.port}") if parts.port is not None else parts.netloc
    yield url
    if parts.port is None:
        yield urlunsplit(parts._replace(netloc=f"{host}:{_PORTS[parts.scheme]}"))
    else:
        yield urlunsplit(parts._replace(netloc=host))


def result_of(config: ReceiptConfig, *, url: str, body: bytes, is_form: bool) -> Result | None:
    """Return the result in a receipt; None for intermediate states and for invalid input."""
    return _meaning(config, _word(config, url, body, is_form=is_form))


def results_of(config: ReceiptConfig, *, url: str, body: bytes, is_form: bool) -> list[tuple[str, Result]]:
    """Return the message ids in one request with many receipts, and the result of each."""
    results = []
    for one in _said(config, url, body, is_form=is_form)[:MOST_RECEIPTS]:
        reference, result = look_up(one, config.reference), _meaning(config, look_up(one, config.status))
        if reference and result is not None:
            results.append((reference, result))
    return results


def _said(config: ReceiptConfig, url: str, body: bytes, *, is_form: bool) -> list[object]:
    if config.scheme is Scheme.ADDRESS and config.reference in (query := dict(_query_of(url))):
        return [query]
    if is_form:
        return [fields_of(body)]
    try:
        read: object = json.loads(body) if body else None
    except (ValueError, RecursionError):
        return []
    if config.list:
        read = find(read, config.list)
    return read if isinstance(read, list) else [read]


def _meaning(config: ReceiptConfig, said: str) -> Result | None:
    word = said.lower()
    for words, result in (
        (config.arrived, Result.DELIVERED),
        (config.unreachable, Result.UNREACHABLE),
        (config.failed, Result.FAILED),
        (config.blocked, Result.BLOCKED),
        (config.busy, Result.BUSY),
        (config.no_answer, Result.NO_ANSWER),
    ):
        if word and word in words:
            return result
    return None


def _word(config: ReceiptConfig, url: str, body: bytes, *, is_form: bool) -> str:
    # Unsigned parts are ignored: otherwise a query could change the meaning of a signed receipt.
    if config.scheme is Scheme.ADDRESS:
        query = dict(_query_of(url))
        if config.status in query:
            return query[config.status]
    if is_form:
        return fields_of(body).get(config.status, "")
    try:
        return look_up(json.loads(body), config.status) if body else ""
    except (ValueError, RecursionError):
        return ""


def _query_of(url: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(urlsplit(url).query, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return []
