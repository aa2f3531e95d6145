"""What an operator says about one telephone system or trunk."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SipWishes:
    """One PBX or trunk: where it is, who we are there, and how it likes numbers."""

    host: str
    port: int = 5060
    domain: str = ""
    """Of our own address and of those that we call; the host where it is empty."""
    user: str = "watchword"
    password: str = field(default="", repr=False)
    register: bool = False
    """Whether the PBX wants to know where we are before we call."""
    caller_id: str = ""
    """The number that is shown, as the PBX likes it; our user name where it is empty."""
    dial: str = "+{digits}"
    """How a number is dialled; ``{digits}`` is it in E.164 without the plus."""
    local_host: str = ""
    """Our own address as the PBX reaches it; found out where it is empty."""
    local_port: int = 0
    first_rtp_port: int = 20_000
    last_rtp_port: int = 20_199
    ring_seconds: int = 35
    calls_at_once: int = 20
    recordings: Path | None = None
    """A folder of recorded prompts, by language, used before the synthesiser."""

    def __post_init__(self) -> None:
        """Refuse what can't work; raises ValueError."""
        if "{digits}" not in self.dial:
            raise ValueError('dial has no {digits}; expected: "+{digits}", "00{digits}" or the like')
        if not 0 < self.port < 65_536:  # noqa: PLR2004  (UDP)
            raise ValueError("port is not from 1 to 65535")
        if not 1_024 <= self.first_rtp_port < self.last_rtp_port < 65_536:  # noqa: PLR2004
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

    @property
    def realm(self) -> str:
        """The host part of addresses."""
        return self.domain or (f"[{self.host}]" if ":" in self.host else self.host)
