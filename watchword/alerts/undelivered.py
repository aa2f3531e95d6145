"""Warnings that can't be mailed: how many, since when. No mail can tell of that, so pages, metrics and logs do."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Min

from watchword.alerts.models import By, Notice
from watchword.core.log_events import log_event

STUCK = timedelta(minutes=10)
"""The age from which on a mail that failed counts as stuck: three tries have failed by then."""
LATELY = timedelta(days=7)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Unmailed:
    """Mails that failed and are tried again, and those given up lately."""

    waiting: int
    oldest_at: datetime | None
    given_up: int
    is_stuck: bool
    """Whether the oldest has failed for longer than a short trouble lasts."""


def unmailed(*, now: datetime) -> Unmailed:
    """Return the mails that have failed."""
    failing = Notice.objects.filter(by=By.MAIL, sent_at=None, given_up_at=None).exclude(trouble="")
    found = failing.aggregate(waiting=Count("pk"), oldest=Min("created_at"))
    oldest = found["oldest"]
    given_up = Notice.objects.filter(by=By.MAIL, given_up_at__gt=now - LATELY).count()
    return Unmailed(found["waiting"], oldest, given_up, oldest is not None and now - oldest > STUCK)


def is_mail_stuck(*, now: datetime) -> bool:
    """Return whether administrators have to be told on their pages that no mail tells them anything."""
    if not settings.WATCHWORD_CAN_MAIL:
        return True
    failing = Notice.objects.filter(by=By.MAIL, sent_at=None, given_up_at=None, created_at__lt=now - STUCK)
    return failing.exclude(trouble="").exists()


def report_stuck(*, now: datetime) -> int:
    """Log that warnings can't be mailed, as an error; return 0, because nothing is left to do."""
    found = unmailed(now=now)
    if found.is_stuck and found.oldest_at is not None:
        minutes = (now - found.oldest_at) // timedelta(minutes=1)
        logger.error(
            "%d warnings not mailed, the oldest for %d minutes",
            found.waiting,
            minutes,
            extra=log_event("alerts.mail.stuck"),
        )
    return 0
