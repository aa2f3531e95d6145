"""Options of one PBX or SIP trunk."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path


class Keepalive(StrEnum):
    """How the gateway checks that the PBX is reachable."""

    OPTIONS = "options"
    """Send OPTIONS every twenty seconds (RFC 3261 section 11)."""
    NONE = "none"
    """Send nothing, because the PBX never answers OPTIONS: only registration and calls show whether it is up."""


class Keys(StrEnum):
    """How the keys that a person presses arrive."""

    RFC4733 = "rfc4733"
    """As telephone events in the RTP stream (RFC 4733). Keys sent by SIP INFO are accepted as well."""
    INFO = "info"
    """By SIP INFO alone: an SDP answer without telephone events is accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SipConfig:
    """One PBX or trunk: its address, our identity there, and the format of numbers that it expects."""

    host: str
    port: int = 5060
    domain: str = ""
    """Host part of our own SIP URI and of those that we call; ``host`` where it is empty."""
    user: str = "watchword"
    auth_user: str = ""
    """User name for digest authentication, where it differs from the one in our SIP URI."""
    password: str = field(default="", repr=False)
    register: bool = False
    """Whether the PBX requires a registration before it accepts calls."""
    caller_id: str = ""
    """The caller's number that is shown, in the format of the PBX; our user name where it is empty."""
    dial: str = "+{digits}"
    """Template of a dialled number; ``{digits}`` is replaced by the E.164 number without the plus."""
    keepalive: Keepalive = Keepalive.OPTIONS
    keys: Keys = Keys.RFC4733
    local_host: str = ""
    """Our own address on this machine, where it has several; detected where it is empty."""
    local_port: int = 0
    public_host: str = ""
    """The address under which the PBX reaches us, where a NAT lies between."""
    first_rtp_port: int = 20_000
    last_rtp_port: int = 20_199
    ring_seconds: int = 35
    calls_at_once: int = 20
    trace: bool = False
    """Whether each message is logged: start line and headers, without numbers, credentials and digits."""
    recordings: Path | None = None
    """Folder of recorded prompts, by language; they are preferred to the synthesiser."""

    def __post_init__(self) -> None:
        """Raise ValueError if the options can't work."""
        if "{digits}" not in self.dial:
            raise ValueError('dial has no {digits}; expected: "+{digits}", "00{digits}" or the like')
        if not 0 < self.port < 65_536:
            raise ValueError("port is not from 1 to 65535")
        if not 1_024 <= self.first_rtp_port < self.last_rtp_port < 65_536:
            raise ValueError("first_rtp_port and last_rtp_port are not a range of ports above 1023")
        # An RTP port is even, and RTCP takes the next one.
        pairs = range(self.first_rtp_port + self.first_rtp_port % 2, self.last_rtp_port, 2)
        if not 1 <= self.calls_at_once <= len(pairs):
            raise ValueError("calls_at_once is less than 1, or there are not two RTP ports for each call")
        if any(
            not (letter.isascii() and letter.isprintable()) or letter in " <>;"
            for letter in self.user + self.domain + self.caller_id + self.dial
        ):
            raise ValueError("user, domain, caller_id or dial has a character that no SIP address has")
        if any(not letter.isprintable() or letter in '"\\' for letter in self.auth_user):
            raise ValueError("auth_user has a character that no user name has")
        if self.public_host and not is_address(self.public_host):
            raise ValueError("public_host is not an address such as 203.0.113.7; an offer of sound takes no name")

    @property
    def notes(self) -> list[str]:
        """Return warnings for `watchword phones check`: options that work, but not with every PBX."""
        if self.keepalive is Keepalive.NONE and not self.register:
            return ["nobody asks whether it is there (keepalive is none): only calls show when it is not"]
        return []

    @property
    def realm(self) -> str:
        """Return the host part of SIP URIs."""
        return self.domain or (f"[{self.host}]" if ":" in self.host else self.host)


def is_address(text: str) -> bool:
    """Return whether a text is an IP address that packets can be sent to, and not a host name."""
    try:
        return not ip_address(text).is_unspecified
    except ValueError:
        return False
