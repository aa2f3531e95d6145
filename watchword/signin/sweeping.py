"""Takes away what nobody will ask for again, so that strangers can't fill the database by beginning sign-ins."""

from __future__ import annotations

from datetime import datetime, timedelta

from watchword.signin.models import FailureCount, KnownBrowser, SignInAttempt

KEPT = timedelta(days=2)
"""Longer than any limit looks back (a day), and than any code or attempt lives."""
KNOWN_FOR = timedelta(days=400)
PORTION = 500


def sweep(*, now: datetime) -> int:
    """Delete old attempts with their codes, counts that time has forgiven and browsers not seen for long.

    Returns how many rows went; at most a portion of each, so that nobody waits for it.
    """
    old = now - KEPT
    attempts = SignInAttempt.objects.filter(expires_at__lt=old).order_by("expires_at").values("pk")[:PORTION]
    counts = FailureCount.objects.filter(changed_at__lt=old, locked_at=None).values("pk")[:PORTION]
    browsers = KnownBrowser.objects.filter(last_at__lt=now - KNOWN_FOR).values("pk")[:PORTION]
    return (
        SignInAttempt.objects.filter(pk__in=list(attempts.values_list("pk", flat=True))).delete()[0]
        + FailureCount.objects.filter(pk__in=list(counts.values_list("pk", flat=True))).delete()[0]
        + KnownBrowser.objects.filter(pk__in=list(browsers.values_list("pk", flat=True))).delete()[0]
    )
