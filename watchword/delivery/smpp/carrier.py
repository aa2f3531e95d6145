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

# SMPP 3.4 section 5.1.3.
_NO_SUCH_NUMBER = frozenset({0x0B})
_REFUSES_US = ("ESME_RINVPASWD", "ESME_RINVSYSID", "ESME_RBINDFAIL", "ESME_RINVSYSTYP")


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
        if self._keeper is not None:
            self._keeper.cancel()
        smsc, self._smsc = self._smsc, None
        if smsc is not None:
            try:
                await asyncio.wait_for(smsc.unbind(), 1)
            except (TimeoutError, OSError, RuntimeError, smpp34.SmppError):
                logger.info("%s did not answer the unbind", self.name)

    async def send(self, outgoing: Outgoing) -> Handed:
        """Submit a text and wait until the SMSC has accepted it; raises DeliveryFailed."""
        if not self._bound.is_set():
            try:
                await asyncio.wait_for(self._bound.wait(), BOUND_SECONDS)
            except TimeoutError:
                raise DeliveryFailed(Result.FAILED, permanent=False) from None
        segments = segments_of(texts.text_of(outgoing), self._wishes.alphabet, reference=next(self._references))
        async with self._window:
            references = [await self._submit(outgoing, segment) for segment in segments]
        return Handed(references[0])

    async def _submit(self, outgoing: Outgoing, segment: Segment) -> str:
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
            raise DeliveryFailed(Result.FAILED, permanent=False, maybe_taken=True) from None
        except (OSError, RuntimeError, smpp34.SmppError) as error:
            logger.info("%s: a submission ended with %s", self.name, type(error).__name__)
            raise DeliveryFailed(Result.FAILED, permanent=False, maybe_taken=True) from None
        if answer.is_success:
            return comparable(answer.message_id or "", self._wishes.ids, is_receipt=False)
        if answer.command_status in _NO_SUCH_NUMBER:
            raise DeliveryFailed(Result.BAD_NUMBER, permanent=True)
        logger.info("%s refused a submission with status %#010x", self.name, answer.command_status)
        raise DeliveryFailed(Result.FAILED, permanent=False)

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
                smsc = await asyncio.wait_for(client.connect(), CONNECT_SECONDS)
            except (TimeoutError, OSError, RuntimeError, smpp34.SmppError) as error:
                self._note_down(error)
            else:
                self._smsc = smsc
                self._condition = Condition(is_up=True)
                self._bound.set()
                logger.info("%s is bound", self.name)
                pause = FIRST_PAUSE_SECONDS
                await self._listen(client, smsc)
                self._smsc = None
                self._bound.clear()
                self._condition = Condition(is_up=False, words="the connection was lost")
                logger.warning("%s: the connection was lost", self.name)
            await self._let_go(client)
            # Many nodes that lost the same carrier must not all come back in the same moment.
            await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _note_down(self, error: Exception) -> None:
        is_refused = any(word in str(error) for word in _REFUSES_US)
        words = "the carrier refuses the user name or password" if is_refused else "no connection"
        if self._condition.words != words:
            logger.warning("%s: %s (%s)", self.name, words, type(error).__name__)
        self._condition = Condition(is_up=False, words=words)

    async def _listen(self, client: smpp34.Client, smsc: smpp34.Smsc) -> None:
        """Take receipts until the link is gone."""
        coming = asyncio.ensure_future(smsc.next())
        try:
            while True:
                done, _ = await asyncio.wait({coming}, timeout=LOOK_SECONDS)
                if not done:
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
