"""The worker's second half: hands notices to the mail server and to telephones.

Mail is sent at least once: a notice is leased for a minute, sent, and then marked; a worker that dies between "sent"
and "marked" makes a second copy under the same Message-ID, which mail programs show once. A text is sent at most once:
it is marked first, because a telephone rings for every copy.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from smtplib import SMTPException

from django.conf import settings
from django.db.models import F

from watchword.alerts import links, messages
from watchword.alerts.hearing import SEAL
from watchword.alerts.models import By, Disavowal, Notice
from watchword.audit.models import Event
from watchword.delivery.budget import NotBefore
from watchword.delivery.warning_texts import warn
from watchword.directory.models import User

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=1)
GIVE_UP_AFTER = timedelta(days=2)
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(hours=1)
PORTION = 20

type NumberOf = Callable[[User], str]
"""Returns the number (E.164) to which a person's texts go; empty for none. Only the rooms above may open the vault."""


def send_waiting(*, now: datetime, number_of: NumberOf) -> int:
    """Send the notices whose time has come and return how many were tried."""
    waiting = Notice.objects.filter(sent_at=None, given_up_at=None, next_try_at__lte=now).order_by("next_try_at")
    tried = 0
    for pk in list(waiting.values_list("pk", flat=True)[:PORTION]):
        leased = Notice.objects.filter(pk=pk, sent_at=None, given_up_at=None, next_try_at__lte=now)
        if not leased.update(next_try_at=now + LEASE, tries=F("tries") + 1):
            continue
        tried += 1
        notice = Notice.objects.select_related("user__organisation").get(pk=pk)
        if notice.by == By.TEXT:
            _send_text(notice, number_of(notice.user), now)
        else:
            _send_mail(notice, now)
    return tried


def _send_mail(notice: Notice, now: datetime) -> None:
    if not settings.WATCHWORD_CAN_MAIL:
        _later(notice, "NoMailServer", now)
        return
    message = messages.mail_of(notice, _event(notice), _to(notice), _link(notice))
    try:
        message.send()
    except (OSError, SMTPException) as error:
        # The text of the error can hold the address; its kind says enough for the log.
        logger.warning("notice %s could not be sent: %s", notice.pk, type(error).__name__)
        _later(notice, type(error).__name__, now)
        return
    Notice.objects.filter(pk=notice.pk).update(sent_at=now, trouble="")


def _send_text(notice: Notice, number: str, now: datetime) -> None:
    row = Notice.objects.filter(pk=notice.pk)
    if not number:
        row.update(given_up_at=now, trouble="no number")
        return
    row.update(sent_at=now)
    verdict = warn(notice.user, number, messages.text_of(notice, _event(notice)), now=now)
    if isinstance(verdict, NotBefore):
        row.update(sent_at=None, given_up_at=now, trouble=f"guard: {verdict.rule}")


def _later(notice: Notice, trouble: str, now: datetime) -> None:
    pause = min(FIRST_PAUSE * 2 ** min(notice.tries, 12), LONGEST_PAUSE)
    given_up = now if now - notice.created_at > GIVE_UP_AFTER else None
    Notice.objects.filter(pk=notice.pk).update(next_try_at=now + pause, trouble=trouble[:60], given_up_at=given_up)


def _event(notice: Notice) -> Event:
    return Event.objects.get(pk=notice.event_id)


def _to(notice: Notice) -> str:
    return settings.WATCHWORD_KEY_RING.open(SEAL, bytes(notice.to)).decode()


def _link(notice: Notice) -> str:
    if not notice.has_link:
        return ""
    link = Disavowal.objects.filter(event_id=notice.event_id, used_at=None).first()
    return links.address_of(link) if link is not None else ""
