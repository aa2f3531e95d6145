"""Networks and countries: a hint about where somebody is, never the only reason for anything."""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from uuid import UUID

from watchword.alerts.models import Place
from watchword.audit import geoip
from watchword.audit.events import EventKind
from watchword.audit.models import Event

NEW_FOR = timedelta(days=1)
"""A network stays new for a day after the first sign-in from it: what a thief does next is told as new, too."""
SIGN_INS_LOOKED_AT = 500


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


def learn_network(credential_id: UUID, address: str, before: str, *, now: datetime) -> bool:
    """Remember the network from which an app password is used; True if it is the first time.

    ``before`` is the address of the use before this one: it is known, though nobody wrote it down as a place yet.
    """
    _learn(credential_id, before, now=now)
    return _learn(credential_id, address, now=now)


def is_new_for_event(event: Event) -> bool:
    """Whether the network of an event's address is new for the account that acted; False where it can't be said.

    New means that none of its last sign-ins, a day ago or before, came from there. One indexed query.
    """
    network = network_of(event.address)
    account = event.actor_id or event.subject_id
    if not network or account is None:
        return False
    if event.door == "mail" and event.kind == EventKind.SIGN_IN_ALLOWED:
        # A warning about such an event is one of an app password that was used from its network for the first time.
        return True
    earlier = Event.objects.filter(
        subject_id=account, id__lt=event.pk, kind=EventKind.SIGN_IN_ALLOWED, at__lt=event.at - NEW_FOR
    ).order_by("-id")
    addresses = earlier.values_list("address", flat=True)[:SIGN_INS_LOOKED_AT]
    return network not in {network_of(address) for address in addresses}


def _learn(credential_id: UUID, address: str, *, now: datetime) -> bool:
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
