"""What every carrier of codes can do, and the values that travel in and out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from watchword.core.policy import Channel


class Result(StrEnum):
    """What became of a text or a call; values are stored and shown in the log of deliveries."""

    WAITING = "waiting"
    """Not handed to a channel yet."""
    SENT = "sent"
    """A channel took it; a telephone rings."""
    DELIVERED = "delivered"
    """The telephone has it, or somebody answered."""
    APPROVED = "approved"
    """The two digits that the browser shows were keyed."""
    FAILED = "failed"
    EXPIRED = "expired"
    """It was not handed over before its code died."""
    UNREACHABLE = "unreachable"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    DECLINED = "declined"
    HUNG_UP = "hung_up"
    VOICEMAIL = "voicemail"
    BAD_NUMBER = "bad_number"
    BLOCKED = "blocked"
    """The carrier or the operator of the network does not let it through."""
    SIM_CHANGED = "sim_changed"
    """The carrier says that the number moved to another SIM lately; nothing was sent."""
    MISMATCHED = "mismatched"
    FRAUD_REPORTED = "fraud_reported"

    @property
    def has_arrived(self) -> bool:
        """Whether a telephone had it."""
        return self in _ARRIVED

    @property
    def is_trouble(self) -> bool:
        """Whether the person should be offered another way."""
        return self not in {Result.WAITING, Result.SENT, Result.DELIVERED, Result.APPROVED}


_ARRIVED = frozenset(
    {
        Result.DELIVERED,
        Result.APPROVED,
        Result.HUNG_UP,
        Result.VOICEMAIL,
        Result.DECLINED,
        Result.MISMATCHED,
        Result.FRAUD_REPORTED,
    }
)
_LAST_WORDS = frozenset({Result.APPROVED, Result.FRAUD_REPORTED, Result.MISMATCHED, Result.SIM_CHANGED})


def may_follow(before: Result, after: Result, channel: Channel) -> bool:
    """Whether a report may change what is written: reports come late, twice and in any order.

    A text that arrived stays arrived. Of a call more becomes known as it goes on, until somebody decided by a key.
    """
    if before == after or before in _LAST_WORDS:
        return False
    if after in {Result.WAITING, Result.SENT}:
        return before is Result.WAITING
    if before.has_arrived:
        return channel is Channel.CALL and after.has_arrived and after is not Result.DELIVERED
    return True


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One code on its way, with all that a channel may say about it."""

    delivery_id: UUID
    channel: Channel
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
    purpose: str = ""
    """What the code is for: sign_in, confirm, register."""
    place: str = ""
    """The country (ISO 3166-1) of the address that asked; empty where it isn't known."""
    match: str = field(default="", repr=False)
    """The two digits that the browser shows and that have to be keyed in a call; empty: the code is spoken."""
    not_after: datetime | None = None
    """When the code dies: nothing is sent then any more, and carriers are told to give up."""
    gateway: str = ""
    """The one carrier that is to be tested; empty: whichever fits."""


@dataclass(frozen=True, slots=True)
class LeasedMessage:
    """A message that this dispatcher may send now."""

    outgoing: Outgoing
    tries: int
    country: str
    purpose: str
    organisation_id: int
    is_urgent: bool
    """Whether limits of a carrier leave it alone: administrators get in whatever happens."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A channel took the message; ``reference`` is the carrier's name for it."""

    reference: str = ""
    result: Result = Result.SENT


class DeliveryFailed(Exception):
    """A channel could not carry a message.

    ``permanent`` tells whether trying again is useless, here or elsewhere; ``result`` says what happened in our
    words. ``maybe_taken``: no answer came, so that the carrier may have it all the same. ``is_full``: it works, and
    can't take more just now. ``is_useless_again``: this carrier will say the same in half a minute, another one may
    not. ``retry_after_seconds``: it asks to be left alone for so long.
    """

    def __init__(
        self,
        result: Result,
        *,
        permanent: bool,
        maybe_taken: bool = False,
        is_full: bool = False,
        is_useless_again: bool = False,
        retry_after_seconds: float = 0.0,
    ) -> None:
        super().__init__(result.value)
        self.result = result
        self.permanent = permanent
        self.maybe_taken = maybe_taken
        self.is_full = is_full
        self.is_useless_again = is_useless_again
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True, slots=True)
class Report:
    """What a carrier tells about a message after it took it: a receipt, or how a call goes on."""

    gateway: str
    reference: str
    result: Result
    delivery_id: UUID | None = None
    """Known for calls; a receipt of a text has only the carrier's reference."""
    other_references: tuple[str, ...] = ()
    """Where a receipt names the message twice, and not the same: looked at after ``reference``."""
    number: str = field(default="", repr=False)
    """E.164: whose telephone the receipt is about, where it says so."""
    is_certain: bool = True
    """False where only a reference and a number of ours make it a receipt."""
    is_spelled_freely: bool = False
    """Whether the carrier may write a reference in its receipt otherwise than in its answer (SMPP)."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Whether a carrier can be used right now, and in plain words why not."""

    is_up: bool
    words: str = ""


class Gateway(Protocol):
    """One way out to telephones, kept open by `watchword serve phones` on one event loop."""

    name: str

    @property
    def channels(self) -> frozenset[Channel]:
        """What it carries."""

    @property
    def condition(self) -> Condition:
        """How it stands now; costs nothing."""

    @property
    def fetches_voice_script(self) -> bool:
        """Whether it comes back and asks what is to be said, so that the message must be kept."""

    async def start(self, report: Callable[[Report], None]) -> None:
        """Connect and keep connecting in the background; returns at once. ``report`` may be called at any time."""

    async def send(self, outgoing: Outgoing) -> Submitted:
        """Hand one message to the carrier: a text until it is accepted, a call until it rings.

        Raises DeliveryFailed. What happens afterwards comes as reports.
        """

    async def stop(self) -> None:
        """Hang up and disconnect, politely where there is time."""
