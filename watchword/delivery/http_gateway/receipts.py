"""Looks whether a receipt is the provider's own, and what it says. Nothing that comes in makes this fall."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from watchword.delivery.channel import Result
from watchword.delivery.http_gateway.templates import look_up
from watchword.delivery.http_gateway.wishes import ReceiptWishes, Scheme

LONGEST_BODY = 16 * 1024


def is_genuine(wishes: ReceiptWishes, *, url: str, headers: Mapping[str, str], body: bytes, is_form: bool) -> bool:
    """Whether the provider signed this request; ``headers`` are looked up without regard to case."""
    lower = {name.lower(): value for name, value in headers.items()}
    match wishes.scheme:
        case Scheme.ADDRESS:
            # The token in the address was looked at before we came here.
            return True
        case Scheme.TWILIO:
            return _twilio(wishes.secret, url, body if is_form else b"", lower.get("x-twilio-signature", ""))
        case Scheme.HMAC:
            given = lower.get(wishes.header.lower(), "").rpartition("=")[2].strip().lower()
            right = hmac.new(wishes.secret.encode(), body, hashlib.sha256).hexdigest()
            return hmac.compare_digest(given.encode("utf-8", "replace"), right.encode())


def _twilio(secret: str, url: str, body: bytes, signature: str) -> bool:
    # Twilio's documentation, "Validating requests": the address, then each field's name and value, sorted by name.
    fields = sorted(set(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=200)))
    signed = url + "".join(name + value for name, value in fields)
    right = hmac.new(secret.encode(), signed.encode("utf-8", "replace"), hashlib.sha1).digest()
    try:
        given = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(given, right)


def result_of(wishes: ReceiptWishes, *, url: str, body: bytes, is_form: bool) -> Result | None:
    """Return what a receipt says became of the message; None for steps on the way and for rubbish."""
    word = _word(wishes.status, url, body, is_form=is_form).lower()
    for words, result in (
        (wishes.arrived, Result.DELIVERED),
        (wishes.unreachable, Result.UNREACHABLE),
        (wishes.failed, Result.FAILED),
        (wishes.busy, Result.BUSY),
        (wishes.no_answer, Result.NO_ANSWER),
    ):
        if word and word in words:
            return result
    return None


def _word(path: str, url: str, body: bytes, *, is_form: bool) -> str:
    try:
        query = dict(parse_qsl(urlsplit(url).query, max_num_fields=50))
        if path in query:
            return query[path]
        if is_form:
            return dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=200)).get(path, "")
        return look_up(json.loads(body), path) if body else ""
    except (ValueError, RecursionError):
        return ""
