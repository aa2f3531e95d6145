"""Networks and countries of sign-ins: a hint about the location, never the only reason for a decision."""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from uuid import UUID

from watchword.alerts.models import Place
from watchword.audit import geoip
from watchword.audit.events import EventKind
from watchword.audit.models import Event

NEW_FOR = timedelta(days=1)
"""A network counts as new for a day after its first sign-in, so that an attacker's next steps count as new, too."""
SIGN_INS_LOOKED_AT = 500


def network_of(address: str) -> str:
    """Return the network of an address: /24 of IPv4, /48 of IPv6; empty if loopback, unspecified or invalid."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if parsed.is_loopback or parsed.is_unspecified:
        return ""
    return str(ip_network(f"{parsed}/{48 if parsed.version == 6 else 24}", strict=False))  # noqa: PLR2004  (IPv6)


def learn_network(credential_id: UUID, address: str, before: str, *, now: datetime) -> bool:
    """Store the network from which an app password is used; return True for the first use from it.

    ``before`` is the address of the previous use: its network counts as known even if it was never stored.
    """
    _learn(credential_id, before, now=now)
    return _learn(credential_id, address, now=now)


def is_new_for_event(event: Event) -> bool:
    """Return whether the network of an event's address is new for the account that acted; False if it is unknown.

    New means: none of the account's recent sign-ins that are older than a day came from it. One indexed query.
    """
    network = network_of(event.address)
    account = event.actor_id or event.subject_id
    if not network or account is None:
        return False
    if event.door in {"mail", "http_basic"} and event.kind == EventKind.SIGN_IN_ALLOWED:
        # Warnings about this kind of event are sent only for the first use of an app password from a network.
        return True
    earlier = Event.objects.filter(
        subject_id=account, id__lt=event.pk, kind=EventKind.SIGN_IN_ALLOWED, at__lt=event.at - NEW_FOR
    ).order_by("-id")
    addresses = earlier.values_list("address", flat=True)[:SIGN_INS_LOOKED_AT]
    return network not in {network_of(address) for address in addresses}


def _learn(credential_id: UUID, address: str, *, now: datetime) -> bool:
    """Store a network; return whether it was not stored before."""
    network = network_of(address)
    if not network:
        return False
    _place, is_first = Place.objects.get_or_create(
        credential_id=credential_id,
        network=network,
        defaults={"first_at": now, "country": geoip.country_of(address)},
    )
    return is_first
