"""The factor protocol: what every kind of factor can do, and its parameters and results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from watchword.core.codes import RandomSource
from watchword.core.negative_result import NegativeResult
from watchword.core.policy import Channel, FactorKind, Policy

type Keyed = Callable[[str, bytes], bytes]
"""A keyed hash whose key is stored outside the database: (purpose, data) -> digest."""


class RejectReason(StrEnum):
    """Why a proof or a set-up was rejected; pages translate it, outsiders see one sentence for all reasons."""

    WRONG = "wrong"
    NOT_CURRENT = "not_current"
    EXPIRED = "expired"
    USED = "used"
    TOO_MANY_TRIES = "too_many_tries"
    EARLIER_CODE = "earlier_code"
    TOO_LATE = "too_late"
    NOT_SHAPED = "not_shaped"
    NOT_REGISTERED = "not_registered"
    NOT_A_NUMBER = "not_a_number"
    AMBIGUOUS_NUMBER = "ambiguous_number"
    MOBILE_WITHOUT_9 = "mobile_without_9"
    NUMBER_NOT_ALLOWED = "number_not_allowed"
    VOIP_NOT_ALLOWED = "voip_not_allowed"
    NO_TEXT_TO_THIS_NUMBER = "no_text_to_this_number"
    CHANNEL_NOT_ALLOWED = "channel_not_allowed"
    EXTENSION = "extension"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    TOO_COMMON = "too_common"
    BREACHED = "breached"
    CONTAINS_CONTEXT = "contains_context"
    SAME_AS_BEFORE = "same_as_before"
    SHAPED_LIKE_APP_PASSWORD = "shaped_like_app_password"
    NOT_ENFORCED = "not_enforced"
    NOT_ALLOWED = "not_allowed"
    NOT_CARRIED = "not_carried"
    LIMIT = "limit"
    COOLING_OFF = "cooling_off"
    WAITS = "waits"
    NOT_APPROVED_YET = "not_approved_yet"
    MISMATCHED = "mismatched"
    NAME_MISSING = "name_missing"
    NAME_TOO_LONG = "name_too_long"
    NAME_TAKEN = "name_taken"
    NAME_NOT_PRINTABLE = "name_not_printable"


@dataclass(frozen=True, slots=True)
class CredentialData:
    """A person's credential of one kind: the public part as a mapping, the secret part as octets."""

    kind: FactorKind
    label: str = ""
    slot: str = ""
    public: Mapping[str, str] = field(default_factory=dict)
    secret: bytes = field(default=b"", repr=False)
    lookup: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """A code to be sent to a phone; the code is a field of its own, so that each channel can word its message."""

    channel: Channel
    number: str = field(repr=False)
    extension: str = field(repr=False)
    code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Challenge:
    """The next step of a factor: ``show`` for the page, ``keep`` for the attempt, ``send`` for a gateway.

    ``keep`` never holds a code in clear, only its keyed hash.
    """

    show: Mapping[str, str] = field(default_factory=dict, repr=False)
    keep: Mapping[str, str] = field(default_factory=dict, repr=False)
    send: Message | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The proof was right. ``renewed`` is a better stored form of the same secret, if there is one."""

    channel: Channel | None = None
    renewed: bytes | None = field(default=None, repr=False)
    is_short: bool = False
    """Whether the password is right, but too short to be used without a second factor."""


@dataclass(frozen=True, slots=True)
class Rejected(NegativeResult):
    """The proof or set-up was rejected, with the reason."""

    reason: RejectReason


type Verdict = Accepted | Rejected


@dataclass(frozen=True, slots=True)
class SetupContext:
    """The context of a set-up: the policy, the region of numbers without a country code, and words to avoid."""

    policy: Policy
    region: str = ""
    context_words: tuple[str, ...] = ()
    has_second_factor: bool = False
    asks_current: bool = False
    """Whether the replaced secret must be presented first: a session alone must not change a password."""


class Factor(Protocol):
    """One kind of proof. It only checks; it doesn't store, send, count or draw pages."""

    kind: FactorKind

    def challenge(
        self,
        data: CredentialData,
        options: Mapping[str, str],
        setup_context: SetupContext,
        *,
        random_source: RandomSource,
        keyed: Keyed,
    ) -> Challenge | Rejected:
        """Prepare a proof; ``options`` are the person's choices (for a phone, the channel)."""

    def verify(
        self, data: CredentialData, stored: Mapping[str, str], answer: str, *, keyed: Keyed, now: datetime
    ) -> Verdict:
        """Check an answer against the credential and the state that the challenge stored."""

    def start_setup(
        self, options: Mapping[str, str], setup_context: SetupContext, *, random_source: RandomSource, keyed: Keyed
    ) -> Challenge | Rejected:
        """Begin to add a credential from the data that the person entered."""

    def finish_setup(
        self, stored: Mapping[str, str], answer: str, *, random_source: RandomSource, keyed: Keyed, now: datetime
    ) -> CredentialData | Rejected:
        """Return the credential to store, if the answer proves it."""
