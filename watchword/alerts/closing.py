"""Closes alerts: by an administrator, or by the right code in the same sign-in.

A closed alert releases its window: the same event within the window raises a new alert and sends new notices, so that
it can't hide behind an alert that has been dealt with already.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import F, Value
from django.db.models.functions import Concat

from watchword.alerts.models import Alert, Notice
from watchword.alerts.rules import AlertRule
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.audit.record import record
from watchword.directory.models import User

SEVERAL = "several"
"""Replaces the sign-in in the details of an alert that counts several: no single right code settles it."""


def close(alert: Alert, *, by_name: str = "", note: str = "", now: datetime) -> bool:
    """Close an alert; return False if it is closed already."""
    merge_key = Concat(F("merge_key"), Value(f":{alert.pk}"))
    open_one = Alert.objects.filter(pk=alert.pk, closed_at=None)
    return bool(open_one.update(closed_at=now, closed_by_name=by_name, note=note, merge_key=merge_key))


def close_settled(event: Event, subject: User, *, now: datetime) -> None:
    """Close the alert about wrong codes of the sign-in that has succeeded. The log retains the earlier events."""
    about = {"rule": AlertRule.CODE_MISSING, "subject": subject, "details__attempt": event.details.get("attempt")}
    for alert in Alert.objects.filter(**about, closed_at=None).select_for_update():
        if not close(alert, now=now):
            continue
        told = Notice.objects.filter(user=subject, rule=AlertRule.CODE_MISSING, event_id=alert.event_id)
        told.update(merge_key=Concat(F("merge_key"), Value(f":{alert.pk}")))
        details = {"alert": alert.pk, "by": "right_code", "attempt": event.details.get("attempt")}
        record(EventKind.ALERT_CLOSED, now=now, subject=subject, organisation_id=alert.organisation_id, details=details)
