"""The worker's second half: sends notices by mail and puts texts into the outbox of messages.

Mail is sent at least once: a notice is leased for a minute, sent, and then marked. A worker that dies between "sent"
and "marked" causes a second copy with the same Message-ID, which mail programs show once. A text is put into the outbox
of messages in the transaction that marks its notice, so it is neither lost nor duplicated: a telephone shows each copy.

A failure (an address that no mail can have, a missing key, an error in a text) concerns one notice only. That notice
is retried with growing pauses and given up after the last try; then the administrators get an alert.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction

from watchword.alerts import alert_messages, links, messages
from watchword.alerts.models import By, Notice, NotMeLink
from watchword.alerts.outbox_consumer import SEAL, give_up
from watchword.audit.models import Event
from watchword.audit.retries import RetryPolicy, attempt_one, cause_of, lease, try_again
from watchword.audit.sealed_columns import SealedColumn
from watchword.core.log_events import log_event
from watchword.directory.models import User
from watchword.messaging.limits.counters import SendThrottled
from watchword.messaging.notices import warn

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=1)
RETRIES = RetryPolicy(timedelta(seconds=20), timedelta(hours=1), longest_age=timedelta(days=2))
BATCH_SIZE = 20
NO_MAIL_SERVER = "NoMailServer"

SEALED = SealedColumn(
    words="addresses of notices that wait",
    model=Notice,
    field="to",
    purpose=SEAL,
    void=lambda rows, now: rows.update(given_up_at=now, trouble="key lost"),
    rows=lambda: Notice.objects.filter(sent_at=None, given_up_at=None),
)

type NumberOf = Callable[[User], str]
"""Returns the number (E.164) for a person's texts, empty for none. Only the packages above may open the vault."""


def send_waiting(*, now: datetime, number_of: NumberOf) -> int:
    """Send the notices that are due and return how many were tried."""
    waiting = Notice.objects.filter(sent_at=None, given_up_at=None)
    tried = 0
    # Lease one at a time: during a slow delivery by mail the leases of the following notices would expire.
    while tried < BATCH_SIZE and (leased := lease(waiting, now=now, lifetime=LEASE, at_most=1)):
        tried += 1
        _send_one(leased[0], number_of, now)
    return tried


def _send_one(pk: UUID, number_of: NumberOf, now: datetime) -> None:
    notice = Notice.objects.select_related("user__organisation", "alert__organisation", "alert__subject").get(pk=pk)

    def later(error: Exception) -> None:
        logger.warning("notice not sent", extra=log_event("alerts.notice.failed", trouble=cause_of(error), notice=pk))
        _later(notice, type(error).__name__, now)

    attempt_one(partial(_send, notice, number_of, now), later)


def _send(notice: Notice, number_of: NumberOf, now: datetime) -> None:
    if notice.by == By.TEXT:
        _send_text(notice, number_of, now)
    elif settings.WATCHWORD_CAN_MAIL:
        _mail_of(notice).send()
        Notice.objects.filter(pk=notice.pk).update(sent_at=now, trouble="")
    else:
        _later(notice, NO_MAIL_SERVER, now)


def _mail_of(notice: Notice) -> EmailMessage:
    if notice.alert is not None:
        return alert_messages.mail_of(notice, notice.alert, _event(notice), _to(notice))
    return messages.mail_of(notice, _event(notice), _to(notice), _link(notice))


def _send_text(notice: Notice, number_of: NumberOf, now: datetime) -> None:
    assert notice.user is not None, "a text goes to somebody"
    row = Notice.objects.filter(pk=notice.pk)
    number = number_of(notice.user)
    if not number:
        row.update(given_up_at=now, trouble="no number")
        return
    alert = notice.alert
    text = messages.text_of(notice, _event(notice)) if alert is None else alert_messages.text_of(alert)
    # Marked and put into the outbox of messages in one transaction: neither lost nor duplicated.
    with transaction.atomic():
        verdict = warn(notice.user, number, text, now=now)
        if isinstance(verdict, SendThrottled):
            row.update(given_up_at=now, trouble=f"guard: {verdict.rule}")
        else:
            row.update(sent_at=now)


def _later(notice: Notice, trouble: str, now: datetime) -> None:
    row = Notice.objects.filter(pk=notice.pk)
    if try_again(row, RETRIES, tries=notice.tries, since=notice.created_at, now=now, trouble=trouble[:60]):
        return
    with transaction.atomic():
        row.update(given_up_at=now, trouble=trouble[:60])
        if (event := Event.objects.filter(pk=notice.event_id).first()) is not None:
            give_up(event, trouble, now)


def _event(notice: Notice) -> Event:
    return Event.objects.get(pk=notice.event_id)


def _to(notice: Notice) -> str:
    return settings.WATCHWORD_KEY_RING.open(SEAL, bytes(notice.to)).decode()


def _link(notice: Notice) -> str:
    if not notice.has_link:
        return ""
    link = NotMeLink.objects.filter(event_id=notice.event_id, used_at=None).first()
    return links.address_of(link) if link is not None else ""
