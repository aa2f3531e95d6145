"""The three states, the doors, the limits and what an organisation allows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Literal

type Address = IPv4Address | IPv6Address
type Network = IPv4Network | IPv6Network


class MfaState(StrEnum):
    """The state that an administrator sets for one person."""

    DISABLED = "disabled"
    ENABLED = "enabled"
    """Must register a sign-in method at the next sign-in in a browser."""
    ENFORCED = "enforced"
    """Has registered; a second proof at every sign-in, and app passwords alone in mail programs."""


class FactorKind(StrEnum):
    """A kind of proof that a person can show."""

    PASSWORD = "password"  # noqa: S105  (the name of a kind, not a password)
    PHONE = "phone"
    APP_PASSWORD = "app_password"  # noqa: S105  (the name of a kind, not a password)


SECOND_FACTORS: frozenset[FactorKind] = frozenset({FactorKind.PHONE})
"""The kinds that can stand behind an account password in a browser; an app password never can."""


class Way(StrEnum):
    """How a code travels to a telephone."""

    TEXT = "text"
    CALL = "call"


class Door(StrEnum):
    """Where somebody asks to come in."""

    WEB = "web"
    MAIL = "mail"

    @property
    def is_interactive(self) -> bool:
        """Whether the door can hold a conversation, and so ask for a second proof."""
        return self is Door.WEB


class Standing(StrEnum):
    """Whether an account may be used at all."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    DELETED = "deleted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Limits:
    """The constants of guessing, sending and lasting; times in seconds.

    The defaults are the weakest values allowed. An organisation can tighten each of them, never loosen one.
    """

    code_seconds: int = 300
    code_tries: int = 5
    attempt_seconds: int = 600
    recent_seconds: int = 600
    burst_failures: int = 10
    burst_seconds: int = 900
    first_wait_seconds: int = 30
    longest_wait_seconds: int = 3600
    day_failures: int = 30
    source_failures: int = 50
    source_seconds: int = 900
    source_longest_wait_seconds: int = 300
    resend_seconds: int = 30
    sends_each_attempt: int = 3
    sends_each_quarter_hour: int = 5
    sends_each_day: int = 20
    sends_each_number_and_day: int = 10
    people_each_number_and_day: int = 5
    session_seconds: int = 86_400
    session_idle_seconds: int = 3_600
    app_passwords: int = 40
    initial_password_seconds: int = 7 * 86_400
    cooling_off_seconds: int = 86_400

    @property
    def of_sources(self) -> Limits:
        """The limits of one network address over all names: it has to wait, it is never locked."""
        return dataclasses.replace(
            self,
            burst_failures=self.source_failures,
            burst_seconds=self.source_seconds,
            longest_wait_seconds=self.source_longest_wait_seconds,
            day_failures=NEVER,
        )

    def tightened(self, wishes: Mapping[str, object]) -> Limits:
        """Return the limits with every stricter wish taken over; a laxer or senseless one changes nothing."""
        changes: dict[str, int] = {}
        for field in dataclasses.fields(self):
            wish = wishes.get(field.name)
            if isinstance(wish, bool) or not isinstance(wish, int) or wish < 1:
                continue
            today = getattr(self, field.name)
            stricter = max(today, wish) if field.name in _LONGER_IS_STRICTER else min(today, wish)
            changes[field.name] = stricter
        return dataclasses.replace(self, **changes)


NEVER = 1_000_000_000
"""A number of failures that nobody reaches."""

_LONGER_IS_STRICTER = frozenset(
    {
        "resend_seconds",
        "burst_seconds",
        "first_wait_seconds",
        "longest_wait_seconds",
        "source_seconds",
        "source_longest_wait_seconds",
        "cooling_off_seconds",
    }
)


@dataclass(frozen=True, slots=True)
class Policy:
    """What one organisation allows."""

    app_passwords_allowed: bool = True
    text_allowed: bool = True
    call_allowed: bool = True
    account_password_in_mail_while_enabled: bool = True
    trusted_networks: tuple[Network, ...] = ()
    limits: Limits = dataclasses.field(default_factory=Limits)
    number_match: bool = False
    """In calls people key two digits that the browser shows, instead of hearing a code."""
    fraud_locks: bool = False
    """Whoever reports fraud by keys locks their second proof until an administrator unlocks it."""

    @property
    def ways(self) -> frozenset[Way]:
        """The ways by which a code may travel."""
        allowed = {Way.TEXT: self.text_allowed, Way.CALL: self.call_allowed}
        return frozenset(way for way, is_allowed in allowed.items() if is_allowed)

    def trusts(self, address: str) -> bool:
        """Whether an address as text lies in a trusted network; what is no address is never trusted."""
        try:
            asked: Address = ip_address(address)
        except ValueError:
            return False
        if isinstance(asked, IPv6Address) and asked.ipv4_mapped is not None:
            asked = asked.ipv4_mapped
        return any(asked.version == network.version and asked in network for network in self.trusted_networks)


def usable(methods: Iterable[FactorKind], policy: Policy) -> frozenset[FactorKind]:
    """Return those of the registered methods that the organisation has not switched off."""
    switched_off = set()
    if not policy.ways:
        switched_off.add(FactorKind.PHONE)
    if not policy.app_passwords_allowed:
        switched_off.add(FactorKind.APP_PASSWORD)
    return frozenset(methods) - switched_off


type WhyNoAppPassword = Literal["not_enforced", "not_allowed", "limit", "cooling_off"]


def why_no_app_password(
    state: MfaState, policy: Policy, alive: int, *, is_cooling_off: bool = False
) -> WhyNoAppPassword | None:
    """Return why somebody with so many live app passwords cannot have another one, or None.

    ``is_cooling_off``: their phone was replaced lately, and whoever did that could be somebody else.
    """
    if state is not MfaState.ENFORCED:
        return "not_enforced"
    if not policy.app_passwords_allowed:
        return "not_allowed"
    if alive >= policy.limits.app_passwords:
        return "limit"
    if is_cooling_off:
        return "cooling_off"
    return None
