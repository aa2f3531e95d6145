"""Send texts through an SMSC: one transceiver bind held open, a window of submissions, and delivery receipts."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import ssl
from collections.abc import Callable
from datetime import UTC, datetime

from watchword.core.log_events import log_event
from watchword.core.policy import Channel
from watchword.messaging.content import sms
from watchword.messaging.gateway import Condition, DeliveryFailed, Outgoing, Report, Result, Submitted
from watchword.messaging.gateways.smpp import pdu
from watchword.messaging.gateways.smpp.config import SmppConfig
from watchword.messaging.gateways.smpp.encoding import Segment, e164_of, receipt_of, segments_of, validity
from watchword.messaging.gateways.smpp.error_codes import bind_words, submission_words
from watchword.messaging.gateways.smpp.pdu import Command, Delivered, Status, SubmitSm
from watchword.messaging.gateways.smpp.session import BindRejected, ConnectionLostError, SmppSession
from watchword.messaging.gateways.smpp.trace import SmppTrace

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
CONNECT_SECONDS = 10.0
BOUND_SECONDS = 3.0
"""How long a message waits for a bind in progress."""
ANSWER_SECONDS = 5.0
UNANSWERED_UNTIL_DEAD = 3
"""Consecutive submissions without a response after which we reconnect, even if the connection looks alive."""
QUIET_SECONDS = 60.0
"""After this much silence one unanswered submission is enough: firewalls drop idle connections."""
FIRST_HOLD_SECONDS = 0.25
LONGEST_HOLD_SECONDS = 4.0
FULL_SECONDS = 8.0
"""How long one text waits for an SMSC that throttles us, before another gateway is tried."""

_SLOW_DOWN = frozenset({Status.QUEUE_FULL, Status.THROTTLED})
"""Statuses of an SMSC that works, but can't take more just now."""


class SmppGateway:
    """A gateway for one SMSC."""

    channels = frozenset({Channel.SMS})
    fetches_voice_script = False

    def __init__(
        self, name: str, config: SmppConfig, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.name = name
        self._config = config
        self._clock = clock
        self._smsc: SmppSession | None = None
        self._bound = asyncio.Event()
        self._window = asyncio.Semaphore(config.window_size)
        self._condition = Condition(is_up=False, words="connecting")
        self._report: Callable[[Report], None] = lambda _report: None
        self._bind_task: asyncio.Task[None] | None = None
        self._references = itertools.count(random.randrange(256))  # noqa: S311  (a reference number, not a secret)
        self._unanswered = 0
        self._heard_at = 0.0
        self._dead = asyncio.Event()
        self._is_leaving = False
        self._hold_seconds = 0.0
        self._paused_until = 0.0

    @property
    def condition(self) -> Condition:
        """Return whether we are bound, or why not."""
        return self._condition

    async def start(self, report: Callable[[Report], None]) -> None:
        """Bind, and bind again whenever the connection is lost."""
        self._report = report
        self._bind_task = asyncio.get_running_loop().create_task(self._keep())

    async def stop(self) -> None:
        """Unbind."""
        self._is_leaving = True
        smsc, self._smsc = self._smsc, None
        if smsc is not None:
            try:
                await asyncio.wait_for(smsc.unbind(), 1)
            except (TimeoutError, ConnectionLostError):
                logger.info(
                    "unbind not answered", extra=log_event("messaging.smpp.unbind_unanswered", gateway=self.name)
                )
        if self._bind_task is not None:
            self._bind_task.cancel()
            await asyncio.gather(self._bind_task, return_exceptions=True)
        self._condition = Condition(is_up=False, words="stopped")

    async def send(self, outgoing: Outgoing) -> Submitted:
        """Submit a text and wait until the SMSC has accepted it; raises DeliveryFailed."""
        if not self._bound.is_set():
            try:
                await asyncio.wait_for(self._bound.wait(), BOUND_SECONDS)
            except TimeoutError:
                raise DeliveryFailed(Result.FAILED, permanent=False) from None
        segments = segments_of(sms.text_of(outgoing), self._config.alphabet, reference=next(self._references))
        try:
            await asyncio.wait_for(self._window.acquire(), FULL_SECONDS)
        except TimeoutError:
            # Nothing was sent yet: another gateway may take this message.
            raise DeliveryFailed(Result.FAILED, permanent=False, is_full=True) from None
        try:
            references = [await self._submit(outgoing, segment) for segment in segments]
        finally:
            self._window.release()
        return Submitted(references[0])

    async def _submit(self, outgoing: Outgoing, segment: Segment) -> str:
        """Submit one segment, more slowly where the SMSC throttles us."""
        clock = asyncio.get_running_loop().time
        give_up_at = clock() + FULL_SECONDS
        while True:
            while (left := self._paused_until - clock()) > 0:  # noqa: ASYNC110  (another submission may extend the pause)
                await asyncio.sleep(left)
            status, body = await self._ask(outgoing, segment)
            if status == Status.OK:
                self._hold_seconds = 0.0
                self._say("")
                return pdu.message_id_of(body)
            if status == Status.INVALID_DESTINATION:
                raise DeliveryFailed(Result.BAD_NUMBER, permanent=True)
            if status not in _SLOW_DOWN:
                # The operator has to solve most of these problems, so *Phone delivery* shows the reason.
                self._say(submission_words(status, self._config))
                logger.warning(
                    "submit_sm rejected with status %#010x",
                    status,
                    extra=log_event("messaging.smpp.submit_rejected", gateway=self.name, delivery=outgoing.delivery_id),
                )
                raise DeliveryFailed(Result.FAILED, permanent=False, is_useless_again=True)
            self._hold(clock())
            if self._paused_until > give_up_at:
                raise DeliveryFailed(Result.FAILED, permanent=False, is_full=True)

    def _say(self, words: str) -> None:
        """Report a problem of a connection that is up."""
        if self._condition.is_up and self._condition.words != words:
            self._condition = Condition(is_up=True, words=words)

    def _hold(self, now: float) -> None:
        """Pause all submissions, longer each time; rejections of submissions that were already sent count as one."""
        if now >= self._paused_until:
            self._hold_seconds = min(max(self._hold_seconds * 2, FIRST_HOLD_SECONDS), LONGEST_HOLD_SECONDS)
            self._paused_until = now + self._hold_seconds
            logger.info(
                "throttled by the SMSC: no submit_sm for %.2f s",
                self._hold_seconds,
                extra=log_event("messaging.smpp.throttled", gateway=self.name),
            )

    async def _ask(self, outgoing: Outgoing, segment: Segment) -> tuple[int, bytes]:
        """Submit one segment and return status and body of the response; raises DeliveryFailed."""
        smsc = self._smsc
        if smsc is None:
            raise DeliveryFailed(Result.FAILED, permanent=False)
        submission = SubmitSm(
            source=self._config.source,
            destination=outgoing.number.removeprefix("+"),
            short_message=segment.octets,
            esm_class=segment.esm_class,
            data_coding=segment.data_coding,
            validity_period=validity(outgoing.not_after, self._clock(), self._config.validity),
        )
        try:
            asking = smsc.ask(Command.SUBMIT_SM, submission.body(), delivery=outgoing.delivery_id)
            answer = await asyncio.wait_for(asking, ANSWER_SECONDS)
        except TimeoutError:
            self._unanswered += 1
            silence = asyncio.get_running_loop().time() - self._heard_at
            if self._unanswered >= UNANSWERED_UNTIL_DEAD or silence > QUIET_SECONDS:
                self._dead.set()
            raise DeliveryFailed(Result.FAILED, permanent=False, maybe_taken=True) from None
        except ConnectionLostError as lost:
            logger.info(
                "submit_sm unanswered: connection lost",
                extra=log_event("messaging.smpp.submit_unanswered", gateway=self.name, delivery=outgoing.delivery_id),
            )
            raise DeliveryFailed(Result.FAILED, permanent=False, maybe_taken=lost.was_sent) from None
        self._unanswered = 0
        self._heard_at = asyncio.get_running_loop().time()
        return answer

    async def _keep(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                smsc = await self._bind()
            except (BindRejected, ConnectionLostError, OSError, UnicodeError) as error:
                self._note_down(error)
            else:
                try:
                    self._smsc = smsc
                    self._unanswered = 0
                    self._heard_at = asyncio.get_running_loop().time()
                    self._dead.clear()
                    self._condition = Condition(is_up=True)
                    self._bound.set()
                    logger.info("bound as transceiver", extra=log_event("messaging.smpp.bound", gateway=self.name))
                    pause = FIRST_PAUSE_SECONDS
                    await self._until_gone(smsc)
                finally:
                    self._smsc = None
                    self._bound.clear()
                    await smsc.close()
                if self._is_leaving:
                    return
                self._condition = Condition(is_up=False, words="the connection was lost")
                logger.warning("connection lost", extra=log_event("messaging.smpp.lost", gateway=self.name))
            # Jitter: many nodes that lost the same SMSC must not all reconnect at the same moment.
            await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311  (nothing secret)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _bind(self) -> SmppSession:
        config = self._config
        # Loaded anew for each bind: an authority may have been added since.
        tls = ssl.create_default_context(cafile=config.ca_file) if config.tls else None
        return await SmppSession.open(
            (config.host, config.port),
            tls=tls,
            bind=pdu.bind_body(config.system_id, config.password, config.system_type),
            deliver=self._take,
            seconds=CONNECT_SECONDS,
            trace=SmppTrace(self.name, is_on=config.trace),
        )

    def _note_down(self, error: Exception) -> None:
        words = bind_words(error)
        if self._condition.words != words:
            trouble = type(error).__name__
            logger.warning(
                "bind failed: %s",
                words,
                extra=log_event("messaging.smpp.bind_failed", trouble=trouble, gateway=self.name),
            )
        self._condition = Condition(is_up=False, words=words)

    async def _until_gone(self, smsc: SmppSession) -> None:
        """Wait until the connection is closed, or no longer answered."""
        waits = [asyncio.ensure_future(event.wait()) for event in (smsc.closed, self._dead)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if self._dead.is_set():
                logger.warning("SMSC unresponsive", extra=log_event("messaging.smpp.unresponsive", gateway=self.name))
        finally:
            for waiting in waits:
                waiting.cancel()

    def _take(self, delivered: Delivered) -> None:
        receipt = receipt_of(delivered)
        if receipt is not None:
            reference, *others = receipt.ids
            self._report(
                Report(
                    self.name,
                    reference,
                    receipt.result,
                    other_references=tuple(others),
                    number=e164_of(delivered.source),
                    is_certain=receipt.is_marked,
                    is_spelled_freely=True,
                )
            )
