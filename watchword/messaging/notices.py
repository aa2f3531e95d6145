"""Texts that carry no code: a warning, beside the mail that says the same. Counted and guarded like all that leaves."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from watchword.core.policy import Channel
from watchword.directory.models import User
from watchword.messaging.gateway import Outgoing, Result
from watchword.messaging.limits.counters import SendThrottled, may_warn, telephone_of
from watchword.messaging.models import Delivery
from watchword.messaging.send import hand_over

PURPOSE = "warning"


def warn(user: User, number: str, words: str, *, now: datetime) -> Result | SendThrottled:
    """Send a warning about somebody's account to a number (E.164) and return what became of it, or what forbids it.

    Call this outside of any transaction: what is told must have happened.
    """
    telephone = telephone_of(number)
    with transaction.atomic():
        verdict = may_warn(user, telephone, now=now)
        if isinstance(verdict, SendThrottled):
            return verdict
        delivery = Delivery.objects.create(
            organisation_id=user.organisation_id,
            user=user,
            channel=Channel.TEXT,
            purpose=PURPOSE,
            **telephone.row(),
            created_at=now,
            changed_at=now,
        )
    outgoing = Outgoing(
        delivery_id=delivery.id,
        channel=Channel.TEXT,
        number=number,
        extension="",
        code="",
        organisation=user.organisation.name,
        words=words,
        purpose=PURPOSE,
    )
    return hand_over(outgoing, now=now)
