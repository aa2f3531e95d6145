"""What an operator says about one telephone system or trunk."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path


class Keepalive(StrEnum):
    """How it is found out whether the telephone system is there."""

    OPTIONS = "options"
    """It is asked every twenty seconds (RFC 3261 section 11)."""
    NONE = "none"
    """It is not asked, because it never answers OPTIONS: only registration and calls show it."""


class Keys(StrEnum):
    """How keys come in a call."""

    RFC4733 = "rfc4733"
    """As telephone events beside the sound. By SIP INFO they are heard as well."""
    INFO = "info"
    """By SIP INFO alone: an answer that names no telephone events is fine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SipConfig:
    """One PBX or trunk: where it is, who we are there, and how it likes numbers."""

    host: str
    port: int = 5060
    domain: str = ""
    """Of our own address and of those that we call; the host where it is empty."""
    user: str = "watchword"
    auth_user: str = ""
    """Who proves to be us, where that is another name than the one in our address."""
    password: str = field(default="", repr=False)
    register: bool = False
    """Whether the PBX wants to know where we are before we call."""
    caller_id: str = ""
    """The number that is shown, as the PBX likes it; our user name where it is empty."""
    dial: str = "+{digits}"
    """How a number is dialled; ``{digits}`` is it in E.164 without the plus."""
    keepalive: Keepalive = Keepalive.OPTIONS
    keys: Keys = Keys.RFC4733
    local_host: str = ""
    """Our own address on this machine, where it has several; found out where it is empty."""
    local_port: int = 0
    public_host: str = ""
    """The address under which the PBX reaches us, where something in between translates addresses (NAT)."""
    first_rtp_port: int = 20_000
    last_rtp_port: int = 20_199
    ring_seconds: int = 35
    calls_at_once: int = 20
    trace: bool = False
    """Whether each message is logged: start line and headers, without numbers, credentials and digits."""
    recordings: Path | None = None
    """A folder of recorded prompts, by language, used before the synthesiser."""

    def __post_init__(self) -> None:
        """Refuse what can't work; raises ValueError."""
        if "{digits}" not in self.dial:
            raise ValueError('dial has no {digits}; expected: "+{digits}", "00{digits}" or the like')
        if not 0 < self.port < 65_536:
            raise ValueError("port is not from 1 to 65535")
        if not 1_024 <= self.first_rtp_port < self.last_rtp_port < 65_536:
            raise ValueError("first_rtp_port and last_rtp_port are not a range of ports above 1023")
        # The first of the two is even.
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
        """Return what `watchword phones check` says of what works, but not everywhere."""
        if self.keepalive is Keepalive.NONE and not self.register:
            return ["nobody asks whether it is there (keepalive is none): only calls show when it is not"]
        return []

    @property
    def realm(self) -> str:
        """The host part of addresses."""
        return self.domain or (f"[{self.host}]" if ":" in self.host else self.host)


def is_address(text: str) -> bool:
    """Whether a text is an address that somebody can send to, and no name."""
    try:
        return not ip_address(text).is_unspecified
    except ValueError:
        return False
