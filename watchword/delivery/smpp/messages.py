"""Texts as SMPP submits them, and receipts as SMPP delivers them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import gsm0338  # noqa: F401  (registers the codec)

from watchword.delivery.channel import Result
from watchword.delivery.smpp.wishes import Alphabet, Ids

ONE_SEGMENT = {0: 160, 8: 140}
"""Octets that one segment holds: septets written as octets, or UCS-2 (3GPP TS 23.040)."""
PART = {0: 153, 8: 134}
"""The same beside a header of six octets that says which part it is."""
CONCATENATED = 0x40
RECEIPT = 0x04
_KIND = 0x3C
_ESCAPE = 0x1B
_LONGEST_VALIDITY = 7 * 86_400

_BY_STATE = {2: Result.DELIVERED, 3: Result.UNREACHABLE, 4: Result.FAILED, 5: Result.UNREACHABLE, 8: Result.BLOCKED}
"""message_state, SMPP 3.4 section 5.2.28; ENROUTE, ACCEPTED and UNKNOWN say nothing yet."""
_BY_WORD = {
    "DELIVRD": Result.DELIVERED,
    "EXPIRED": Result.UNREACHABLE,
    "DELETED": Result.FAILED,
    "UNDELIV": Result.UNREACHABLE,
    "REJECTD": Result.BLOCKED,
}
"""SMPP 3.4 appendix B."""
_ID = re.compile(r"\bid:\s*([0-9A-Za-z._:-]{1,65}?)(?=\s|$)", re.IGNORECASE)
_STAT = re.compile(r"\bstat:\s*([A-Z]{1,10})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a text as it is submitted."""

    octets: bytes
    data_coding: int
    esm_class: int = 0


def segments_of(text: str, alphabet: Alphabet, *, reference: int) -> list[Segment]:
    """Return a text as one segment, or as several that the telephone joins; ``reference`` (0 to 255) marks those."""
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
            # The codec takes it for a letter; on a telephone it would change the next one.
            return text.encode("utf-16-be", "replace"), 8
        gsm = text.encode("gsm03.38")
        # What is on the wire is the carrier's matter; what fits is the GSM alphabet's.
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
            elif coding and 0xD8 <= octets[end - 2] <= 0xDB:  # noqa: PLR2004  (a high surrogate)
                end -= 2
        yield octets[start:end]
        start = end


def validity(not_after: datetime | None, now: datetime) -> str:
    """Return how long the SMSC may try, in its relative form (SMPP 3.4 section 7.1.1); empty: as it likes."""
    if not_after is None:
        return ""
    seconds = min(max(int((not_after - now).total_seconds()), 1), _LONGEST_VALIDITY)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"0000{day:02d}{hour:02d}{minute:02d}{second:02d}000R"


def receipt_of(esm_class: int, short_message: bytes, tags: Mapping[int, bytes], ids: Ids) -> tuple[str, Result] | None:
    """Return which message a deliver_sm is a receipt of and what became of it; None for everything else.

    Whatever the octets are, nothing is raised: they come from outside.
    """
    if esm_class & _KIND != RECEIPT:
        return None
    # Some SMSCs put the words into message_payload (SMPP 3.4 section 5.3.2.32).
    text = (short_message or tags.get(0x0424, b"")).decode("latin-1")
    found = _ID.search(text)
    name = tags.get(0x001E, b"").rstrip(b"\0").decode("latin-1") or (found[1] if found else "")
    state = tags.get(0x0427, b"")
    word = _STAT.search(text)
    result = _BY_STATE.get(state[0]) if state else None
    if result is None and word is not None:
        result = _BY_WORD.get(word[1].upper()[:7])
    if not name or result is None:
        return None
    return comparable(name, ids, is_receipt=True), result


def comparable(name: str, ids: Ids, *, is_receipt: bool) -> str:
    """Return a message id in the form in which both sides are compared."""
    if ids is Ids.AS_IS:
        return name
    try:
        return str(int(name, 10 if is_receipt else 16))
    except ValueError:
        return name
