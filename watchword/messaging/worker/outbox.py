"""The outbox between web pages and the dispatcher: sealed rows, leased by one dispatcher, deleted once sent."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import socket
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from watchword.audit.retries import attempt_one, cause_of, lease
from watchword.audit.sealed_columns import SealedColumn
from watchword.core.keyring import KeyRingError
from watchword.core.log_events import log_event
from watchword.core.policy import Channel
from watchword.messaging.gateway import LeasedMessage, Outgoing, Result
from watchword.messaging.models import Delivery, OutboxMessage
from watchword.messaging.voice.ivr import Call, CallState

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
"""How long one dispatcher has a message to itself; if it dies, another one then sends the same text and code."""
LIFETIME = timedelta(minutes=5)
"""How long a message without a code (a warning) is worth sending."""
BATCH_SIZE = 100
_SEAL = "delivery.waiting"


def _drop(rows: QuerySet[Any], _now: datetime) -> None:
    Delivery.objects.filter(pk__in=rows.values("pk"), result=Result.WAITING).update(result=Result.FAILED)
    rows.delete()


SEALED = SealedColumn(
    words="messages that wait for a provider",
    model=OutboxMessage,
    field="payload",
    purpose=_SEAL,
    void=_drop,
    rows=OutboxMessage.objects.all,
)
_SOCKET = "phones-{}.sock"
_UNREADABLE = (KeyRingError, ValueError, KeyError, TypeError)
"""Errors of a row that was sealed with a deleted key, or written by another version."""


def put(outgoing: Outgoing, *, now: datetime) -> None:
    """Write a message into the outbox; ``send.enqueue`` also wakes the dispatcher after the commit."""
    payload = settings.WATCHWORD_KEY_RING.seal(_SEAL, json.dumps(_plain(outgoing)).encode())
    OutboxMessage.objects.create(
        delivery_id=outgoing.delivery_id,
        payload=payload,
        next_try_at=now,
        expires_at=outgoing.not_after or now + LIFETIME,
    )


def withdraw(delivery_ids: Collection[UUID]) -> None:
    """Delete messages from the outbox whose codes are void; a message that is being sent is not stopped."""
    if OutboxMessage.objects.filter(delivery_id__in=delivery_ids).delete()[0]:
        Delivery.objects.filter(pk__in=delivery_ids, result=Result.WAITING).update(result=Result.EXPIRED)


def claim(*, now: datetime, at_most: int = BATCH_SIZE) -> list[LeasedMessage]:
    """Lease messages that are due, the oldest first."""
    claimed = lease(OutboxMessage.objects.filter(fetches_voice_script=False), now=now, lifetime=LEASE, at_most=at_most)
    rows = OutboxMessage.objects.filter(pk__in=claimed).select_related("delivery__user").order_by("next_try_at", "pk")
    rows = rows.prefetch_related("delivery__user__role_assignments")
    return [one for one in (_claimed_or_dropped(row) for row in rows) if one is not None]


def keep_for_speaking(delivery_ids: Iterable[UUID]) -> None:
    """Retain messages until their codes expire, so that a provider can fetch what its call says."""
    if ids := list(delivery_ids):
        OutboxMessage.objects.filter(delivery_id__in=ids).update(fetches_voice_script=True)


def forget_spoken(*, now: datetime) -> int:
    """Delete voice scripts whose codes have expired; return how many."""
    return OutboxMessage.objects.filter(fetches_voice_script=True, expires_at__lt=now).delete()[0]


def have_arrived(delivery_ids: Collection[UUID]) -> None:
    """Stop sending messages that reached the telephone. A call stays stored, as it may still fetch its voice script."""
    waiting = (
        OutboxMessage.objects.filter(pk__in=delivery_ids, fetches_voice_script=False)
        if delivery_ids
        else OutboxMessage.objects.none()
    )
    channels = dict(waiting.values_list("pk", "delivery__channel"))
    if channels:
        OutboxMessage.objects.filter(pk__in=[pk for pk, channel in channels.items() if channel == Channel.SMS]).delete()
        OutboxMessage.objects.filter(
            pk__in=[pk for pk, channel in channels.items() if channel == Channel.VOICE]
        ).update(fetches_voice_script=True)


def done(delivery_ids: Iterable[UUID]) -> None:
    """Delete messages from the outbox: a gateway took them, or they were given up."""
    if ids := list(delivery_ids):
        OutboxMessage.objects.filter(delivery_id__in=ids).delete()


def later(delivery_id: UUID, *, at: datetime) -> None:
    """Postpone the next attempt of a message until ``at``."""
    OutboxMessage.objects.filter(delivery_id=delivery_id).update(next_try_at=at)


def release(delivery_ids: Iterable[UUID], *, at: datetime) -> None:
    """Release leased messages that this dispatcher will not send, because it stops."""
    OutboxMessage.objects.filter(delivery_id__in=list(delivery_ids)).update(next_try_at=at)


def read_call(delivery_id: UUID, *, now: datetime) -> tuple[Outgoing, Call] | None:
    """Return what a provider's call may say and its state; None if its code has expired or it can't be read."""
    row = OutboxMessage.objects.filter(pk=delivery_id, expires_at__gt=now).first()
    if row is None:
        return None
    state = CallState(row.call_state) if row.call_state else CallState.RINGING
    try:
        return _outgoing(row), Call(state, row.call_pressed, row.call_wrong)
    except _UNREADABLE as error:
        logger.error(
            "outbox message not readable: no voice script for its call",
            extra=log_event("messaging.outbox.unreadable", trouble=cause_of(error), delivery=row.pk),
        )
        return None


def move_call(delivery_id: UUID, before: Call, after: Call) -> bool:
    """Store the new state of a call; return False if another key changed it first."""
    state = "" if before == Call() else before.state
    still = OutboxMessage.objects.filter(pk=delivery_id, call_state=state, call_pressed=before.pressed)
    still = still.filter(call_wrong=before.wrong)
    return bool(still.update(call_state=after.state, call_pressed=after.pressed, call_wrong=after.wrong))


def socket_path(folder: Path, process_id: int) -> Path:
    """Return the path of a dispatcher's wake-up socket."""
    return folder / _SOCKET.format(process_id)


def wake_socket(folder: Path) -> socket.socket:
    """Return the socket by which web processes of this machine wake this process; its file is in the folder."""
    path = socket_path(folder, os.getpid())
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.setblocking(False)
    listening.bind(str(path))
    return listening


def wake() -> None:
    """Wake every dispatcher of this machine. If none listens, one elsewhere polls the row within half a second."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wake_up_socket:
        wake_up_socket.setblocking(False)
        for path in settings.WATCHWORD_HOME.glob(_SOCKET.format("*")):
            try:
                wake_up_socket.sendto(b"1", str(path))
            except ConnectionRefusedError:
                # The dispatcher that listened here was killed.
                path.unlink(missing_ok=True)
            except OSError:
                # A full socket already holds enough wake-ups.
                continue


def _plain(outgoing: Outgoing) -> dict[str, Any]:
    values = {field.name: getattr(outgoing, field.name) for field in dataclasses.fields(outgoing)}
    values["delivery_id"] = str(outgoing.delivery_id)
    values["not_after"] = outgoing.not_after.isoformat() if outgoing.not_after is not None else None
    return values


def _outgoing(row: OutboxMessage) -> Outgoing:
    values = json.loads(settings.WATCHWORD_KEY_RING.open(_SEAL, bytes(row.payload)))
    values["delivery_id"] = UUID(values["delivery_id"])
    values["channel"] = Channel(values["channel"])
    values["not_after"] = row.expires_at
    return Outgoing(**values)


def _claimed_or_dropped(row: OutboxMessage) -> LeasedMessage | None:
    """Return the message of a row; delete an unreadable row, or it would fail in every dispatcher each time."""

    def drop(error: Exception) -> None:
        logger.error(
            "outbox message not readable: given up",
            extra=log_event("messaging.outbox.unreadable", trouble=cause_of(error), delivery=row.pk),
        )
        _drop(OutboxMessage.objects.filter(pk=row.pk), row.expires_at)

    return attempt_one(partial(_claimed, row), drop)


def _claimed(row: OutboxMessage) -> LeasedMessage:
    delivery = row.delivery
    return LeasedMessage(
        outgoing=_outgoing(row),
        tries=row.tries,
        country=delivery.country,
        purpose=delivery.purpose,
        organisation_id=delivery.organisation_id,
        is_urgent=delivery.purpose != "register" and delivery.user.is_administrator,
    )
