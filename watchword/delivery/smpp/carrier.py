"""Texts by an SMSC: one transceiver bind that is kept open, a window of submissions, receipts as they come."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime

import smpp34

from watchword.core.policy import Way
from watchword.delivery import texts
from watchword.delivery.channel import Condition, DeliveryFailed, Handed, Outgoing, Report, Result
from watchword.delivery.smpp.messages import Segment, comparable, receipt_of, segments_of, validity
from watchword.delivery.smpp.wishes import SmppWishes

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
CONNECT_SECONDS = 10.0
BOUND_SECONDS = 3.0
"""How long a message waits for a bind that is being made."""
ANSWER_SECONDS = 5.0
LOOK_SECONDS = 5.0
"""How often a link on which nothing comes is asked whether it is alive."""
UNANSWERED_UNTIL_DEAD = 3
"""So many submissions in a row without an answer, and the link is made anew whatever the system says of it."""
QUIET_SECONDS = 60.0
"""After so long a silence one of them is enough: firewalls forget links on which nothing goes."""
FIRST_HOLD_SECONDS = 0.25
LONGEST_HOLD_SECONDS = 4.0
FULL_SECONDS = 8.0
"""How long one text waits for a carrier that asks us to slow down, before another carrier is asked."""

# SMPP 3.4 section 5.1.3.
_NO_SUCH_NUMBER = frozenset({0x0B})
_SLOW_DOWN = frozenset({0x14, 0x58})
"""ESME_RMSGQFUL and ESME_RTHROTTLED: it works, and can't take more just now."""
_TROUBLES = (
    # smpp34 waits in vain for a bind that was refused, whatever the reason.
    ("bind timed out", "the carrier does not accept the user name and password, or does not answer"),
    ("certificate", "the certificate of the carrier is not trusted"),
    ("TLS", "the carrier does not speak TLS"),
)
"""What smpp34 says of a bind that failed, and what we say."""


class SmppCarrier:
    """One SMSC."""

    ways = frozenset({Way.TEXT})
    asks_what_to_say = False

    def __init__(
        self, name: str, wishes: SmppWishes, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.name = name
        self._wishes = wishes
        self._clock = clock
        self._smsc: smpp34.Smsc | None = None
        self._bound = asyncio.Event()
        self._window = asyncio.Semaphore(wishes.window_size)
        self._condition = Condition(is_up=False, words="connecting")
        self._report: Callable[[Report], None] = lambda _report: None
        self._keeper: asyncio.Task[None] | None = None
        self._references = itertools.count(random.randrange(256))  # noqa: S311  (a mark, not a secret)
        self._unanswered = 0
        self._heard_at = 0.0
        self._dead = asyncio.Event()
        self._is_leaving = False
        self._hold_seconds = 0.0
        self._held_until = 0.0

    @property
    def condition(self) -> Condition:
        """Whether we are bound, or why not."""
        return self._condition

    async def start(self, report: Callable[[Report], None]) -> None:
        """Bind, and bind again whenever the link is lost."""
        self._report = report
        self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def stop(self) -> None:
        """Unbind."""
        self._is_leaving = True
        smsc, self._smsc = self._smsc, None
        if smsc is not None:
            try:
                await asyncio.wait_for(smsc.unbind(), 1)
            except (TimeoutError, OSError, RuntimeError, smpp34.SmppError):
                logger.info("%s did not answer the unbind", self.name)
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self._condition = Condition(is_up=False, words="stopped")

    async def send(self, outgoing: Outgoing) -> Handed:
        """Submit a text and wait until the SMSC has accepted it; raises DeliveryFailed."""
        if not self._bound.is_set():
            try:
                await asyncio.wait_for(self._bound.wait(), BOUND_SECONDS)
            except TimeoutError:
                raise DeliveryFailed(Result.FAILED, permanent=False) from None
        segments = segments_of(texts.text_of(outgoing), self._wishes.alphabet, reference=next(self._references))
        try:
            await asyncio.wait_for(self._window.acquire(), FULL_SECONDS)
        except TimeoutError:
            # Nothing was said to it yet: another carrier may have this one.
            raise DeliveryFailed(Result.FAILED, permanent=False, is_full=True) from None
        try:
            references = [await self._submit(outgoing, segment) for segment in segments]
        finally:
            self._window.release()
        return Handed(references[0])

    async def _submit(self, outgoing: Outgoing, segment: Segment) -> str:
        """Submit one segment, slower where the SMSC asks for that."""
        clock = asyncio.get_running_loop().time
        give_up_at = clock() + FULL_SECONDS
        while True:
            while (left := self._held_until - clock()) > 0:  # noqa: ASYNC110  (another may hold it longer meanwhile)
                await asyncio.sleep(left)
            answer = await self._ask(outgoing, segment)
            if answer.is_success:
                self._hold_seconds = 0.0
                return comparable(answer.message_id or "", self._wishes.ids, is_receipt=False)
            if answer.command_status in _NO_SUCH_NUMBER:
                raise DeliveryFailed(Result.BAD_NUMBER, permanent=True)
            if answer.command_status not in _SLOW_DOWN:
                logger.info("%s refused a submission with status %#010x", self.name, answer.command_status)
                raise DeliveryFailed(Result.FAILED, permanent=False)
            self._hold(clock())
            if self._held_until > give_up_at:
                raise DeliveryFailed(Result.FAILED, permanent=False, is_full=True)

    def _hold(self, now: float) -> None:
        """Let all submissions wait for a moment, for longer each time; those that were under way count as one."""
        if now >= self._held_until:
            self._hold_seconds = min(max(self._hold_seconds * 2, FIRST_HOLD_SECONDS), LONGEST_HOLD_SECONDS)
            self._held_until = now + self._hold_seconds
            logger.info("%s asks us to slow down: nothing for %.2f seconds", self.name, self._hold_seconds)

    async def _ask(self, outgoing: Outgoing, segment: Segment) -> smpp34.SubmitSmResp:
        smsc = self._smsc
        if smsc is None:
            raise DeliveryFailed(Result.FAILED, permanent=False)
        ton, npi, source = self._wishes.source
        try:
            answer = await asyncio.wait_for(
                smsc.submit_sm(
                    outgoing.number.removeprefix("+"),
                    segment.octets,
                    source_addr=source,
                    source_addr_ton=ton,
                    source_addr_npi=npi,
                    dest_addr_ton=1,
                    dest_addr_npi=1,
                    esm_class=segment.esm_class,
                    validity_period=validity(outgoing.not_after, self._clock()),
                    registered_delivery=1,
                    data_coding=segment.data_coding,
                ),
                ANSWER_SECONDS,
            )
        except TimeoutError:
            self._unanswered += 1
            silence = asyncio.get_running_loop().time() - self._heard_at
            if self._unanswered >= UNANSWERED_UNTIL_DEAD or silence > QUIET_SECONDS:
                self._dead.set()
            raise DeliveryFailed(Result.FAILED, permanent=False, maybe_taken=True) from None
        except (OSError, RuntimeError, smpp34.SmppError) as error:
            logger.info("%s: a submission ended with %s", self.name, type(error).__name__)
            raise DeliveryFailed(Result.FAILED, permanent=False, maybe_taken=True) from None
        self._unanswered = 0
        self._heard_at = asyncio.get_running_loop().time()
        return answer

    async def _keep(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            client = smpp34.Client(
                host=self._wishes.host,
                port=self._wishes.port,
                system_id=self._wishes.system_id,
                password=self._wishes.password,
                bind_type="TRX",
                system_type=self._wishes.system_type,
                tls=self._wishes.tls,
                window_size=self._wishes.window_size,
                connect_timeout_ms=int(CONNECT_SECONDS * 1000),
            )
            try:
                # smpp34 counts by itself, and then says more than that the time is over.
                smsc = await asyncio.wait_for(client.connect(), CONNECT_SECONDS + 1)
                self._smsc = smsc
                self._unanswered = 0
                self._heard_at = asyncio.get_running_loop().time()
                self._dead.clear()
                self._condition = Condition(is_up=True)
                self._bound.set()
                logger.info("%s is bound", self.name)
                pause = FIRST_PAUSE_SECONDS
                await self._listen(client, smsc)
                if self._is_leaving:
                    return
                self._condition = Condition(is_up=False, words="the connection was lost")
                logger.warning("%s: the connection was lost", self.name)
            except (TimeoutError, OSError, RuntimeError, smpp34.SmppError) as error:
                self._note_down(error)
            finally:
                self._smsc = None
                self._bound.clear()
                await self._let_go(client)
            # Many nodes that lost the same carrier must not all come back in the same moment.
            await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _note_down(self, error: Exception) -> None:
        words = next((ours for theirs, ours in _TROUBLES if theirs in str(error)), "no connection")
        if self._condition.words != words:
            logger.warning("%s: %s (%s)", self.name, words, type(error).__name__)
        self._condition = Condition(is_up=False, words=words)

    async def _listen(self, client: smpp34.Client, smsc: smpp34.Smsc) -> None:
        """Take receipts until the link is gone."""
        coming = asyncio.ensure_future(smsc.next())
        dead = asyncio.ensure_future(self._dead.wait())
        try:
            while True:
                await asyncio.wait({coming, dead}, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if dead.done():
                    logger.warning("%s answers nothing any more", self.name)
                    return
                if not coming.done():
                    if not await client.is_alive():
                        return
                    continue
                event = coming.result()
                if isinstance(event, smpp34.Disconnected):
                    return
                if isinstance(event, smpp34.DeliverSmEvent):
                    self._take(event)
                coming = asyncio.ensure_future(smsc.next())
        except (OSError, RuntimeError, smpp34.SmppError):
            return
        finally:
            coming.cancel()
            dead.cancel()

    def _take(self, event: smpp34.DeliverSmEvent) -> None:
        tags = {tag.tag: bytes(tag.value) for tag in event.tlvs}
        receipt = receipt_of(event.esm_class, bytes(event.short_message), tags, self._wishes.ids)
        if receipt is not None:
            reference, result = receipt
            self._report(Report(self.name, reference, result))

    async def _let_go(self, client: smpp34.Client) -> None:
        try:
            await asyncio.wait_for(client.stop(), 1)
        except (TimeoutError, OSError, RuntimeError, smpp34.SmppError):
            logger.debug("%s: the old connection would not end", self.name)
