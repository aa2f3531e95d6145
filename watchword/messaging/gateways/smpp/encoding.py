"""Encode texts for submit_sm, and parse receipts of deliver_sm. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import gsm0338  # noqa: F401  (registers the codec)

from watchword.messaging.gateway import Result
from watchword.messaging.gateways.smpp.config import Alphabet, Validity
from watchword.messaging.gateways.smpp.pdu import Delivered

ONE_SEGMENT = {0: 160, 8: 140}
"""Octets in one segment by data_coding: septets stored as octets, or UCS-2 (3GPP TS 23.040)."""
PART = {0: 153, 8: 134}
"""The same for a segment with a user data header of six octets, which holds its part number."""
CONCATENATED = 0x40
RECEIPT = 0x04
_KIND = 0x3C
_ESCAPE = 0x1B
_LONGEST_VALIDITY = 7 * 86_400

_BY_STATE = {
    2: Result.DELIVERED,
    3: Result.UNREACHABLE,
    4: Result.FAILED,
    5: Result.UNREACHABLE,
    8: Result.BLOCKED,
    9: Result.FAILED,
}
"""message_state, SMPP 3.4 section 5.2.28 and SMPP 5.0 section 4.7.15; ENROUTE, ACCEPTED and UNKNOWN are no result."""
_BY_WORD = (
    ("DELIV", Result.DELIVERED),
    ("EXPIR", Result.UNREACHABLE),
    ("DELET", Result.FAILED),
    ("UNDEL", Result.UNREACHABLE),
    ("REJECT", Result.BLOCKED),
    ("FAIL", Result.FAILED),
    ("SKIP", Result.FAILED),
)
"""SMPP 3.4 appendix B has words of seven letters (DELIVRD); some SMSCs write DELIVERED and FAILED too, or a number."""
_ID = re.compile(r"\bid:[ \t]*(?!(?:sub|dlvrd|submit|done|stat|err|text)\b)([!-~]{1,65})(?=\s|$)", re.IGNORECASE)
_STAT = re.compile(r"\bstat:\s*([A-Z]{1,20}|[0-9]{1,3})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a text, as submitted by submit_sm."""

    octets: bytes
    data_coding: int
    esm_class: int = 0


def segments_of(text: str, alphabet: Alphabet, *, reference: int) -> list[Segment]:
    """Return a text as one segment, or as concatenated segments, which ``reference`` (0 to 255) connects."""
    octets, coding = _encoded(text, alphabet)
    if len(octets) <= ONE_SEGMENT[coding]:
        return [Segment(octets, coding)]
    parts = list(_cut(octets, coding))
    return [
        Segment(bytes((5, 0, 3, reference & 0xFF, len(parts), number)) + part, coding, CONCATENATED)
        for number, part in enumerate(parts, 1)
    ]


def _encoded(text: str, alphabet: Alphabet) -> tuple[bytes, int]:
    try:
        if chr(_ESCAPE) in text:
            # The codec accepts it as a letter; on a telephone it would change the next letter.
            return text.encode("utf-16-be", "replace"), 8
        gsm = text.encode("gsm03.38")
        # The provider's alphabet decides how letters are encoded, but only letters of the GSM alphabet fit.
        return (gsm if alphabet is Alphabet.GSM else text.encode("latin-1")), 0
    except UnicodeEncodeError:
        return text.encode("utf-16-be", "replace"), 8


def _cut(octets: bytes, coding: int) -> Iterable[bytes]:
    size = PART[coding]
    start = 0
    while start < len(octets):
        end = min(start + size, len(octets))
        if end < len(octets):
            if coding == 0 and octets[end - 1] == _ESCAPE:
                end -= 1
            elif coding and 0xD8 <= octets[end - 2] <= 0xDB:  # a high surrogate
                end -= 2
        yield octets[start:end]
        start = end


def validity(not_after: datetime | None, now: datetime, form: Validity = Validity.RELATIVE) -> str:
    """Return the validity period in one of the two formats of SMPP 3.4 section 7.1.1; empty: the SMSC's default."""
    if not_after is None or form is Validity.NONE:
        return ""
    if form is Validity.ABSOLUTE:
        # Tenths of a second, and the offset from UTC in quarter hours.
        return max(not_after, now + timedelta(seconds=1)).astimezone(UTC).strftime("%y%m%d%H%M%S000+")
    seconds = min(max(int((not_after - now).total_seconds()), 1), _LONGEST_VALIDITY)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"0000{day:02d}{hour:02d}{minute:02d}{second:02d}000R"


@dataclass(frozen=True, slots=True)
class SmppReceipt:
    """The content of one receipt."""

    ids: tuple[str, ...]
    """Message ids as received: that of the optional parameter before that of the text."""
    result: Result
    is_marked: bool = True
    """Whether esm_class marks it as a receipt; otherwise it counts only if a message of ours has that id."""


def receipt_of(delivered: Delivered) -> SmppReceipt | None:
    """Return the receipt in a deliver_sm or data_sm; None if it is no receipt.

    Never raises, whatever the octets are: they come from outside.
    """
    tags = delivered.tags
    # Some SMSCs put the receipt's text into message_payload (SMPP 3.4 section 5.3.2.32).
    octets = delivered.short_message or tags.get(0x0424, b"")
    is_ucs2 = delivered.data_coding == 8  # 3GPP TS 23.038
    text = octets.decode("utf-16-be", "replace") if is_ucs2 else octets.decode("latin-1")
    found = _ID.search(text)
    tag = tags.get(0x001E, b"").rstrip(b"\0 ").decode("latin-1")
    ids = tuple(dict.fromkeys(one for one in (tag, found[1] if found else "") if one))
    state = tags.get(0x0427, b"")
    result = _BY_STATE.get(state[0]) if state else None
    word = _STAT.search(text)
    if result is None and word is not None:
        result = _result_of(word[1])
    if not ids or result is None:
        return None
    return SmppReceipt(ids, result, is_marked=delivered.esm_class & _KIND == RECEIPT)


def _result_of(word: str) -> Result | None:
    if word.isdecimal():
        return _BY_STATE.get(int(word))
    upper = word.upper()
    return next((result for beginning, result in _BY_WORD if upper.startswith(beginning)), None)


def e164_of(address: str) -> str:
    """Return the receipt's number in E.164, as far as its address allows; empty for an alphanumeric address."""
    digits = address.strip().removeprefix("+").removeprefix("00")
    return f"+{digits}" if digits.isascii() and digits.isdecimal() else ""
