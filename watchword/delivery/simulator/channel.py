"""Hands texts and calls to the telephone on a page, instead of to a carrier."""

from __future__ import annotations

from django.utils import timezone

from watchword.core.policy import Way
from watchword.delivery import texts
from watchword.delivery.channel import DeliveryFailed, Handed, Outgoing, Result
from watchword.delivery.routing import note_result
from watchword.delivery.simulator import attendant
from watchword.delivery.simulator.models import Arrival

TROUBLE = {"97": Result.NO_ANSWER, "98": Result.BUSY, "99": Result.UNREACHABLE}
"""Endings of numbers at which nothing arrives, so that the way on can be seen."""

_RESULTS = {
    attendant.CallState.GREETING: Result.DELIVERED,
    attendant.CallState.MISSED: Result.NO_ANSWER,
    attendant.CallState.FRAUD: Result.FRAUD_REPORTED,
}


class SimulatorChannel:
    """Texts arrive and calls ring on a page. For the demo and for tests; a system check refuses it elsewhere."""

    name = "simulator"
    ways = frozenset(Way)

    def send(self, outgoing: Outgoing, *, timeout_seconds: float) -> Handed:  # noqa: ARG002  (nothing here can be slow)
        """Put a text or a call onto the telephone, or fail as the number's ending says."""
        trouble = TROUBLE.get(outgoing.number[-2:])
        if trouble is not None:
            raise DeliveryFailed(trouble, permanent=True)
        arrival = Arrival.objects.create(
            delivery_id=outgoing.delivery_id,
            way=outgoing.way,
            number=outgoing.number,
            extension=outgoing.extension,
            organisation=outgoing.organisation,
            host=outgoing.host,
            language=outgoing.language,
            code=outgoing.code,
            text=texts.text_of(outgoing) if outgoing.way is Way.TEXT else "",
            at=timezone.now(),
        )
        if outgoing.way is Way.TEXT:
            note_result(outgoing.delivery_id, Result.DELIVERED, now=timezone.now())
        return Handed(str(arrival.pk))


def move(arrival: Arrival, call: attendant.Call) -> bool:
    """Write where a call stands now and report what that means; True if somebody reported fraud by it."""
    before = arrival.call
    if call == before:
        return False
    arrival.state, arrival.pressed = call.state, call.pressed
    arrival.save(update_fields=["state", "pressed"])
    if call.state is not before.state and call.state in _RESULTS:
        note_result(arrival.delivery_id, _RESULTS[call.state], now=timezone.now())
    return call.state is attendant.CallState.FRAUD


def spoken(arrival: Arrival) -> str:
    """Return what the attendant says at this point of a call."""
    outgoing = Outgoing(
        delivery_id=arrival.delivery_id,
        way=Way.CALL,
        number=arrival.number,
        extension=arrival.extension,
        code=arrival.code,
        organisation=arrival.organisation,
        host=arrival.host,
        language=arrival.language,
    )
    match arrival.call.state:
        case attendant.CallState.GREETING:
            return texts.greeting_of(outgoing)
        case attendant.CallState.CODE:
            return texts.spoken_code_of(outgoing)
        case attendant.CallState.FRAUD:
            return texts.fraud_thanks_of(outgoing)
        case _:
            return ""
