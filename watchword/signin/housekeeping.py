"""What the background worker does with sign-ins and counts that are over: close, record, and delete them.

A sign-in that was abandoned after the right password is recorded: an attacker may know the password and not have had
the code. Expired rows are deleted, so that strangers can't fill the database by beginning sign-ins.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from watchword.audit import repeats
from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.audit.retries import UNAVAILABLE, cause_of
from watchword.core.decision import DenyReason
from watchword.core.log_events import log_event
from watchword.signin import attempt_limits, remembered_browsers
from watchword.signin.models import FailureCount, KnownBrowser, Purpose, SignInAttempt

logger = logging.getLogger(__name__)

CLOSED_AT_ONCE = 100
DELETED_AT_ONCE = 500
STORED = timedelta(days=2)
"""How long rows are retained: longer than any limit looks back (a day), and than any code or attempt lives."""
UNPROVEN_STORED = timedelta(hours=1)
"""How long an expired sign-in without a right password is retained: it is of no further use."""
MOST_UNPROVEN = 20_000
"""How many such sign-ins are stored at once; beyond that the oldest are deleted, even open ones, so that strangers
can't fill the disk."""
KNOWN_FOR = timedelta(days=400)


def close_abandoned(*, now: datetime) -> int:
    """End expired attempts and record those in which the password was right; return the number of the latter."""
    over = SignInAttempt.objects.filter(ended_at=None, expires_at__lte=now).order_by("expires_at")
    number = 0
    for attempt in over.select_related("user__organisation")[:CLOSED_AT_ONCE]:
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


def clean_up(*, now: datetime) -> int:
    """Delete old attempts with their codes, expired counts and browsers not seen for long.

    Returns how many rows were deleted; at most one batch of each kind, so that the run stays short.
    """
    old = now - STORED
    attempts = SignInAttempt.objects.order_by("expires_at")
    unproven = attempts.filter(evidence=[], purpose=Purpose.SIGN_IN)
    counts = FailureCount.objects.filter(changed_at__lt=old, locked_at=None, in_a_row=0)
    begun = FailureCount.objects.filter(
        key__startswith=attempt_limits.PREFIX, changed_at__lt=now - attempt_limits.WINDOW
    )
    browsers = KnownBrowser.objects.filter(last_at__lt=now - KNOWN_FOR)
    return (
        delete_batch(attempts.filter(expires_at__lt=old))
        + delete_batch(unproven.filter(expires_at__lt=now - UNPROVEN_STORED))
        + delete_batch(unproven.reverse(), leaving=MOST_UNPROVEN)
        + delete_batch(counts)
        + delete_batch(begun)
        + delete_batch(browsers)
        + repeats.forget_old(now=now)
    )


def delete_batch(rows: QuerySet[Any], *, leaving: int = 0) -> int:
    """Delete one batch of rows in their order, after leaving the first ones; return how many rows were deleted."""
    pks = list(rows.values_list("pk", flat=True)[leaving : leaving + DELETED_AT_ONCE])
    deleted: int = rows.model._default_manager.filter(pk__in=pks).delete()[0] if pks else 0  # noqa: SLF001  (Django's name)
    return deleted
