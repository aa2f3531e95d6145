"""`watchword serve phones`: the process that keeps the gateways connected and sends messages through them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from django.utils import timezone

from watchword.audit.heartbeats import ProcessHeart
from watchword.doors.service_manager import ServiceManager
from watchword.messaging.config_file import ConfiguredGateway, Phones
from watchword.messaging.gateway import Gateway
from watchword.messaging.worker.delivery_receipts import Changed
from watchword.messaging.worker.dispatcher import Dispatcher, GatewayRoute
from watchword.messaging.worker.outbox import wake_socket
from watchword.signin.otp import delivery_events


def build(planned: ConfiguredGateway) -> Gateway:
    """Return the gateway that a table of the phones file describes.

    Each kind is imported here: most need what the extra `phones` installs, and the demo's simulator does not.
    """
    match planned.kind:
        case "smpp":
            from watchword.messaging.gateways.smpp.gateway import SmppGateway

            return SmppGateway(planned.route.name, planned.config)
        case "sip":
            from watchword.messaging.gateways.sip.gateway import SipGateway

            return SipGateway(planned.route.name, planned.config)
        case "simulator":
            # Its database table exists only in the demo.
            from watchword.messaging.gateways.simulator.gateway import SimulatorGateway

            return SimulatorGateway()
        case _:
            from watchword.messaging.gateways.http.callback_urls import addresses_of
            from watchword.messaging.gateways.http.gateway import HttpGateway

            return HttpGateway(planned.route.name, planned.config, addresses=addresses_of)


async def serve_phones(
    phones: Phones,
    folder: Path,
    *,
    ready: Callable[[], None] = lambda: None,
    heart: ProcessHeart | None = None,
    manager: ServiceManager | None = None,
) -> None:
    """Keep the gateways connected and send what is in the outbox, until SIGTERM or SIGINT."""
    manager = manager or ServiceManager({})
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with wake_socket(folder) as wake_up_socket:
        lines = [GatewayRoute(build(planned), planned.route) for planned in phones.gateways]
        check = None
        if phones.sim_check is not None:
            from watchword.messaging.gateways.sim_swap import SimSwapCheck

            check = SimSwapCheck(phones.sim_check)
        beating = loop.create_task(heart.keep_beating()) if heart is not None else None
        dispatcher = Dispatcher(
            lines, wake_up_socket=wake_up_socket, decided=_decided, sim_changed=check.has_moved if check else None
        )

        def is_ready() -> None:
            ready()
            manager.ready(f"{len(lines)} gateways")

        beats = loop.create_task(manager.keep_beating())
        try:
            await dispatcher.run(stop, ready=is_ready)
        finally:
            if beating is not None:
                beating.cancel()
            manager.stopping()
            beats.cancel()
            if check is not None:
                await check.close()
            with suppress(FileNotFoundError):
                # A process with the same id in another container that shares the home folder has replaced the socket.
                os.unlink(wake_up_socket.getsockname())  # noqa: PTH108  (a path object would warn of blocking; this blocks as little)


def _decided(changed: Changed) -> None:
    delivery_events.note(changed.delivery_id, changed.result, now=timezone.now())
