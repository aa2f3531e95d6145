"""The setting for urgent warnings by text: changed by the person, restored by *This wasn't me*."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import Q

from watchword.alerts.links import LIFETIME
from watchword.alerts.models import WarningChoice
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.directory.models import User


def wants_texts(user: User) -> bool:
    """Return whether urgent warnings to this person are also sent as a text."""
    return WarningChoice.objects.filter(user=user, by_text=True).exists()


def put_back(user: User, *, since: datetime, sign_in_id: UUID | None) -> bool:
    """Switch texts on again if they were switched off since then or by this sign-in; return whether they were."""
    when = Q(at__gte=since)
    if sign_in_id is not None:
        when |= Q(at__gte=since - LIFETIME, details__sign_in=str(sign_in_id))
    changes = Event.objects.filter(when, subject_id=user.pk, kind=EventKind.WARNING_CHOICE_CHANGED).order_by("id")
    first = changes.first()
    # If the first change switched texts off, they were on before it.
    if first is None or first.details.get("by_text") is not False or wants_texts(user):
        return False
    WarningChoice.objects.update_or_create(user=user, defaults={"by_text": True})
    return True
