"""The interface of gateways to the telephone network, and the values that are passed to and from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from watchword.core.policy import Channel


class Result(StrEnum):
    """The result of a text or a call; the values are stored, and shown in the delivery log."""

    WAITING = "waiting"
    """No gateway has taken it yet."""
    SENT = "sent"
    """A gateway took the text, or the telephone rings."""
    DELIVERED = "delivered"
    """The text is on the telephone, or the call was answered."""
    APPROVED = "approved"
    """The person pressed the two digits that the browser shows."""
    FAILED = "failed"
    EXPIRED = "expired"
    """Its code expired before a gateway took it."""
    UNREACHABLE = "unreachable"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    DECLINED = "declined"
    HUNG_UP = "hung_up"
    VOICEMAIL = "voicemail"
    BAD_NUMBER = "bad_number"
    BLOCKED = "blocked"
    """The gateway or the mobile network operator blocks it."""
    SIM_CHANGED = "sim_changed"
    """The SIM swap check reports that the number moved to another SIM recently; nothing was sent."""
    MISMATCHED = "mismatched"
    FRAUD_REPORTED = "fraud_reported"

    @property
    def has_arrived(self) -> bool:
        """Return whether it reached a telephone."""
        return self in _ARRIVED

    @property
    def is_trouble(self) -> bool:
        """Return whether the person should be offered another channel."""
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
    """Return whether a report may replace the stored result: reports come late, twice and in any order.

    A text that arrived stays arrived. A call may get a more specific result until a key that was pressed decides it.
    """
    if before == after or before in _LAST_WORDS:
        return False
    if after in {Result.WAITING, Result.SENT}:
        return before is Result.WAITING
    if before.has_arrived:
        return channel is Channel.VOICE and after.has_arrived and after is not Result.DELIVERED
    return True


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One code to be sent, with everything that a gateway may say about it."""

    delivery_id: UUID
    channel: Channel
    number: str = field(repr=False)
    """E.164, ITU-T."""
    extension: str = field(repr=False)
    code: str = field(repr=False)
    organisation: str = ""
    host: str = ""
    """Host of the sign-in page, for the origin-bound last line of a text."""
    language: str = "en"
    words: str = ""
    """The content of a text or a call that carries no code, such as a warning."""
    purpose: str = ""
    """The purpose of the code: sign_in, confirm, register or recover; other purposes carry no code."""
    place: str = ""
    """Country (ISO 3166-1) of the IP address that requested the code; empty where it is unknown."""
    match: str = field(default="", repr=False)
    """The two digits that the browser shows and the person presses in the call; empty: the call speaks the code."""
    not_after: datetime | None = None
    """Expiry of the code: nothing is sent after it, and gateways are told not to deliver later."""
    gateway: str = ""
    """The only gateway that may send it, for a test; empty: any."""


@dataclass(frozen=True, slots=True)
class LeasedMessage:
    """A message that this dispatcher may send until its lease ends."""

    outgoing: Outgoing
    tries: int
    country: str
    purpose: str
    organisation_id: int
    is_urgent: bool
    """Whether it may exceed a gateway's daily limit: administrators must always be able to sign in."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A gateway took the message; ``reference`` is the gateway's message id."""

    reference: str = ""
    result: Result = Result.SENT


class DeliveryFailed(Exception):
    """A gateway could not send a message.

    ``permanent``: a retry is useless, here or at another gateway. ``result``: the reason. ``maybe_taken``: no answer
    came, so the gateway may have accepted the message. ``is_full``: the gateway works, but can't take more just now.
    ``is_useless_again``: a retry at this gateway would fail again, another gateway may succeed.
    ``retry_after_seconds``: how long the gateway asks us to wait.
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
    """What a gateway reports about a message that it took: a delivery receipt, or the progress of a call."""

    gateway: str
    reference: str
    result: Result
    delivery_id: UUID | None = None
    """Known for calls; a receipt of a text has only the gateway's message id."""
    other_references: tuple[str, ...] = ()
    """Further message ids in the same receipt, tried after ``reference``."""
    number: str = field(default="", repr=False)
    """E.164 number of the telephone that the receipt is about, where the receipt names it."""
    is_certain: bool = True
    """False where the report is a receipt only if both its message id and its number match a message of ours."""
    is_spelled_freely: bool = False
    """Whether the gateway may spell a message id in a receipt differently than in its response (SMPP)."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Whether a gateway can be used now, and in plain words why not."""

    is_up: bool
    words: str = ""


class Gateway(Protocol):
    """One connection to the telephone network, held open by `watchword serve phones` on one event loop."""

    name: str

    @property
    def channels(self) -> frozenset[Channel]:
        """Return the channels that it supports."""

    @property
    def condition(self) -> Condition:
        """Return its condition now; without any I/O."""

    @property
    def fetches_voice_script(self) -> bool:
        """Return whether the provider later fetches what a call says, so that the message must stay stored."""

    async def start(self, report: Callable[[Report], None]) -> None:
        """Connect, and reconnect in the background; return at once. ``report`` may be called at any time."""

    async def send(self, outgoing: Outgoing) -> Submitted:
        """Submit one message: return when a text is accepted, or a call rings.

        Raises DeliveryFailed. Later results come as reports.
        """

    async def stop(self) -> None:
        """Hang up and disconnect, with a regular goodbye where there is time."""
