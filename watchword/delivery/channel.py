"""The channel protocol: what every carrier of codes can do, and the values that travel in and out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from watchword.core.policy import Way


class Result(StrEnum):
    """What became of a text or a call; values are stored and shown in the log of deliveries."""

    WAITING = "waiting"
    """Not handed to a channel yet."""
    SENT = "sent"
    """A channel took it."""
    DELIVERED = "delivered"
    """The telephone has it, or somebody answered."""
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    HUNG_UP = "hung_up"
    VOICEMAIL = "voicemail"
    BAD_NUMBER = "bad_number"
    FRAUD_REPORTED = "fraud_reported"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One code on its way, with all that a channel may say about it."""

    delivery_id: UUID
    way: Way
    number: str = field(repr=False)
    """E.164, ITU-T."""
    extension: str = field(repr=False)
    code: str = field(repr=False)
    organisation: str = ""
    host: str = ""
    """The host of the sign-in page, for the origin-bound last line of a text."""
    language: str = "en"
    words: str = ""
    """What a text says that carries no code: a warning."""


@dataclass(frozen=True, slots=True)
class Handed:
    """A channel took the message; ``reference`` is the carrier's name for it."""

    reference: str = ""


class DeliveryFailed(Exception):
    """A channel could not carry a message.

    ``permanent`` tells whether trying again is useless; ``result`` says what happened in our words.
    """

    def __init__(self, result: Result, *, permanent: bool) -> None:
        super().__init__(result.value)
        self.result = result
        self.permanent = permanent


class Channel(Protocol):
    """One way to reach telephones. It carries; it never decides, counts or draws a page of its own."""

    name: str
    ways: frozenset[Way]

    def send(self, outgoing: Outgoing, *, timeout_seconds: float) -> Handed:
        """Hand a message to the carrier within the time; raises DeliveryFailed."""
