"""`watchword serve phones`: the process that keeps carriers open and brings codes to them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from django.utils import timezone

from watchword.delivery.channel import Carrier
from watchword.delivery.courier import Courier, Line
from watchword.delivery.http_gateway.addresses import addresses_of
from watchword.delivery.http_gateway.carrier import HttpCarrier
from watchword.delivery.phones_file import Phones, Planned
from watchword.delivery.queue import wake_socket
from watchword.delivery.receipts import Changed
from watchword.delivery.sim_check import SimCheck
from watchword.delivery.sip.carrier import SipCarrier
from watchword.delivery.smpp.carrier import SmppCarrier
from watchword.signin import phone_reports


def build(planned: Planned) -> Carrier:
    """Return the carrier that a part of the phones file describes."""
    match planned.kind:
        case "smpp":
            return SmppCarrier(planned.route.name, planned.wishes)
        case "sip":
            return SipCarrier(planned.route.name, planned.wishes)
        case _:
            return HttpCarrier(planned.route.name, planned.wishes, addresses=addresses_of)


async def serve_phones(phones: Phones, folder: Path, *, ready: Callable[[], None] = lambda: None) -> None:
    """Keep the carriers open and carry what waits, until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with wake_socket(folder) as bell:
        lines = [Line(build(planned), planned.route) for planned in phones.carriers]
        check = SimCheck(phones.sim_check) if phones.sim_check is not None else None
        courier = Courier(lines, bell=bell, decided=_decided, sim_changed=check.has_moved if check else None)
        try:
            await courier.run(stop, ready=ready)
        finally:
            if check is not None:
                await check.close()
            with suppress(FileNotFoundError):
                # A process of the same number in another container that shares the home has taken its place.
                os.unlink(bell.getsockname())  # noqa: PTH108  (a path object would warn of blocking; this blocks as little)


def _decided(changed: Changed) -> None:
    phone_reports.note(changed.delivery_id, changed.result, now=timezone.now())
