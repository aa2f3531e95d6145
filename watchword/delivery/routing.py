"""Where a page hands a code: at once, on this machine, never waiting for a carrier.

Either a channel of this process takes it (the telephone on a page), or it goes into the queue of `watchword serve
phones`, whose courier is woken up at once and not when a poll comes.
"""

from __future__ import annotations

import logging
from datetime import datetime
from functools import cache
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

from watchword.core.policy import Way
from watchword.delivery.channel import Channel, DeliveryFailed, Outgoing, Result, may_follow
from watchword.delivery.models import Delivery
from watchword.delivery.tallies import count

logger = logging.getLogger(__name__)

HAND_OVER_SECONDS = 5.0
"""How long a page waits for a channel of its own process; the queue takes milliseconds."""


@cache
def all_channels() -> tuple[Channel, ...]:
    """Return the installed channels in the order of settings.DELIVERY_CHANNELS."""
    return tuple(import_string(path)() for path in settings.DELIVERY_CHANNELS)


def ways_carried() -> frozenset[Way]:
    """Return the ways for which there is any channel."""
    return frozenset(way for channel in all_channels() for way in channel.ways)


def hand_over(outgoing: Outgoing, *, now: datetime) -> Result:
    """Give a message to the first channel that takes it, note the outcome, and return it.

    Call this after the transaction that made the code was committed: a code that can't be checked must not arrive.
    """
    result, name, reference = Result.FAILED, "", ""
    for channel in all_channels():
        if outgoing.way not in channel.ways:
            continue
        name = channel.name
        try:
            handed = channel.send(outgoing, timeout_seconds=HAND_OVER_SECONDS)
            reference, result = handed.reference, handed.result
        except DeliveryFailed as failure:
            result = failure.result
            logger.warning("delivery %s: channel %s answered %s", outgoing.delivery_id, name, failure.result)
            if failure.permanent:
                break
            continue
        break
    if result is not Result.WAITING:
        note_result(outgoing.delivery_id, result, now=now, channel=name, reference=reference)
    return result


def note_result(
    delivery_id: UUID,
    result: Result,
    *,
    now: datetime,
    channel: str | None = None,
    reference: str = "",
    cost_micros: int = 0,
) -> bool:
    """Write what became of a delivery and count it; False if what is known already says more."""
    with transaction.atomic():
        row = Delivery.objects.select_for_update().filter(pk=delivery_id).first()
        if row is None:
            return False
        changes: dict[str, object] = {}
        more: dict[str, int] = {}
        if channel is not None:
            changes = {"channel": channel[:32], "reference": reference[:100]}
            if cost_micros:
                changes["cost_micros"] = row.cost_micros + cost_micros
                more["cost_micros"] = cost_micros
        before = Result(row.result)
        is_news = may_follow(before, result, Way(row.way))
        if is_news:
            changes |= {"result": result, "changed_at": now}
            if before is Result.WAITING and (result is Result.SENT or result.has_arrived):
                more["sent"] = 1
            if result.has_arrived and not before.has_arrived:
                more["arrived"] = 1
        if changes:
            # Once: PostgreSQL looks at the keys of a row that one transaction changes twice, and that would wait for
            # whoever has locked the person, who may be waiting for the tally.
            Delivery.objects.filter(pk=row.pk).update(**changes)
        if more:
            count(row, **more)
        return is_news
