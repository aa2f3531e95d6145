"""Sign-ins abandoned after the right password: an attacker may know it and not have had the code."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction

from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.audit.retries import UNAVAILABLE, cause_of
from watchword.core.decision import DenyReason
from watchword.core.log_events import log_event
from watchword.signin import remembered_browsers
from watchword.signin.models import Purpose, SignInAttempt

logger = logging.getLogger(__name__)

PORTION = 100


def close_abandoned(*, now: datetime) -> int:
    """End expired attempts and record those in which the password was right; return the number of the latter."""
    over = SignInAttempt.objects.filter(ended_at=None, expires_at__lte=now).order_by("expires_at")
    number = 0
    for attempt in over.select_related("user__organisation")[:PORTION]:
        try:
            number += _close(attempt, now)
        except UNAVAILABLE:
            raise
        except Exception as error:  # noqa: BLE001  (one attempt must not keep the others open)
            logger.error(
                "expired sign-in attempt not closed",
                extra=log_event("signin.attempt.not_closed", trouble=cause_of(error), attempt=attempt.pk),
            )
    return number


def _close(attempt: SignInAttempt, now: datetime) -> bool:
    with transaction.atomic():
        if not SignInAttempt.objects.filter(pk=attempt.pk, ended_at=None).update(ended_at=attempt.expires_at):
            return False
        if attempt.user is None or not attempt.evidence:
            return False
        if attempt.purpose != Purpose.SIGN_IN and not attempt.wrong_codes:
            return False
        record(
            EventKind.SIGN_IN_DENIED,
            now=now,
            subject=attempt.user,
            origin=Origin(address=attempt.address, agent=attempt.agent, door=attempt.door),
            reason=DenyReason.NOT_FINISHED,
            details={"purpose": attempt.purpose, "attempt": str(attempt.pk), "wrong": attempt.wrong_codes},
            # In a known browser the person knows about the unfinished sign-in; not so if a wrong code was typed there.
            notify=attempt.wrong_codes > 0 or not remembered_browsers.is_known(attempt),
        )
        return True
