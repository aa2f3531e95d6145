"""The gateway of the demo: texts and calls appear on a web page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from django.db import close_old_connections, connection
from django.db.models import QuerySet
from django.utils import timezone

from watchword.core.policy import Channel
from watchword.messaging.config_file import SIMULATOR
from watchword.messaging.content import sms
from watchword.messaging.gateway import Condition, DeliveryFailed, Outgoing, Report, Result, Submitted
from watchword.messaging.gateways.simulator.models import Arrival
from watchword.messaging.models import Delivery
from watchword.messaging.send import note_result
from watchword.messaging.voice import ivr

FAILING_NUMBERS: Mapping[tuple[str, Channel], Result] = {
    ("97", Channel.VOICE): Result.NO_ANSWER,
    ("98", Channel.VOICE): Result.BUSY,
    ("99", Channel.VOICE): Result.UNREACHABLE,
    ("99", Channel.SMS): Result.UNREACHABLE,
}
"""Results by ending of the number, so that each failure and what follows it can be tried out."""
LATE = "96"
LATE_BY = timedelta(seconds=45)
"""Delay of texts to numbers with that ending: long enough for the sign-in page to offer a call."""

RINGS_FOR = timedelta(seconds=60)
LONGEST_CALL = timedelta(minutes=2)
"""After these times a ringing call ends unanswered, or the IVR hangs up."""


class SimulatorGateway:
    """Texts and calls on a web page. For the demo and for tests; a system check forbids it elsewhere."""

    name = SIMULATOR
    channels = frozenset(Channel)
    condition = Condition(is_up=True)
    fetches_voice_script = False

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="simulator")

    async def start(self, report: Callable[[Report], None]) -> None:
        """Do nothing: there is no connection, and the web page itself stores all results."""

    async def send(self, outgoing: Outgoing) -> Submitted:
        """Show a text or a call on the telephone, or fail as the ending of the number requires."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._take, outgoing)

    async def stop(self) -> None:
        """Close the database connection."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    @staticmethod
    def _close() -> None:
        # ``connection`` is thread-local, so the right one is only found in this thread.
        connection.close()

    @staticmethod
    def _take(outgoing: Outgoing) -> Submitted:
        # A long-lived thread must reconnect where the database has closed its connection.
        close_old_connections()
        return take(outgoing)


def take(outgoing: Outgoing) -> Submitted:
    """Show a text or a call on the telephone, once even if sent twice; raises DeliveryFailed for certain endings."""
    trouble = FAILING_NUMBERS.get((outgoing.number[-2:], outgoing.channel))
    if trouble is not None:
        raise DeliveryFailed(trouble, permanent=True)
    now = timezone.now()
    is_late = outgoing.channel is Channel.SMS and outgoing.number.endswith(LATE)
    arrival, _is_new = Arrival.objects.get_or_create(
        delivery_id=outgoing.delivery_id,
        defaults={
            "channel": outgoing.channel,
            "number": outgoing.number,
            "extension": outgoing.extension,
            "organisation": outgoing.organisation,
            "host": outgoing.host,
            "language": outgoing.language,
            "code": outgoing.code,
            "match": outgoing.match,
            "text": sms.text_of(outgoing) if outgoing.channel is Channel.SMS else outgoing.words,
            "at": now + LATE_BY if is_late else now,
        },
    )
    is_there = outgoing.channel is Channel.SMS and not is_late
    return Submitted(str(arrival.pk), Result.DELIVERED if is_there else Result.SENT)


def arrived(now: datetime) -> QuerySet[Arrival]:
    """Return the messages that have arrived, and report late texts as delivered that are due."""
    come = Arrival.objects.filter(at__lte=now)
    late = come.filter(channel=Channel.SMS, number__endswith=LATE).values_list("delivery_id", flat=True)
    for delivery_id in Delivery.objects.filter(pk__in=late, result=Result.SENT).values_list("pk", flat=True):
        note_result(delivery_id, Result.DELIVERED, now=now)
    return come


def move(arrival: Arrival, call: ivr.Call, *, timed_out: bool = False) -> Result | None:
    """Store the new state of a call, and return the delivery result that it means, if any.

    ``nobody_is_there``: the call ends by a timeout. Of two keys pressed at once in the same state, one counts.
    """
    before = arrival.call
    if call == before:
        return None
    unmoved = Arrival.objects.filter(pk=arrival.pk, state=before.state, pressed=before.pressed, wrong=before.wrong)
    if not unmoved.update(state=call.state, pressed=call.pressed, wrong=call.wrong):
        arrival.refresh_from_db()
        return None
    arrival.state, arrival.pressed, arrival.wrong = call.state, call.pressed, call.wrong
    result = _result_of(before.state, call.state, arrival, timed_out=timed_out)
    if result is not None:
        note_result(arrival.delivery_id, result, now=timezone.now())
    return result


def end_what_took_too_long(now: datetime) -> None:
    """End calls that ring unanswered, and answered calls without input, after a timeout."""
    talking = (ivr.CallState.GREETING, ivr.CallState.CODE)
    calls = Arrival.objects.filter(channel=Channel.VOICE)
    for arrival in (
        *calls.filter(state=ivr.CallState.RINGING, at__lt=now - RINGS_FOR),
        *calls.filter(state__in=talking, at__lt=now - LONGEST_CALL),
    ):
        move(arrival, ivr.hang_up(arrival.call), timed_out=True)


def _result_of(before: ivr.CallState, after: ivr.CallState, arrival: Arrival, *, timed_out: bool) -> Result | None:
    match before, after:
        case ivr.CallState.RINGING, ivr.CallState.GREETING:
            return Result.DELIVERED
        case _, ivr.CallState.MISSED:
            return Result.NO_ANSWER if timed_out else Result.DECLINED
        case ivr.CallState.GREETING, ivr.CallState.ENDED:
            # A call without a code has nothing more to say, so a hang-up is no failure.
            return Result.HUNG_UP if not arrival.text else None
        case _, ivr.CallState.FRAUD:
            return Result.FRAUD_REPORTED
        case _, ivr.CallState.APPROVED:
            return Result.APPROVED
        case _, ivr.CallState.MISMATCHED:
            return Result.MISMATCHED
        case _:
            return None


def spoken(arrival: Arrival) -> str:
    """Return what the IVR says in this state of a call."""
    purpose = Delivery.objects.filter(pk=arrival.delivery_id).values_list("purpose", flat=True).first()
    outgoing = Outgoing(
        delivery_id=arrival.delivery_id,
        channel=Channel.VOICE,
        number=arrival.number,
        extension=arrival.extension,
        code=arrival.code,
        organisation=arrival.organisation,
        host=arrival.host,
        language=arrival.language,
        match=arrival.match,
        purpose=purpose or "",
        words=arrival.text if arrival.channel == Channel.VOICE else "",
    )
    return " ".join(_as_read(said) for said in sms.spoken_at(outgoing, arrival.call))


def _as_read(said: str) -> str:
    return f"{said}." if said.isdigit() else said
