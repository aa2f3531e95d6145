"""The restrictions of an app password: kinds of programs, networks, an expiry time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network

from watchword.core.policy import Network

MOST_NETWORKS = 20


class Program(StrEnum):
    """A kind of program; ``_SERVICES`` maps the mail servers' service names to it."""

    IMAP = "imap"
    POP = "pop3"
    SUBMISSION = "smtp"
    SIEVE = "sieve"
    CALENDAR = "dav"


_SERVICES: Mapping[str, Program] = {
    "imap": Program.IMAP,
    "pop3": Program.POP,
    "smtp": Program.SUBMISSION,
    "submission": Program.SUBMISSION,
    "sieve": Program.SIEVE,
    "managesieve": Program.SIEVE,
    "dav": Program.CALENDAR,
    "caldav": Program.CALENDAR,
    "carddav": Program.CALENDAR,
}


class Misfit(StrEnum):
    """Why a restricted app password can't be used in this request."""

    PROGRAM = "program"
    NETWORK = "network"
    EXPIRED = "expired"


class InvalidNetwork(ValueError):
    """A line is neither an address nor a network; ``text`` is that line."""

    def __init__(self, text: str) -> None:
        super().__init__("not an address or a network")
        self.text = text


@dataclass(frozen=True, slots=True)
class Restrictions:
    """The restrictions of one app password; an empty field restricts nothing."""

    programs: frozenset[Program] = frozenset()
    networks: tuple[Network, ...] = ()
    until: datetime | None = None

    @property
    def limit_anything(self) -> bool:
        """Return whether anything is restricted."""
        return bool(self.programs or self.networks or self.until)

    def misfit(self, service: str, address: str, now: datetime) -> Misfit | None:
        """Return why this use is outside the restrictions, or None. An unknown service or address is outside."""
        if self.until is not None and now >= self.until:
            return Misfit.EXPIRED
        if self.programs and _SERVICES.get(service.lower()) not in self.programs:
            return Misfit.PROGRAM
        if self.networks and not _lies_in(address, self.networks):
            return Misfit.NETWORK
        return None

    def as_json(self) -> dict[str, object] | None:
        """Return the form in which a row stores this; None where nothing is restricted."""
        if not self.limit_anything:
            return None
        return {
            "programs": sorted(self.programs),
            "networks": [str(network) for network in self.networks],
            "until": self.until.astimezone(UTC).isoformat() if self.until is not None else None,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, object] | None) -> Restrictions:
        """Return the restrictions that a row stores."""
        if not stored:
            return NO_RESTRICTIONS
        programs, networks, until = stored.get("programs"), stored.get("networks"), stored.get("until")
        return cls(
            frozenset(Program(text) for text in programs) if isinstance(programs, list) else frozenset(),
            tuple(ip_network(text) for text in networks) if isinstance(networks, list) else (),
            datetime.fromisoformat(until) if isinstance(until, str) else None,
        )


NO_RESTRICTIONS = Restrictions()


def read_networks(lines: Iterable[str]) -> tuple[Network, ...]:
    """Return the networks that a person typed, one on each line; raise InvalidNetwork.

    A single address is a network of its own, and host bits are cleared rather than refused.
    """
    networks = []
    for line in lines:
        text = line.strip()
        if not text:
            continue
        try:
            networks.append(ip_network(text, strict=False))
        except ValueError:
            raise InvalidNetwork(text[:60]) from None
    return tuple(dict.fromkeys(networks))


def _lies_in(address: str, networks: Iterable[Network]) -> bool:
    try:
        asked = ip_address(address)
    except ValueError:
        return False
    if isinstance(asked, IPv6Address) and asked.ipv4_mapped is not None:
        asked = asked.ipv4_mapped
    return any(asked.version == network.version and asked in network for network in networks)
