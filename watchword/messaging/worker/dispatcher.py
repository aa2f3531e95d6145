"""Send the messages of the outbox through gateways, hold the gateways open, and store what they report.

One event loop per process; every database query runs in one thread of its own, so that neither a slow gateway nor a
slow database holds up the other. Any number of dispatchers may run: a message belongs to the one that leased it, until
the lease ends. A dispatcher that dies after a gateway accepted a message and before that was stored causes a second
copy of the same text with the same code, never another code (ADR 0035).
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from watchword.audit.metrics import DELIVERY_ATTEMPTS
from watchword.audit.notifications import Topic, listen
from watchword.audit.retries import RetryPolicy, cause_of
from watchword.audit.tracing import span
from watchword.core.log_events import log_event
from watchword.messaging.gateway import Condition, DeliveryFailed, Gateway, LeasedMessage, Result
from watchword.messaging.worker import persistence, route_selection
from watchword.messaging.worker.circuit_breaker import CircuitBreaker
from watchword.messaging.worker.delivery_receipts import Changed
from watchword.messaging.worker.outbox import BATCH_SIZE
from watchword.messaging.worker.pending_results import PendingResults
from watchword.messaging.worker.route_selection import Measured, Route

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
"""Longest wait of a message whose wake-up got lost: the commit wakes this machine, and on PostgreSQL every node."""
GATHER_SECONDS = 0.1
"""Shortest time between two reads or two writes, so that both are batched: an SQLite transaction locks all others."""
MEASURE_SECONDS = 10.0
MAX_CONCURRENT = 200
RETRIES = RetryPolicy(timedelta(seconds=1), timedelta(seconds=16), most_tries=6)
"""Retries of a message that no gateway took; short, because a person waits for the code at the sign-in page."""
RETRY_SECONDS = 1.0
"""Pause before a failed task of this process restarts."""
STOP_SECONDS = 10.0
CARRY_SECONDS = 25.0
"""How long after its claim a message may be sent: less than the lease, so that no other dispatcher starts meanwhile."""
UNSURE_SECONDS = 10.0
"""Pause after a gateway did not answer: it may have accepted the message, and a receipt can show that meanwhile."""

type SimChanged = Callable[[LeasedMessage], Awaitable[bool]]
"""Return whether the number moved to another SIM recently; may take a second, and returns False when it is unknown."""


@dataclass(slots=True)
class GatewayRoute:
    """One gateway with its route and its state in this process."""

    gateway: Gateway
    route: Route
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)
    carried_today: int = 0


class Dispatcher:
    """The worker that sends messages until it is stopped."""

    def __init__(
        self,
        lines: Sequence[GatewayRoute],
        *,
        wake_up_socket: socket.socket | None = None,
        decided: Callable[[Changed], None] = lambda _changed: None,
        sim_changed: SimChanged | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """``decided`` is called, in the database thread, for every delivery that got a new result."""
        self._lines = {line.gateway.name: line for line in lines}
        self._wake_up_socket = wake_up_socket
        self._decided = decided
        self._sim_changed = sim_changed
        self._clock = clock
        self._database = ThreadPoolExecutor(1, thread_name_prefix="phones-database")
        self._results = PendingResults()
        self._measured: Mapping[tuple[str, str], Measured] = {}
        self._wake = asyncio.Event()
        self._under_way: dict[asyncio.Task[None], LeasedMessage] = {}

    async def run(self, stop: asyncio.Event, *, ready: Callable[[], None] = lambda: None) -> None:
        """Start the gateways and send until ``stop`` is set; then disconnect, and release what was not sent."""
        loop = asyncio.get_running_loop()
        if self._wake_up_socket is not None:
            loop.add_reader(self._wake_up_socket, self._rung)
        for line in self._lines.values():
            await self._start(line)
        tasks = [loop.create_task(_go_on(work)) for work in (self._fetch, self._write, self._measure)]
        listening = loop.create_task(listen(Topic.MESSAGES, self._wake.set))
        stopping = loop.create_task(stop.wait())
        ready()
        try:
            await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    # A task that ended has failed: the process must not continue without it.
                    task.result()
        finally:
            stopping.cancel()
            listening.cancel()
            tasks[0].cancel()
            await asyncio.wait([listening, tasks[0]])
            if self._wake_up_socket is not None:
                loop.remove_reader(self._wake_up_socket)
            await self._stop_carrying()
            for task in tasks[1:]:
                task.cancel()
            while not self._results.is_empty:
                await self._settle()
            await self._ask(persistence.close)
            self._database.shutdown()

    async def _start(self, line: GatewayRoute) -> None:
        try:
            await line.gateway.start(self._results.reported)
        except Exception as error:  # noqa: BLE001  (a gateway that can't start must not affect the others)
            logger.error(
                "gateway not started",
                extra=log_event("messaging.gateway.start_failed", trouble=cause_of(error), gateway=line.route.name),
            )

    async def _stop_carrying(self) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=STOP_SECONDS)
        left = [item.outgoing.delivery_id for item in self._under_way.values()]
        for task in list(self._under_way):
            task.cancel()
        await asyncio.gather(*(line.gateway.stop() for line in self._lines.values()), return_exceptions=True)
        # A gateway may have accepted them: allow as much time for a receipt as during normal work.
        await self._ask(lambda: persistence.give_back(left, self._clock() + timedelta(seconds=UNSURE_SECONDS)))

    def _rung(self) -> None:
        assert self._wake_up_socket is not None
        try:
            while self._wake_up_socket.recv(16):
                self._wake.set()
        except BlockingIOError:
            return

    async def _ask[Answer](self, question: Callable[[], Answer]) -> Answer:
        # The caller may be cancelled; the query must be completed all the same.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._database, question))

    async def _fetch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            looked_at = time.monotonic()
            room = MAX_CONCURRENT - len(self._under_way)
            until, claimed = await self._claim(room) if room > 0 else (looked_at, [])
            for item in claimed:
                if self._is_in_hand(item.outgoing.delivery_id) or time.monotonic() >= until:
                    continue
                task = loop.create_task(self._carry(item, until=until))
                self._under_way[task] = item
                task.add_done_callback(self._carried)
            await asyncio.sleep(max(0, looked_at + GATHER_SECONDS - time.monotonic()))
            if len(claimed) < min(room, BATCH_SIZE) or room <= 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), POLL_SECONDS)

    async def _claim(self, room: int) -> tuple[float, list[LeasedMessage]]:
        """Lease messages, and return until when (monotonic) we may send them: the database may answer late."""
        claim = self._ask(lambda: (time.monotonic() + CARRY_SECONDS, persistence.claim(self._clock, room)))
        asking = asyncio.ensure_future(claim)
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            # We stop: release what was claimed in this moment, or it would be blocked until its lease ends.
            orphans = [item.outgoing.delivery_id for item in (await asking)[1]]
            await self._ask(partial(persistence.give_back, orphans, self._clock()))
            raise

    def _is_in_hand(self, delivery_id: UUID) -> bool:
        """Return whether a message is still being sent here, or its result is not stored yet."""
        carried = any(item.outgoing.delivery_id == delivery_id for item in self._under_way.values())
        return carried or self._results.holds(delivery_id)

    def _carried(self, task: asyncio.Task[None]) -> None:
        item = self._under_way.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # The message of the exception may hold a number; its type and the delivery id are enough to find the cause.
            logger.error(
                "delivery failed by an internal error",
                extra=log_event(
                    "messaging.delivery.error", trouble=cause_of(error), delivery=item.outgoing.delivery_id
                ),
            )
            self._give_up_or_wait(item, [DeliveryFailed(Result.FAILED, permanent=False)], gateway="")
        if len(self._under_way) >= MAX_CONCURRENT - 1:
            # All slots were in use, so more messages may be due.
            self._wake.set()

    async def _carry(self, item: LeasedMessage, *, until: float) -> None:
        outgoing = item.outgoing
        if outgoing.not_after is not None and outgoing.not_after <= self._clock():
            self._results.given_up(outgoing, Result.EXPIRED)
            return
        asked = ""
        failures: list[DeliveryFailed] = []
        try:
            async with asyncio.timeout_at(until):
                if self._sim_changed is not None and await self._sim_changed(item):
                    self._results.given_up(outgoing, Result.SIM_CHANGED)
                    return
                for line in self._order(item):
                    asked = line.route.name
                    try:
                        await self._hand(item, line)
                    except DeliveryFailed as failed:
                        failures.append(failed)
                        if failed.permanent or failed.maybe_taken:
                            break
                    else:
                        return
        except TimeoutError:
            failures.append(DeliveryFailed(Result.FAILED, permanent=False, maybe_taken=True))
            if asked:
                self._lines[asked].breaker.failed(time.monotonic())
                self._results.refused(outgoing, asked, Result.FAILED, country=item.country)
        if not asked:
            logger.warning(
                "no gateway available", extra=log_event("messaging.delivery.no_gateway", delivery=outgoing.delivery_id)
            )
        self._give_up_or_wait(item, failures or [DeliveryFailed(Result.FAILED, permanent=False)], gateway=asked)

    def _give_up_or_wait(self, item: LeasedMessage, failures: Sequence[DeliveryFailed], *, gateway: str) -> None:
        last = failures[-1]
        is_hopeless = last.permanent or all(failure.is_useless_again for failure in failures)
        usual = RETRIES.pause(item.tries)
        if is_hopeless or usual is None:
            self._results.given_up(item.outgoing, last.result, gateway=gateway)
            return
        pause = max(usual.total_seconds(), min(failure.retry_after_seconds for failure in failures))
        self._results.waits(item.outgoing, max(pause, UNSURE_SECONDS) if last.maybe_taken else pause)

    def _order(self, item: LeasedMessage) -> list[GatewayRoute]:
        def is_usable(name: str) -> bool:
            line = self._lines[name]
            return line.gateway.condition.is_up and line.breaker.allows(time.monotonic())

        measured = {
            name: self._measured.get((name, item.country), self._measured.get((name, ""), Measured()))
            for name in self._lines
        }
        routes = route_selection.order(
            [line.route for line in self._lines.values() if _may_carry(line, item)],
            channel=item.outgoing.channel,
            number=item.outgoing.number,
            is_usable=is_usable,
            measured=measured,
            random_source=random.random,
        )
        return [self._lines[route.name] for route in routes]

    async def _hand(self, item: LeasedMessage, line: GatewayRoute) -> None:
        """Submit a message to one gateway; raises DeliveryFailed."""
        outgoing, name = item.outgoing, line.route.name
        line.breaker.tries(time.monotonic())
        try:
            with span("message.send", gateway=name, channel=str(outgoing.channel)):
                handed = await line.gateway.send(outgoing)
        except Exception as error:  # noqa: BLE001  (a bug in one gateway must not lose the message)
            failure = error if isinstance(error, DeliveryFailed) else None
            if failure is None:
                # A bug of ours; its message may hold a number. The next gateway may succeed.
                logger.error(
                    "gateway failed by an internal error",
                    extra=log_event(
                        "messaging.gateway.error",
                        trouble=cause_of(error),
                        gateway=name,
                        delivery=outgoing.delivery_id,
                    ),
                )
                failure = DeliveryFailed(Result.FAILED, permanent=False)
            else:
                logger.info(
                    "delivery attempt failed: %s",
                    failure.result,
                    extra=log_event("messaging.delivery.failed", gateway=name, delivery=outgoing.delivery_id),
                )
            if failure.result is Result.FAILED and not failure.is_full:
                # A problem with the number is no fault of the gateway: bad numbers must not open its circuit breaker.
                line.breaker.failed(time.monotonic())
            DELIVERY_ATTEMPTS.labels(outgoing.channel, name, failure.result).inc()
            self._results.refused(outgoing, name, failure.result, country=item.country)
            raise failure from None
        line.breaker.succeeded()
        DELIVERY_ATTEMPTS.labels(outgoing.channel, name, "taken").inc()
        line.carried_today += 1
        price, spoken = line.route.price_micros(item.country), line.gateway.fetches_voice_script
        self._results.handed(outgoing, name, handed, country=item.country, price=price, spoken=spoken)

    async def _write(self) -> None:
        """Write results; all that gather during one write go into the next transaction."""
        while True:
            await self._results.dirty.wait()
            self._results.dirty.clear()
            await self._settle()
            await asyncio.sleep(GATHER_SECONDS)

    async def _settle(self) -> None:
        now = self._clock()
        batch = self._results.take(now)
        await self._ask(lambda: persistence.write(batch, self._decided, now))
        self._results.written(batch)

    async def _measure(self) -> None:
        """Refresh the delivery statistics of the gateways now and then, and store their conditions."""
        while True:
            seen = await self._ask(partial(persistence.measure, list(self._lines), self._clock()))
            self._measured = seen.measured
            for name, carried in seen.carried_today.items():
                self._lines[name].carried_today = carried
            states = {name: (line.gateway.condition, line.breaker.is_closed) for name, line in self._lines.items()}
            await self._ask(partial(persistence.note_states, states, self._clock()))
            await self._until_something_changes({name: condition for name, (condition, _closed) in states.items()})

    async def _until_something_changes(self, before: Mapping[str, Condition]) -> None:
        deadline = time.monotonic() + MEASURE_SECONDS
        while time.monotonic() < deadline:
            await asyncio.sleep(0.25)
            if any(self._lines[name].gateway.condition != condition for name, condition in before.items()):
                return


async def _go_on(work: Callable[[], Awaitable[None]]) -> None:
    """Run one task for ever; an exception is logged and followed by a pause, and never ends the process."""
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001  (the other tasks and messages must continue)
            logger.error(
                "messaging task failed, restart in %d s",
                RETRY_SECONDS,
                extra=log_event("messaging.worker.error", trouble=cause_of(error)),
            )
            await asyncio.sleep(RETRY_SECONDS)


def _may_carry(line: GatewayRoute, item: LeasedMessage) -> bool:
    if item.outgoing.gateway not in {"", line.route.name}:
        return False
    return item.is_urgent or line.route.each_day is None or line.carried_today < line.route.each_day
