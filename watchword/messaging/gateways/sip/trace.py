"""The trace log of one PBX: start lines and headers of SIP, with numbers, credentials and digits left out.

This is an allowlist: the value of an unknown header is not written, only its name. Bodies are never written: they hold
media addresses, and keys that were pressed (INFO).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from uuid import UUID

from aiosipua import SipRequest, SipResponse
from aiosipua.headers import prettify_header_name

from watchword.core.log_events import log_event

logger = logging.getLogger(__name__)

HIDDEN = "…"
_LONG_DIGITS = re.compile(r"\+?\d{6,}")
"""A code has six digits, and a number more; ports, statuses and lengths have fewer."""
_METHOD = re.compile(r"[A-Z]{3,12}")
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z-]{0,39}")
_HOST = re.compile(r"[A-Za-z0-9.\[\]:-]+")
_TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,128}")
_RANDOM_MARK = re.compile(r"(?=.*[a-f])(z9hG4bK)?[0-9a-f]{16}")
"""A branch or tag as the library generates it. One without a letter is hidden, for it could be a number."""
_PARAMETER = re.compile(r';\s*([A-Za-z-]+)(?:\s*=\s*("[^"]*"|[^;,\s]+))?')
_WRITTEN_PARAMETERS = frozenset({"branch", "tag", "received", "rport", "lr", "transport", "expires", "cause"})
_CHALLENGE = re.compile(r'\b(realm|algorithm|qop|stale)\s*=\s*("[^"]*"|[^,\s]+)', re.IGNORECASE)
_URI = re.compile(r"(sips?|tel):([^>\s]*)", re.IGNORECASE)


class SipTrace:
    """The trace log of one gateway: one record for each message, if the operator has enabled it."""

    def __init__(self, gateway: str, *, is_on: bool) -> None:
        self._gateway = gateway
        self._is_on = is_on
        self.delivery_of: Callable[[str], UUID | None] = lambda _call_id: None
        """Return the delivery of a call, by Call-ID."""

    def sent(self, message: SipRequest | SipResponse, peer: tuple[str, int]) -> None:
        """Log a message that we sent; a retransmission is logged again."""
        self._write("sent to", message, peer)

    def received(self, message: SipRequest | SipResponse, peer: tuple[str, int]) -> None:
        """Log a message that the PBX sent."""
        self._write("received from", message, peer)

    def _write(self, direction: str, message: SipRequest | SipResponse, peer: tuple[str, int]) -> None:
        if self._is_on:
            delivery = self.delivery_of(message.call_id or "")
            logger.info(
                "%s %s port %d: %s",
                direction,
                *peer[:2],
                redacted(message),
                extra=log_event("messaging.sip.trace", gateway=self._gateway, delivery=delivery or ""),
            )


def redacted(message: SipRequest | SipResponse) -> str:
    """Return start line and headers in one line; it holds no number, user name, credential or body."""
    if isinstance(message, SipRequest):
        method = message.method if _METHOD.fullmatch(message.method) else HIDDEN
        start = f"{method} {_uri(message.uri)} SIP/2.0"
    else:
        # The reason phrase is free text, and some PBXs write the called number into it.
        start = f"SIP/2.0 {message.status_code:03d}"
    headers = [
        f"{prettify_header_name(name) if _HEADER_NAME.fullmatch(name) else HIDDEN}: {_value(name, value)}"
        for name, values in message.headers.items()
        for value in values
        if name.lower() != "content-length"
    ]
    return " | ".join([start, *headers, f"body of {len(message.body)} octets"])


def _value(name: str, value: str) -> str:
    write = _WRITTEN.get(name.lower())
    return write(value) if write is not None else HIDDEN


def _without_numbers(text: str) -> str:
    return _LONG_DIGITS.sub(HIDDEN, text)


def _uri(text: str) -> str:
    """Return a URI without its user part: scheme and host, where the host is valid."""
    found = _URI.search(text)
    if found is None:
        return HIDDEN
    user, at, rest = found[2].rpartition("@")
    host = re.split("[;?]", rest, maxsplit=1)[0]
    scheme = found[1].lower()
    return f"{scheme}:{f'{HIDDEN}@' if at and user else ''}{HIDDEN if scheme == 'tel' else _host(host)}"


def _host(text: str) -> str:
    return _without_numbers(text) if _HOST.fullmatch(text) else HIDDEN


def _address(value: str) -> str:
    """Return an address without display name and user; of its parameters, only those that identify a dialog."""
    _before, bracket, rest = value.rpartition("<")
    uri, _, after = rest.partition(">") if bracket else (value.partition(";")[0], "", value)
    return f"<{_uri(uri)}>{_parameters(after)}"


def _via(value: str) -> str:
    found = re.match(r"\s*SIP\s*/\s*2\.0\s*/\s*(\w{2,4})\s+([^;\s]+)", value)
    return f"SIP/2.0/{found[1]} {_host(found[2])}{_parameters(value)}" if found is not None else HIDDEN


def _parameters(text: str) -> str:
    stored = []
    for name, value in _PARAMETER.findall(text):
        if name.lower() in _WRITTEN_PARAMETERS:
            stored.append(f";{name.lower()}" + (f"={_token(value.strip('"'))}" if value else ""))
    return "".join(stored)


def _token(text: str) -> str:
    """Return a token, with digits hidden that could be a number; random values that we generate stay."""
    if _RANDOM_MARK.fullmatch(text):
        return text
    return _without_numbers(text) if _TOKEN.fullmatch(text) or _HOST.fullmatch(text) else HIDDEN


def _challenge(value: str) -> str:
    """Return the parameters of a challenge without the nonce; of credentials only the scheme and the realm."""
    scheme = value.strip().partition(" ")[0]
    told = ", ".join(f"{name.lower()}={told}" for name, told in _CHALLENGE.findall(value))
    return _without_numbers(f"{scheme if _TOKEN.fullmatch(scheme) else HIDDEN} {told}".strip())


def _call_id(value: str) -> str:
    """Return a Call-ID in the format of our log records; one of another format could hold a number."""
    head, at, host = value.partition("@")
    is_ours = re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", head) is not None
    return f"{head if is_ours else HIDDEN}{at}{_host(host)}" if at else HIDDEN


def _cseq(value: str) -> str:
    number, _, method = value.strip().partition(" ")
    known = number.isdecimal() and len(number) <= 5 and _METHOD.fullmatch(method.strip())
    return f"{number} {method.strip()}" if known else HIDDEN


def _reason(value: str) -> str:
    """Return the protocol and the cause (RFC 3326); the text parameter may hold anything."""
    protocol = value.partition(";")[0].strip()
    return f"{protocol}{_parameters(value)}" if protocol in {"SIP", "Q.850"} else HIDDEN


def _plain(value: str) -> str:
    return _without_numbers(value) if re.fullmatch(r"[A-Za-z0-9 .,;=/+*_-]{0,200}", value) else HIDDEN


_WRITTEN: Mapping[str, Callable[[str], str]] = {
    **dict.fromkeys(("from", "to", "contact", "route", "record-route"), _address),
    **dict.fromkeys(
        ("www-authenticate", "proxy-authenticate", "authorization", "proxy-authorization"),
        _challenge,
    ),
    **dict.fromkeys(
        (
            "accept",
            "allow",
            "content-type",
            "expires",
            "max-forwards",
            "min-expires",
            "require",
            "retry-after",
            "server",
            "session-expires",
            "supported",
            "unsupported",
            "user-agent",
        ),
        _plain,
    ),
    "call-id": _call_id,
    "cseq": _cseq,
    "reason": _reason,
    "via": _via,
}
