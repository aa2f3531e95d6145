"""The *This wasn't me* links: created with a notice, opened by a page, used once."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from watchword.alerts.models import Disavowal
from watchword.audit.models import Event
from watchword.core.codes import same
from watchword.core.policy import AccountStatus

LASTS = timedelta(days=7)
_PURPOSE = "alerts.disavowal"
_ID_OCTETS = 16


def address_of(link: Disavowal) -> str:
    """Return the full URL of a link, always under the configured origin, never under the host of a request."""
    return f"{settings.WATCHWORD_PUBLIC_URL}/not-me/{token_of(link)}/"


def token_of(link: Disavowal) -> str:
    """Return the secret part: the id and its MAC (256 bits) by the key ring; reading the table alone gives no token."""
    octets = link.id.bytes + settings.WATCHWORD_KEY_RING.mac(_PURPOSE, link.id.bytes)
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def find(token: str, *, now: datetime) -> Disavowal | None:
    """Return the link of a token if it is unused, not expired and not void, and the account not deleted; else None."""
    try:
        octets = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except (ValueError, binascii.Error):
        return None
    pk, mac = octets[:_ID_OCTETS], octets[_ID_OCTETS:]
    if len(pk) != _ID_OCTETS or not any(same(known, mac) for known in settings.WATCHWORD_KEY_RING.macs(_PURPOSE, pk)):
        return None
    link = (
        Disavowal.objects.select_related("user__organisation")
        .filter(pk=UUID(bytes=pk), used_at=None, expires_at__gt=now)
        .first()
    )
    if link is None or link.user.standing is AccountStatus.DELETED or is_void(link):
        return None
    return link


def is_void(link: Disavowal) -> bool:
    """Return whether a reset, a new password, a block or a deletion came after the event that the link is about."""
    void_at = link.user.links_void_at
    if void_at is None:
        return False
    about = Event.objects.filter(pk=link.event_id).values_list("at", flat=True).first()
    return about is None or about < void_at


def use(link: Disavowal, *, now: datetime) -> bool:
    """Spend a link and return whether it was still unused; for concurrent requests exactly one gets True."""
    return Disavowal.objects.filter(pk=link.pk, used_at=None, expires_at__gt=now).update(used_at=now) == 1
