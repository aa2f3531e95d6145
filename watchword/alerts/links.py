"""The *This wasn't me* links: created with a notice, opened by a page, used once."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from watchword.alerts.models import NotMeLink
from watchword.audit.models import Event
from watchword.core.codes import normal_link_code, number_in_link_code, numbered_link_code, same, shown_link_code
from watchword.core.policy import AccountStatus
from watchword.ui.addresses import link_address

LIFETIME = timedelta(days=7)
_PURPOSE = "alerts.not_me_link"


def address_of(link: NotMeLink) -> str:
    """Return the full URL of a link, always under the configured origin, never under the host of a request."""
    return link_address("portal:not_me", shown_link_code(token_of(link)))


def token_of(link: NotMeLink) -> str:
    """Return the code: the event's number and a MAC of the link's id by the key ring; the table alone gives no code.

    The number only finds the row. Numbers of events come again after a restore, ids do not.
    """
    return numbered_link_code(link.event_id, settings.WATCHWORD_KEY_RING.mac(_PURPOSE, link.id.bytes))


def find(token: str, *, now: datetime) -> NotMeLink | None:
    """Return the link of a code if it is unused, not expired and not void, and the account not deleted; else None."""
    code = normal_link_code(token)
    if code is None:
        return None
    link = (
        NotMeLink.objects.select_related("user__organisation")
        .filter(event_id=number_in_link_code(code), used_at=None, expires_at__gt=now)
        .first()
    )
    if link is None:
        return None
    macs = settings.WATCHWORD_KEY_RING.macs(_PURPOSE, link.id.bytes)
    if not any(same(numbered_link_code(link.event_id, mac).encode(), code.encode()) for mac in macs):
        return None
    if link.user.standing is AccountStatus.DELETED or is_void(link):
        return None
    return link


def is_void(link: NotMeLink) -> bool:
    """Return whether a reset, a new password, a block or a deletion came after the event that the link is about."""
    void_at = link.user.links_void_at
    if void_at is None:
        return False
    about = Event.objects.filter(pk=link.event_id).values_list("at", flat=True).first()
    return about is None or about < void_at


def use(link: NotMeLink, *, now: datetime) -> bool:
    """Spend a link and return whether it was still unused; for concurrent requests exactly one gets True."""
    return NotMeLink.objects.filter(pk=link.pk, used_at=None, expires_at__gt=now).update(used_at=now) == 1
