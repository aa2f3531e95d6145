"""The queue between pages and the courier: sealed rows, claimed for a while by one courier, gone once taken."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import socket
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from watchword.audit.outbox import UNAVAILABLE, cause_of, lease
from watchword.audit.sealed_columns import SealedColumn
from watchword.core.keyring import KeyRingError
from watchword.core.policy import Way
from watchword.messaging.gateway import Claimed, Handed, Outgoing, Result
from watchword.messaging.models import Delivery, Waiting
from watchword.messaging.voice.ivr import Call, CallState

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
"""So long a courier has a message to itself; when it dies, another one sends it then: the same text, the same code."""
LASTS = timedelta(minutes=5)
"""How long a message without a code (a warning) is worth sending."""
PORTION = 100
_SEAL = "delivery.waiting"


def _drop(rows: QuerySet[Any], _now: datetime) -> None:
    Delivery.objects.filter(pk__in=rows.values("pk"), result=Result.WAITING).update(result=Result.FAILED)
    rows.delete()


SEALED = SealedColumn(
    words="messages that wait for a carrier",
    model=Waiting,
    field="payload",
    purpose=_SEAL,
    void=_drop,
    rows=Waiting.objects.all,
)
_SOCKET = "phones-{}.sock"
_UNREADABLE = (KeyRingError, ValueError, KeyError, TypeError)
"""What a row raises that was sealed with a key that is gone, or written by another version."""


class QueueChannel:
    """The channel of pages where real carriers are configured: takes everything at once, carries nothing itself."""

    name = "queue"

    @property
    def ways(self) -> frozenset[Way]:
        """The ways for which the phones file names a carrier."""
        return frozenset(settings.WATCHWORD_PHONES.ways)

    def send(self, outgoing: Outgoing, *, timeout_seconds: float) -> Handed:  # noqa: ARG002  (one row is quick)
        """Put a message into the queue and wake the courier."""
        put(outgoing)
        return Handed(result=Result.WAITING)

    def keep(self, outgoing: Outgoing, *, now: datetime) -> None:
        """Put a message into the queue: a code and its row are there together, or neither is."""
        _insert(outgoing, now)

    def wake(self) -> None:
        """Wake the courier."""
        wake()


def put(outgoing: Outgoing) -> None:
    """Write a message into the queue and wake the courier."""
    _insert(outgoing, Delivery.objects.only("created_at").get(pk=outgoing.delivery_id).created_at)
    wake()


def withdraw(delivery_ids: Collection[UUID]) -> None:
    """Take messages whose codes have died out of the queue; one that is on its way already is not stopped."""
    if Waiting.objects.filter(delivery_id__in=delivery_ids).delete()[0]:
        Delivery.objects.filter(pk__in=delivery_ids, result=Result.WAITING).update(result=Result.EXPIRED)


def claim(*, now: datetime, at_most: int = PORTION) -> list[Claimed]:
    """Take messages whose time has come, the oldest first, for as long as the lease lasts."""
    claimed = lease(Waiting.objects.filter(is_spoken=False), now=now, lasts=LEASE, at_most=at_most)
    rows = Waiting.objects.filter(pk__in=claimed).select_related("delivery__user").order_by("next_try_at", "pk")
    rows = rows.prefetch_related("delivery__user__role_assignments")
    return [one for one in (_claimed_or_dropped(row) for row in rows) if one is not None]


def keep_for_speaking(delivery_ids: Iterable[UUID]) -> None:
    """Leave messages where a provider can ask what to say in its call, until their codes die."""
    if ids := list(delivery_ids):
        Waiting.objects.filter(delivery_id__in=ids).update(is_spoken=True)


def forget_spoken(*, now: datetime) -> int:
    """Delete what calls could have said whose codes have died; returns how many."""
    return Waiting.objects.filter(is_spoken=True, expires_at__lt=now).delete()[0]


def have_arrived(delivery_ids: Collection[UUID]) -> None:
    """Telephones have these, whatever we thought: nothing is sent again. What is being spoken stays."""
    waiting = Waiting.objects.filter(pk__in=delivery_ids, is_spoken=False) if delivery_ids else Waiting.objects.none()
    ways = dict(waiting.values_list("pk", "delivery__way"))
    if ways:
        Waiting.objects.filter(pk__in=[pk for pk, way in ways.items() if way == Way.TEXT]).delete()
        Waiting.objects.filter(pk__in=[pk for pk, way in ways.items() if way == Way.CALL]).update(is_spoken=True)


def done(delivery_ids: Iterable[UUID]) -> None:
    """Take messages out of the queue: a carrier has them, or nobody ever will."""
    if ids := list(delivery_ids):
        Waiting.objects.filter(delivery_id__in=ids).delete()


def later(delivery_id: UUID, *, at: datetime) -> None:
    """Try a message again at a time."""
    Waiting.objects.filter(delivery_id=delivery_id).update(next_try_at=at)


def release(delivery_ids: Iterable[UUID], *, at: datetime) -> None:
    """Give messages back that this courier will not send after all, because it stops."""
    Waiting.objects.filter(delivery_id__in=list(delivery_ids)).update(next_try_at=at)


def read_call(delivery_id: UUID, *, now: datetime) -> tuple[Outgoing, Call] | None:
    """Return what a provider's call may say and where it stands; None once its code has died, or can't be read."""
    row = Waiting.objects.filter(pk=delivery_id, expires_at__gt=now).first()
    if row is None:
        return None
    state = CallState(row.call_state) if row.call_state else CallState.RINGING
    try:
        return _outgoing(row), Call(state, row.call_pressed, row.call_wrong)
    except _UNREADABLE as error:
        logger.error("delivery %s can't be read, and its call says nothing: %s", row.pk, type(error).__name__)
        return None


def move_call(delivery_id: UUID, before: Call, after: Call) -> bool:
    """Write where a call stands now; False if another key was quicker."""
    state = "" if before == Call() else before.state
    still = Waiting.objects.filter(pk=delivery_id, call_state=state, call_pressed=before.pressed)
    still = still.filter(call_wrong=before.wrong)
    return bool(still.update(call_state=after.state, call_pressed=after.pressed, call_wrong=after.wrong))


def wake_socket(folder: Path) -> socket.socket:
    """Return the socket at which pages of this machine wake this process; its file is in the folder."""
    path = folder / _SOCKET.format(os.getpid())
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.setblocking(False)
    listening.bind(str(path))
    return listening


def wake() -> None:
    """Wake every courier of this machine. Where none listens, one elsewhere finds the row within half a second."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        bell.setblocking(False)
        for path in settings.WATCHWORD_HOME.glob(_SOCKET.format("*")):
            try:
                bell.sendto(b"1", str(path))
            except ConnectionRefusedError:
                # The courier that listened here was killed.
                path.unlink(missing_ok=True)
            except OSError:
                # A full socket has been rung often enough.
                continue


def _insert(outgoing: Outgoing, at: datetime) -> None:
    payload = settings.WATCHWORD_KEY_RING.seal(_SEAL, json.dumps(_plain(outgoing)).encode())
    Waiting.objects.create(
        delivery_id=outgoing.delivery_id,
        payload=payload,
        next_try_at=at,
        expires_at=outgoing.not_after or at + LASTS,
    )


def _plain(outgoing: Outgoing) -> dict[str, Any]:
    values = {field.name: getattr(outgoing, field.name) for field in dataclasses.fields(outgoing)}
    values["delivery_id"] = str(outgoing.delivery_id)
    values["not_after"] = outgoing.not_after.isoformat() if outgoing.not_after is not None else None
    return values


def _outgoing(row: Waiting) -> Outgoing:
    values = json.loads(settings.WATCHWORD_KEY_RING.open(_SEAL, bytes(row.payload)))
    values["delivery_id"] = UUID(values["delivery_id"])
    values["way"] = Way(values["way"])
    values["not_after"] = row.expires_at
    return Outgoing(**values)


def _claimed_or_dropped(row: Waiting) -> Claimed | None:
    """Return what a row says; one that can't be read is taken out, or it would stop every courier again and again."""
    try:
        return _claimed(row)
    except UNAVAILABLE:
        raise
    except Exception as error:  # noqa: BLE001  (one message must not stop the others)
        logger.error("delivery %s can't be read and is given up: %s", row.pk, cause_of(error))
        Delivery.objects.filter(pk=row.pk, result=Result.WAITING).update(result=Result.FAILED)
        row.delete()
        return None


def _claimed(row: Waiting) -> Claimed:
    delivery = row.delivery
    return Claimed(
        outgoing=_outgoing(row),
        tries=row.tries,
        country=delivery.country,
        purpose=delivery.purpose,
        organisation_id=delivery.organisation_id,
        is_urgent=delivery.purpose != "register" and delivery.user.is_administrator,
    )
