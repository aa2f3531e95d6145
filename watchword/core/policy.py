"""The multi-factor states, the doors, the limits and the policy of an organisation."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal

type Address = IPv4Address | IPv6Address
type Network = IPv4Network | IPv6Network


class MfaState(StrEnum):
    """The multi-factor state that an administrator sets for one person."""

    DISABLED = "disabled"
    ENABLED = "enabled"
    """The person must register a sign-in method at the next sign-in in a browser."""
    ENFORCED = "enforced"
    """The person has registered: a second factor at every sign-in, and only app passwords in mail programs."""


class FactorKind(StrEnum):
    """A kind of credential with which a person can prove their identity."""

    PASSWORD = "password"
    PHONE = "phone"
    APP_PASSWORD = "app_password"
    ACCESS_PASS = "access_pass"
    """A Temporary Access Pass, which an administrator gives to a person who has lost their phone."""


def kind_choices() -> list[tuple[str, str]]:
    """Return the choices of a model's column; a function, so that a new kind needs no migration."""
    return [(kind.value, kind.value) for kind in FactorKind]


SECOND_FACTORS: frozenset[FactorKind] = frozenset({FactorKind.PHONE, FactorKind.ACCESS_PASS})
"""The kinds that can be the second factor in a browser; an app password never can."""

REGISTRABLE: frozenset[FactorKind] = frozenset({FactorKind.PHONE})
"""The second factors that people register themselves. The others only help to register one."""


class Channel(StrEnum):
    """The channel by which a code is sent to a phone."""

    SMS = "sms"
    VOICE = "voice"

    @property
    def messages(self) -> str:
        """What is sent by it, in the plural, for the console."""
        return "texts" if self is Channel.SMS else "calls"


class Door(StrEnum):
    """Where a person or program signs in."""

    WEB = "web"
    MAIL = "mail"
    OIDC = "oidc"
    """An app that uses OpenID Connect; the person signs in on the pages of the web door."""
    FORWARD_AUTH = "forward_auth"
    """An app behind a proxy that asks for each request; the person signs in on the pages of the web door."""
    HTTP_BASIC = "http_basic"
    """A program that sends a name and a password with each request."""

    @property
    def is_interactive(self) -> bool:
        """Return whether the door can ask for a second factor."""
        return self in {Door.WEB, Door.OIDC, Door.FORWARD_AUTH}


def door_choices() -> list[tuple[str, str]]:
    """Return the choices of a model's column; a function, so that a new door needs no migration."""
    return [(door.value, door.value) for door in Door]


class AccountStatus(StrEnum):
    """Whether an account may be used at all."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    DELETED = "deleted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits on guessing, sending and lifetimes; times in seconds.

    The defaults are the laxest values allowed. An organisation can tighten each of them, as far as ``STRICTEST``, and
    never loosen one.
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
    failures_in_a_row: int = 100
    name_failures: int = 50
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
        """Return the limits of one network address over all names: it is throttled, but never locked."""
        return dataclasses.replace(
            self,
            burst_failures=self.source_failures,
            burst_seconds=self.source_seconds,
            longest_wait_seconds=self.source_longest_wait_seconds,
        )

    @property
    def of_shared_sources(self) -> Limits:
        """Return the limits of an address that a whole office shares: ten times as many failures."""
        return dataclasses.replace(self.of_sources, burst_failures=SHARED_TIMES * self.source_failures)

    def tightened(self, config: Mapping[str, object]) -> Limits:
        """Return the limits with every stricter value of ``config`` applied; a laxer or senseless one is ignored.

        A value stricter than STRICTEST becomes STRICTEST, because otherwise no person, not even an administrator, could
        sign in any more.
        """
        changes: dict[str, int] = {}
        for field in dataclasses.fields(self):
            options = config.get(field.name)
            if isinstance(options, bool) or not isinstance(options, int) or options < 1:
                continue
            today, strictest = getattr(self, field.name), getattr(STRICTEST, field.name)
            changes[field.name] = (
                min(max(today, options), strictest) if strictest > today else max(min(today, options), strictest)
            )
        return dataclasses.replace(self, **changes)

    def senseless(self, config: Mapping[str, object]) -> list[str]:
        """Return the names of the values that can't be applied as they are: unknown, too lax, or too strict."""
        taken = self.tightened(config)
        return sorted(name for name, options in config.items() if getattr(taken, name, None) != options)


SHARED_TIMES = 10
"""How many times more wrong passwords a shared address may send."""

STRICTEST = Limits(
    code_seconds=60,
    code_tries=2,
    attempt_seconds=180,
    recent_seconds=60,
    burst_failures=3,
    burst_seconds=86_400,
    first_wait_seconds=3_600,
    longest_wait_seconds=86_400,
    day_failures=5,
    failures_in_a_row=10,
    name_failures=10,
    source_failures=10,
    source_seconds=86_400,
    source_longest_wait_seconds=3_600,
    resend_seconds=300,
    sends_each_attempt=1,
    sends_each_quarter_hour=1,
    sends_each_day=3,
    sends_each_number_and_day=3,
    people_each_number_and_day=1,
    session_seconds=900,
    session_idle_seconds=300,
    app_passwords=1,
    initial_password_seconds=3_600,
    cooling_off_seconds=30 * 86_400,
)
"""Each limit at its strictest: even so, a person with a phone at hand can sign in. Where a value is above the default,
longer is stricter."""

LONGEST_APP_PASSWORD_WAIT_HOURS = 72
"""Three days: long enough for a weekend, and a person who registered on Friday is not without app passwords for a week.
"""

_PRIVATE_NETWORKS = tuple(
    ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)


def cover_too_much(networks: Iterable[Network]) -> frozenset[int]:
    """Return the IP versions (4, 6) of which these networks together cover more than a /8 or a /16 of the Internet.

    No organisation's own networks are as large. Private addresses don't count: they are not part of the Internet.
    """
    sums = {4: 0, 6: 0}
    for network in networks:
        if not any(network.version == own.version and network.subnet_of(own) for own in _PRIVATE_NETWORKS):  # type: ignore[arg-type]  # the versions are equal
            sums[network.version] += network.num_addresses
    most = {4: 2 ** (32 - 8), 6: 2 ** (128 - 16)}
    return frozenset(version for version, number in sums.items() if number > most[version])


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy of one organisation."""

    app_passwords_allowed: bool = True
    text_allowed: bool = True
    call_allowed: bool = True
    account_password_in_mail_while_enabled: bool = True
    trusted_networks: tuple[Network, ...] = ()
    shared_networks: tuple[Network, ...] = ()
    """The organisation's own offices: many people behind one address. Codes are required there as everywhere."""
    banned_words: tuple[str, ...] = ()
    """The organisation's own words, which add no strength to a password."""
    limits: Limits = dataclasses.field(default_factory=Limits)
    app_password_wait_hours: int = 0
    """How long a registration that rests on the password alone waits for its app password."""
    number_match: bool = False
    """Whether a call asks for two digits that the browser shows, instead of speaking a code."""
    fraud_locks: bool = False
    """Whether a fraud report by phone keys locks the person's second factor until an administrator unlocks it."""
    voip_allowed: bool = False
    """Whether numbers from ranges for Internet telephony (VoIP) can be registered."""

    @property
    def channels(self) -> frozenset[Channel]:
        """Return the channels by which codes may be sent."""
        allowed = {Channel.SMS: self.text_allowed, Channel.VOICE: self.call_allowed}
        return frozenset(channel for channel, is_allowed in allowed.items() if is_allowed)

    def trusts(self, address: str) -> bool:
        """Return whether an address as text is in a trusted network; False for a text that is not an address."""
        return _is_in(address, self.trusted_networks)

    def shares(self, address: str) -> bool:
        """Return whether an address as text is in a shared network; False for a text that is not an address."""
        return _is_in(address, self.shared_networks)


def _is_in(address: str, networks: Iterable[Network]) -> bool:
    try:
        asked: Address = ip_address(address)
    except ValueError:
        return False
    if isinstance(asked, IPv6Address) and asked.ipv4_mapped is not None:
        asked = asked.ipv4_mapped
    return any(asked.version == network.version and asked in network for network in networks)


def effective_state(state: MfaState, *, is_administrator: bool) -> MfaState:
    """Return the state by which a person is evaluated: administrators are at least Enabled, whatever is stored."""
    return MfaState.ENABLED if is_administrator and state is MfaState.DISABLED else state


def usable(methods: Iterable[FactorKind], policy: Policy) -> frozenset[FactorKind]:
    """Return those registered methods that the organisation has not switched off."""
    switched_off = set()
    if not policy.channels:
        switched_off.add(FactorKind.PHONE)
    if not policy.app_passwords_allowed:
        switched_off.add(FactorKind.APP_PASSWORD)
    return frozenset(methods) - switched_off


type WhyNoAppPassword = Literal["not_enforced", "not_allowed", "limit", "cooling_off", "waits"]


def why_no_app_password(
    state: MfaState, policy: Policy, alive: int, *, is_cooling_off: bool = False, waits: bool = False
) -> WhyNoAppPassword | None:
    """Return why a person with ``alive`` active app passwords cannot have another one, or None.

    ``is_cooling_off``: the person's phone was replaced lately, possibly by an attacker. ``waits``: the registration
    rests on the password alone, and the organisation makes such registrations wait.
    """
    if waits:
        return "waits"
    if state is not MfaState.ENFORCED:
        return "not_enforced"
    if not policy.app_passwords_allowed:
        return "not_allowed"
    if alive >= policy.limits.app_passwords:
        return "limit"
    if is_cooling_off:
        return "cooling_off"
    return None
