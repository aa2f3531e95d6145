"""Sign-ins that stopped after the right password: somebody knows it, and did not have the code."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction

from watchword.audit.events import EventKind
from watchword.audit.outbox import UNAVAILABLE, cause_of
from watchword.audit.record import Origin, record
from watchword.core.decision import DenyReason
from watchword.signin import remembered_browsers
from watchword.signin.models import Purpose, SignInAttempt

logger = logging.getLogger(__name__)

PORTION = 100


def close_abandoned(*, now: datetime) -> int:
    """End the attempts whose time is over and remember those that came past the password.

    Returns how many those were.
    """
    over = SignInAttempt.objects.filter(ended_at=None, expires_at__lte=now).order_by("expires_at")
    number = 0
    for attempt in over.select_related("user__organisation")[:PORTION]:
        try:
            number += _close(attempt, now)
        except UNAVAILABLE:
            raise
        except Exception as error:  # noqa: BLE001  (one attempt must not keep the others open)
            logger.error("attempt %s could not be closed: %s", attempt.pk, cause_of(error))
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
            # Whoever uses their own browser knows that they did not finish; not so who typed a wrong code there.
            notify=attempt.wrong_codes > 0 or not remembered_browsers.is_known(attempt),
        )
        return True
