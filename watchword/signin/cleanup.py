"""Garbage collection of expired rows, so that strangers can't fill the database by beginning sign-ins."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from watchword.audit import repeats
from watchword.signin import attempt_limits
from watchword.signin.models import FailureCount, KnownBrowser, Purpose, SignInAttempt

STORED = timedelta(days=2)
"""How long rows are retained: longer than any limit looks back (a day), and than any code or attempt lives."""
UNPROVEN_STORED = timedelta(hours=1)
"""How long an expired sign-in without a right password is retained: it is of no further use."""
MOST_UNPROVEN = 20_000
"""How many such sign-ins are stored at once; beyond that the oldest are deleted, even open ones, so that strangers
can't fill the disk."""
KNOWN_FOR = timedelta(days=400)
PORTION = 500


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
        _delete(attempts.filter(expires_at__lt=old))
        + _delete(unproven.filter(expires_at__lt=now - UNPROVEN_STORED))
        + _delete(unproven.reverse(), leaving=MOST_UNPROVEN)
        + _delete(counts)
        + _delete(begun)
        + _delete(browsers)
        + repeats.forget_old(now=now)
    )


def _delete(rows: QuerySet[Any], *, leaving: int = 0) -> int:
    pks = list(rows.values_list("pk", flat=True)[leaving : leaving + PORTION])
    deleted: int = rows.model._default_manager.filter(pk__in=pks).delete()[0] if pks else 0  # noqa: SLF001  (Django's name)
    return deleted
