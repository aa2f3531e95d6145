"""The invariant of *This wasn't me* links."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Max

from watchword.alerts import links
from watchword.alerts.models import NotMeLink
from watchword.audit.events import CLOSES_LINKS
from watchword.audit.models import Event


def problems(*, now: datetime) -> list[str]:
    """Return violations of I10: no link stays valid after a reset, block or deletion that followed its event."""
    open_links = NotMeLink.objects.filter(used_at=None, expires_at__gt=now).select_related("user")
    closings = Event.objects.filter(kind__in=CLOSES_LINKS, subject_id__in=open_links.values("user"))
    newest = dict(closings.order_by().values_list("subject_id").annotate(at=Max("at")))
    if not newest:
        return []
    found = []
    for link in open_links.filter(user__in=list(newest)).iterator():
        about = Event.objects.filter(pk=link.event_id).values_list("at", flat=True).first()
        if about is not None and about < newest[link.user_id] and not links.is_void(link):
            found.append(f"I10 link {link.pk} is open, and its person was reset, blocked or deleted since")
    return found
