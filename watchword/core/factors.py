"""The factor protocol: what every kind of proof can do, and the values that travel in and out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from watchword.core.codes import RandomSource
from watchword.core.policy import Channel, FactorKind, Policy

type Keyed = Callable[[str, bytes], bytes]
"""A keyed hash whose key lies outside the database: (purpose, data) -> digest."""


class RejectReason(StrEnum):
    """Why a proof or a set-up was not accepted; pages translate it, outsiders hear one sentence for all."""

    WRONG = "wrong"
    NOT_CURRENT = "not_current"
    EXPIRED = "expired"
    USED = "used"
    TOO_MANY_TRIES = "too_many_tries"
    EARLIER_CODE = "earlier_code"
    TOO_LATE = "too_late"
    NOT_SHAPED = "not_shaped"
    NOT_HELD = "not_held"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
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
    """What a person holds of one kind: the public part as a mapping, the secret part as octets."""

    kind: FactorKind
    label: str = ""
    slot: str = ""
    public: Mapping[str, str] = field(default_factory=dict)
    secret: bytes = field(default=b"", repr=False)
    lookup: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """A code on its way to a telephone; the code itself is apart, so that each channel can say it in its manner."""

    channel: Channel
    number: str = field(repr=False)
    extension: str = field(repr=False)
    code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a factor wants next: ``show`` for the page, ``keep`` for the attempt, ``send`` for a carrier.

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
    """A password that is right and too short to stand alone."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The proof or set-up was refused, and why."""

    reason: RejectReason

    def __bool__(self) -> bool:
        return False


type Verdict = Accepted | Rejected


@dataclass(frozen=True, slots=True)
class SetupContext:
    """What a set-up may have to know: the policy, where numbers without a country code are from, words to avoid."""

    policy: Policy
    region: str = ""
    context_words: tuple[str, ...] = ()
    has_second_factor: bool = False
    asks_current: bool = False
    """Whether the secret that is replaced must be shown first: an open session alone changes no password."""


class Factor(Protocol):
    """One kind of proof. It checks; it never stores, sends, counts or draws a page of its own."""

    kind: FactorKind

    def challenge(
        self,
        held: CredentialData,
        options: Mapping[str, str],
        setup_context: SetupContext,
        *,
        random_source: RandomSource,
        keyed: Keyed,
    ) -> Challenge | Rejected:
        """Prepare a proof; ``wish`` is what the person chose (for a phone, the way)."""

    def verify(
        self, held: CredentialData, stored: Mapping[str, str], answer: str, *, keyed: Keyed, now: datetime
    ) -> Verdict:
        """Check an answer against what is held and what the challenge kept."""

    def start_setup(
        self, options: Mapping[str, str], setup_context: SetupContext, *, random_source: RandomSource, keyed: Keyed
    ) -> Challenge | Rejected:
        """Begin to add a new one from what the person filled in."""

    def finish_setup(
        self, stored: Mapping[str, str], answer: str, *, random_source: RandomSource, keyed: Keyed, now: datetime
    ) -> CredentialData | Rejected:
        """Return what is to be held from now on, if the answer proves it."""
