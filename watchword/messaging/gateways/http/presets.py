"""Presets for providers with a published API: a few options of the operator become a whole template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TWILIO_BAD_NUMBER = ["21211", "21214", "21217", "21614", "21401"]
_TWILIO_BLOCKED = ["21408", "21610", "21612", "21215"]


def preset(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of HttpConfig for a preset; raises ValueError with plain words."""
    kind = table["kind"]
    return _PRESETS[kind](dict(table)) if kind in _PRESETS else table


def names() -> list[str]:
    """Return the names of all presets."""
    return sorted(_PRESETS)


def _take(table: dict[str, Any], *needed: str) -> list[Any]:
    table.pop("kind", None)
    missing = [name for name in needed if not table.get(name)]
    if missing:
        raise ValueError(f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")
    return [table.pop(name) for name in needed]


def _twilio_messages(table: dict[str, Any]) -> Mapping[str, Any]:
    # Twilio's documentation: Messages resource, "Create a Message".
    account, token, sender = _take(table, "account", "token", "sender")
    base = table.pop("base", "https://api.twilio.com")
    is_service = str(sender).startswith("MG")
    return {
        "url": f"{base}/2010-04-01/Accounts/{account}/Messages.json",
        "user": account,
        "password": token,
        "sender": sender,
        "form": {
            "To": "{number}",
            ("MessagingServiceSid" if is_service else "From"): "{sender}",
            "Body": "{text}",
            "StatusCallback": "{webhook}",
            "ValidityPeriod": "{seconds}",
        },
        "success_path": "status",
        "success_values": ["accepted", "queued", "sending", "sent", "delivered", "scheduled"],
        "reference_path": "sid",
        "code_path": "code",
        "bad_number": _TWILIO_BAD_NUMBER,
        "blocked": _TWILIO_BLOCKED,
        "receipts": {
            "scheme": "twilio",
            "secret": token,
            "status": "MessageStatus",
            "arrived": ["delivered", "read"],
            "unreachable": ["undelivered"],
            "failed": ["failed", "canceled"],
        },
        **table,
    }


def _twilio_calls(table: dict[str, Any]) -> Mapping[str, Any]:
    # Twilio's documentation: Calls resource, "Create a Call", and TwiML for voice.
    account, token, sender = _take(table, "account", "token", "sender")
    base = table.pop("base", "https://api.twilio.com")
    return {
        "channel": "voice",
        "url": f"{base}/2010-04-01/Accounts/{account}/Calls.json",
        "user": account,
        "password": token,
        "sender": sender,
        "form": {
            "To": "{number}",
            "From": "{sender}",
            "Url": "{voice}",
            "Method": "POST",
            "Timeout": "35",
            "StatusCallback": "{webhook}",
            "StatusCallbackMethod": "POST",
        },
        "success_path": "status",
        "success_values": ["queued", "initiated", "ringing", "in-progress"],
        "reference_path": "sid",
        "code_path": "code",
        "bad_number": _TWILIO_BAD_NUMBER,
        "blocked": _TWILIO_BLOCKED,
        "receipts": {
            "scheme": "twilio",
            "secret": token,
            "status": "CallStatus",
            "arrived": [],
            "unreachable": [],
            "failed": ["failed", "canceled"],
            "busy": ["busy"],
            "no_answer": ["no-answer"],
        },
        **table,
    }


def _kannel(table: dict[str, Any]) -> Mapping[str, Any]:
    # Kannel's user guide, "Using the HTTP interface to send SMS messages" and table 7-17. The validity prevents
    # delivery of expired codes. Status of a receipt: 1 for delivered, 2 for not delivered, 16 for rejected by the SMSC.
    url, user, password = _take(table, "url", "user", "password")
    # An empty sender is rejected; without one Kannel uses its own default-sender.
    sender = {"from": "{sender}"} if table.get("sender") else {}
    return {
        "method": "GET",
        "url": url,
        "secrets": {"password": password},
        "query": {
            "username": str(user),
            "password": "{secret.password}",
            **sender,
            "to": "{number}",
            "text": "{text}",
            "charset": "UTF-8",
            "coding": "{coding}",
            "validity": "{minutes}",
            "dlr-mask": "19",
            "dlr-url": "{webhook}?status=%d",
        },
        "receipts": {"status": "status", "arrived": ["1"], "unreachable": ["2", "34"], "failed": ["16"]},
        **table,
    }


def _vonage(table: dict[str, Any]) -> Mapping[str, Any]:
    # Vonage's documentation: SMS API, "Send an SMS" and "Delivery Receipt"; its callback URLs have at most 100
    # characters, and its shortest ttl is 20 seconds. 7: the number is barred; 15: the sender is not allowed there.
    key, secret, sender = _take(table, "key", "secret", "sender")
    return {
        "url": "https://rest.nexmo.com/sms/json",
        "secrets": {"key": key, "secret": secret},
        "sender": sender,
        "form": {
            "api_key": "{secret.key}",
            "api_secret": "{secret.secret}",
            "from": "{sender}",
            "to": "{digits}",
            "text": "{text}",
            "ttl": "{milliseconds}",
            "callback": "{webhook}",
        },
        "success_path": "messages.0.status",
        "success_values": ["0"],
        "reference_path": "messages.0.message-id",
        "code_path": "messages.0.status",
        "blocked": ["7", "15"],
        "receipts": {
            "status": "status",
            "arrived": ["delivered"],
            "unreachable": ["expired"],
            "failed": ["failed"],
            "blocked": ["rejected"],
        },
        **table,
    }


def _elks(table: dict[str, Any]) -> Mapping[str, Any]:
    # 46elks' documentation: "Send an SMS" and "SMS Delivery Reports (DLRs)". dontlog excludes the code from its log.
    user, password, sender = _take(table, "user", "password", "sender")
    return {
        "url": "https://api.46elks.com/a1/sms",
        "user": user,
        "password": password,
        "sender": sender,
        "form": {
            "from": "{sender}",
            "to": "{number}",
            "message": "{text}",
            "whendelivered": "{webhook}",
            "dontlog": "message",
        },
        "success_path": "status",
        "success_values": ["created", "sent", "delivered"],
        "reference_path": "id",
        "receipts": {"status": "status", "arrived": ["delivered"], "unreachable": [], "failed": ["failed"]},
        **table,
    }


def _telnyx(table: dict[str, Any]) -> Mapping[str, Any]:
    # Telnyx' documentation: Messaging, "Send a message" and "Receiving Webhooks for Messaging". Without the account's
    # public key its signature can't be checked: then the secret webhook URL alone must do.
    key, sender = _take(table, "key", "sender")
    public_key = table.pop("public_key", "")
    proof = {"scheme": "telnyx", "public_key": public_key} if public_key else {}
    return {
        "url": "https://api.telnyx.com/v2/messages",
        "secrets": {"key": key},
        "headers": {"Authorization": "Bearer {secret.key}"},
        "sender": sender,
        "json": {"from": "{sender}", "to": "{number}", "text": "{text}", "webhook_url": "{webhook}"},
        "success_path": "data.to.0.status",
        "success_values": ["queued", "sending", "sent", "delivered"],
        "reference_path": "data.id",
        "code_path": "errors.0.code",
        # Telnyx' list of error codes: "The 'to' address should be a single valid number".
        "bad_number": ["40310"],
        "receipts": {
            **proof,
            "status": "data.payload.to.0.status",
            "arrived": ["delivered"],
            "unreachable": ["delivery_failed", "expired"],
            "failed": ["sending_failed", "cancelled"],
        },
        **table,
    }


_PRESETS = {
    "twilio-messages": _twilio_messages,
    "twilio-calls": _twilio_calls,
    "kannel": _kannel,
    "vonage-sms": _vonage,
    "46elks": _elks,
    "telnyx": _telnyx,
}
