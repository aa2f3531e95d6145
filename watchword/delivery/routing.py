"""Which channel carries a code, and the moment it is handed over: at once, never when a poll comes."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import cache
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string

from watchword.core.policy import Way
from watchword.delivery.channel import Channel, DeliveryFailed, Outgoing, Result
from watchword.delivery.models import Delivery

logger = logging.getLogger(__name__)

HAND_OVER_SECONDS = 5.0
"""How long a page waits for a channel to take a message."""


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
            reference = channel.send(outgoing, timeout_seconds=HAND_OVER_SECONDS).reference
            result = Result.SENT
        except DeliveryFailed as failure:
            result = failure.result
            logger.warning("delivery %s: channel %s answered %s", outgoing.delivery_id, name, failure.result)
            if failure.permanent:
                break
            continue
        break
    note_result(outgoing.delivery_id, result, now=now, channel=name, reference=reference)
    return result


def note_result(
    delivery_id: UUID, result: Result, *, now: datetime, channel: str | None = None, reference: str = ""
) -> None:
    """Write what became of a delivery."""
    rows = Delivery.objects.filter(pk=delivery_id)
    about = {} if channel is None else {"channel": channel, "reference": reference[:100]}
    if about:
        rows.update(**about)
    if result is Result.SENT:
        # A receipt can be quicker than our own note: "sent" never overwrites what a receipt said.
        rows = rows.filter(result=Result.WAITING)
    rows.update(result=result, changed_at=now)
