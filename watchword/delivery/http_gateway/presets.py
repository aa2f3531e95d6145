"""Providers whose interfaces are published: a few words of the operator become a whole template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TWILIO_BAD_NUMBER = ["21211", "21214", "21217", "21614", "21401"]
_TWILIO_BLOCKED = ["21408", "21610", "21612", "21215"]


def preset(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of HttpWishes that a preset stands for; raises ValueError with plain words."""
    kind = table["kind"]
    return _PRESETS[kind](dict(table)) if kind in _PRESETS else table


def names() -> list[str]:
    """Return the names of all presets."""
    return sorted(_PRESETS)


def _take(table: dict[str, Any], *needed: str) -> list[Any]:
    table.pop("kind", None)
    missing = [name for name in needed if not table.get(name)]
    if missing:
        raise ValueError(
            f"{' and '.join(missing)} is missing" if len(missing) == 1 else f"{', '.join(missing)} are missing"
        )
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
        "way": "call",
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
    # Kannel's user guide, "Using the HTTP interface to send SMS messages". Validity keeps it from sending dead codes.
    url, user, password = _take(table, "url", "user", "password")
    return {
        "method": "GET",
        "url": url,
        "secrets": {"password": password},
        "query": {
            "username": str(user),
            "password": "{secret.password}",
            "from": "{sender}",
            "to": "{number}",
            "text": "{text}",
            "charset": "UTF-8",
            "validity": "{minutes}",
            "dlr-mask": "3",
            "dlr-url": "{webhook}?status=%d",
        },
        "receipts": {"status": "status", "arrived": ["1"], "unreachable": ["2", "16"], "failed": []},
        **table,
    }


def _vonage(table: dict[str, Any]) -> Mapping[str, Any]:
    # Vonage's documentation: SMS API, "Send an SMS".
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
            "failed": ["failed", "rejected"],
        },
        **table,
    }


_PRESETS = {
    "twilio-messages": _twilio_messages,
    "twilio-calls": _twilio_calls,
    "kannel": _kannel,
    "vonage-sms": _vonage,
}
