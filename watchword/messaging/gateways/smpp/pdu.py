"""Encode the SMPP 3.4 PDUs that a client sends, and decode those that it receives. Pure."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

HEADER = struct.Struct("!IIII")
"""command_length, command_id, command_status and sequence_number (section 3.2)."""
LONGEST_PDU = 70_000
"""A message_payload has at most 64 KiB; a longer PDU is not SMPP."""
RESPONSE = 0x8000_0000
VERSION = 0x34
_TLV = struct.Struct("!HH")


class Command(IntEnum):
    """command_id, section 5.1.2.1."""

    GENERIC_NACK = 0x8000_0000
    SUBMIT_SM = 0x04
    DELIVER_SM = 0x05
    UNBIND = 0x06
    BIND_TRANSCEIVER = 0x09
    OUTBIND = 0x0B
    ENQUIRE_LINK = 0x15
    ALERT_NOTIFICATION = 0x102
    DATA_SM = 0x103


class Status(IntEnum):
    """command_status, section 5.1.3: those that we handle."""

    OK = 0x00
    INVALID_LENGTH = 0x02
    INVALID_COMMAND = 0x03
    ALREADY_BOUND = 0x05
    INVALID_SOURCE = 0x0A
    INVALID_DESTINATION = 0x0B
    BIND_FAILED = 0x0D
    INVALID_PASSWORD = 0x0E
    INVALID_SYSTEM_ID = 0x0F
    QUEUE_FULL = 0x14
    SUBMIT_FAILED = 0x45
    INVALID_SOURCE_TON = 0x48
    INVALID_SOURCE_NPI = 0x49
    INVALID_SYSTEM_TYPE = 0x53
    THROTTLED = 0x58
    INVALID_EXPIRY = 0x62


@dataclass(frozen=True, slots=True)
class SubmitSm:
    """One submit_sm (section 4.4.1)."""

    source: tuple[int, int, str]
    """Type of number, numbering plan, address."""
    destination: str = field(repr=False)
    short_message: bytes = field(repr=False)
    esm_class: int
    data_coding: int
    validity_period: str

    def body(self) -> bytes:
        """Return the octets after the header. They request a receipt of the final outcome."""
        ton, npi, source = self.source
        return b"".join(
            (
                b"\0",  # service_type
                bytes((ton, npi)) + c_string(source),
                b"\1\1" + c_string(self.destination),
                bytes((self.esm_class, 0, 0)),
                b"\0",  # schedule_delivery_time
                c_string(self.validity_period),
                bytes((1, 0, self.data_coding, 0, len(self.short_message))),
                self.short_message,
            )
        )


@dataclass(frozen=True, slots=True)
class Delivered:
    """One received deliver_sm or data_sm: a receipt, or a text from a telephone."""

    source: str = field(repr=False)
    esm_class: int
    data_coding: int
    short_message: bytes = field(repr=False)
    tags: Mapping[int, bytes] = field(repr=False)


def pdu(command: int, sequence: int, body: bytes = b"", *, status: int = 0) -> bytes:
    """Return a whole PDU."""
    return HEADER.pack(HEADER.size + len(body), command, status, sequence) + body


def bind_body(system_id: str, password: str, system_type: str) -> bytes:
    """Return the body of a bind (section 4.1.5), without an address range."""
    return c_string(system_id) + c_string(password) + c_string(system_type) + bytes((VERSION, 0, 0)) + b"\0"


def c_string(text: str) -> bytes:
    """Return a text as a C-Octet string (section 3.1)."""
    return text.encode("latin-1") + b"\0"


def message_id_of(body: bytes) -> str:
    """Return the message id of a submit_sm_resp; empty where there is none."""
    return body.partition(b"\0")[0].decode("latin-1")


def read_deliver_sm(body: bytes) -> Delivered:
    """Return the content of a deliver_sm (section 4.6.1); raises ValueError."""
    reader = _OctetReader(body)
    source = _read_source(reader)
    esm_class, _protocol, _priority = reader.octets(3)
    reader.c_string()
    reader.c_string()
    _registered, _replace, data_coding, _default, length = reader.octets(5)
    return Delivered(source, esm_class, data_coding, reader.octets(length), reader.tags())


def read_data_sm(body: bytes) -> Delivered:
    """Return the content of a data_sm (section 4.7.1); raises ValueError. Its text is in message_payload."""
    reader = _OctetReader(body)
    source = _read_source(reader)
    esm_class, _registered, data_coding = reader.octets(3)
    return Delivered(source, esm_class, data_coding, b"", reader.tags())


def _read_source(reader: _OctetReader) -> str:
    """Return the source address and pass over the service type and the destination, which both PDUs begin with."""
    reader.c_string()
    reader.octets(2)
    source = reader.c_string()
    reader.octets(2)
    reader.c_string()
    return source


class _OctetReader:
    """A sequential reader of a PDU body; raises ValueError where the body is too short."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def c_string(self) -> str:
        end = self._body.index(b"\0", self._at)
        text, self._at = self._body[self._at : end], end + 1
        return text.decode("latin-1")

    def octets(self, number: int) -> bytes:
        octets = self._body[self._at : self._at + number]
        if len(octets) < number:
            raise ValueError("the PDU is too short")
        self._at += number
        return octets

    def tags(self) -> dict[int, bytes]:
        """Return the optional parameters; a truncated one ends the list, since some SMSCs pad their PDUs."""
        tags: dict[int, bytes] = {}
        while self._at + _TLV.size <= len(self._body):
            tag, length = _TLV.unpack(self.octets(_TLV.size))
            if self._at + length > len(self._body):
                break
            tags.setdefault(tag, self.octets(length))
        return tags
