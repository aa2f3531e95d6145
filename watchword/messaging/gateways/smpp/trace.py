"""The trace log of one SMSC: direction of each PDU, its sequence number and its status. Never its body.

A body holds the password (bind), the number and the code (submit_sm), or the number again (deliver_sm).
"""

from __future__ import annotations

import logging
from uuid import UUID

from watchword.core.log_events import log_event
from watchword.messaging.gateways.smpp.pdu import RESPONSE, Command

logger = logging.getLogger(__name__)


class SmppTrace:
    """The trace log of one gateway: one record for each PDU, if the operator has enabled it."""

    def __init__(self, gateway: str, *, is_on: bool) -> None:
        self.gateway = gateway
        self._is_on = is_on

    def sent(self, command: int, sequence: int, status: int = 0, *, delivery: UUID | None = None) -> None:
        """Log a PDU that we sent; ``delivery`` is the delivery of a submit_sm."""
        self._write("sent", command, sequence, status, delivery)

    def received(self, command: int, sequence: int, status: int) -> None:
        """Log a PDU that the SMSC sent."""
        self._write("received", command, sequence, status, None)

    def _write(self, direction: str, command: int, sequence: int, status: int, delivery: UUID | None) -> None:
        if self._is_on:
            logger.info(
                "%s %s sequence_number %d command_status %#010x",
                direction,
                name_of(command),
                sequence,
                status,
                extra=log_event("messaging.smpp.trace", gateway=self.gateway, delivery=delivery or ""),
            )


def name_of(command: int) -> str:
    """Return the standard's name of a PDU (SMPP 3.4 section 5.1.2.1), or its id where it has none."""
    try:
        if command == Command.GENERIC_NACK:
            return Command(command).name.lower()
        name = Command(command & ~RESPONSE).name.lower()
    except ValueError:
        return f"command_id {command:#010x}"
    return f"{name}_resp" if command & RESPONSE else name
