"""Networks and countries: a hint about where somebody is, never the only reason for anything."""

from __future__ import annotations

from datetime import datetime
from ipaddress import IPv6Address, ip_address, ip_network
from uuid import UUID

from watchword.alerts.models import Place
from watchword.audit import geoip


def network_of(address: str) -> str:
    """Return the network that stands for a place: /24 of IPv4, /48 of IPv6; empty for what is no public address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if parsed.is_loopback or parsed.is_unspecified:
        return ""
    return str(ip_network(f"{parsed}/{48 if parsed.version == 6 else 24}", strict=False))  # noqa: PLR2004  (IPv6)


def is_new(credential_id: UUID, address: str, before: str, *, now: datetime) -> bool:
    """Whether an app password is used from a network for the first time; remembers the network.

    ``before`` is the address of the use before this one: it is known, though nobody wrote it down as a place yet.
    """
    learn(credential_id, before, now=now)
    return learn(credential_id, address, now=now)


def learn(credential_id: UUID, address: str, *, now: datetime) -> bool:
    """Remember a place; True if it was not known."""
    network = network_of(address)
    if not network:
        return False
    _place, is_first = Place.objects.get_or_create(
        credential_id=credential_id,
        network=network,
        defaults={"first_at": now, "country": geoip.country_of(address)},
    )
    return is_first
