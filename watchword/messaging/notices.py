"""Texts without a code: a warning, beside the mail that says the same. Rate limits and counters apply to them."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from watchword.core.policy import Channel
from watchword.directory.models import User
from watchword.messaging.gateway import Outgoing
from watchword.messaging.limits.counters import Permitted, SendThrottled, reserve_warning, telephone_of
from watchword.messaging.send import enqueue, new_delivery

PURPOSE = "warning"


def warn(user: User, number: str, words: str, *, now: datetime) -> Permitted | SendThrottled:
    """Send a warning about a user's account to a number (E.164), or return the limit that forbids it.

    Within a transaction it is sent after that transaction's commit.
    """
    telephone = telephone_of(number)
    with transaction.atomic():
        verdict = reserve_warning(user, telephone, now=now)
        if isinstance(verdict, SendThrottled):
            return verdict
        delivery = new_delivery(user, telephone, Channel.SMS, PURPOSE, now=now)
        outgoing = Outgoing(
            delivery_id=delivery.id,
            channel=Channel.SMS,
            number=number,
            extension="",
            code="",
            organisation=user.organisation.name,
            words=words,
            purpose=PURPOSE,
        )
        enqueue(outgoing, now=now)
        return verdict
