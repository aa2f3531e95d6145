"""Place voice calls through a PBX: dial, run the IVR, and map how the call ends to a delivery result."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aiosipua import IncomingCall, OutgoingCall, SdpNegotiationError

from watchword.audit.retries import cause_of
from watchword.core.log_events import log_event
from watchword.core.policy import Channel
from watchword.messaging.gateway import Condition, DeliveryFailed, Outgoing, Report, Result, Submitted
from watchword.messaging.gateways.sip import rtp_ports
from watchword.messaging.gateways.sip.call_flow import CallFlow
from watchword.messaging.gateways.sip.config import SipConfig
from watchword.messaging.gateways.sip.media import NoCommonSound, NoKeys, RtpSession
from watchword.messaging.gateways.sip.registration import SipRegistration
from watchword.messaging.gateways.sip.trace import SipTrace
from watchword.messaging.voice import tts
from watchword.messaging.voice.prompts import Prompts, problems_of

logger = logging.getLogger(__name__)

UP_SECONDS = 3.0
"""How long a call waits for the connection to the PBX to come up."""
FREE_SECONDS = 5.0
"""How long a call waits for another one to end when all channels are in use."""
FIRST_SIGN_SECONDS = 8.0
"""A call that got a provisional response but no ringing counts as submitted after this time."""
CALL_SECONDS = 150.0
"""Maximum length of an answered call, whatever keys are pressed."""

RETRY_SECONDS = 600.0
"""How long the gateway reports a problem with calls, and other gateways are preferred, after a call was refused or
could not be spoken in."""
NO_KEYS = (
    "calls are answered without telephone events (RFC 4733), so that nobody could press a key; switch them on, or say"
    ' keys = "info" where the telephone system sends keys by SIP INFO'
)

# RFC 3261 section 21, RFC 3398 (403: a PSTN gateway's status for a rejected call), RFC 8197 (607), RFC 8688 (608).
_BY_STATUS = {
    403: Result.BLOCKED,
    404: Result.BAD_NUMBER,
    408: Result.UNREACHABLE,
    410: Result.BAD_NUMBER,
    480: Result.UNREACHABLE,
    484: Result.BAD_NUMBER,
    486: Result.BUSY,
    487: Result.NO_ANSWER,
    600: Result.BUSY,
    603: Result.DECLINED,
    604: Result.BAD_NUMBER,
    607: Result.DECLINED,
    608: Result.BLOCKED,
}
_USELESS_AGAIN = frozenset({*range(300, 400), 401, 402, 403, 407, 415, 416, 420, 421, 488, 493, 505, 513, 606})
"""A retry in half a minute gets the same status: the PBX rejects our request itself, or its target URI."""
_AFTER_RINGING = {**_BY_STATUS, 403: Result.DECLINED, 408: Result.NO_ANSWER}


@dataclass(eq=False)
class _Ringing:
    """One call in progress."""

    outgoing: Outgoing
    taken: asyncio.Future[Submitted]
    report: Callable[[Result], None]
    line: RtpSession
    sip: OutgoingCall | None = field(default=None, repr=False)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    rings: asyncio.Event = field(default_factory=asyncio.Event)


class SipGateway:
    """A gateway for one PBX or trunk."""

    channels = frozenset({Channel.VOICE})
    fetches_voice_script = False

    def __init__(
        self, name: str, config: SipConfig, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.name = name
        self._config = config
        self._clock = clock
        self._prompts = Prompts(config.recordings)
        trace = SipTrace(name, is_on=config.trace)
        trace.delivery_of = self._delivery_of
        self._registration = SipRegistration(name, config, moved=self._move, pressed=self._press, trace=trace)
        self._registration_task: asyncio.Task[None] | None = None
        self._report: Callable[[Report], None] = lambda _report: None
        self._free = asyncio.Semaphore(config.calls_at_once)
        self._calls: dict[str, _Ringing] = {}
        self._dialled: UUID | None = None
        """The delivery whose INVITE is being sent, before its Call-ID is known here."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._trouble = ""
        self._call_trouble = ""
        self._call_trouble_until = 0.0

    @property
    def condition(self) -> Condition:
        """Return whether calls can be placed, or why not."""
        if self._trouble:
            return Condition(is_up=False, words=self._trouble)
        condition = self._registration.condition
        if condition.is_up and self._call_trouble and time.monotonic() < self._call_trouble_until:
            return Condition(is_up=False, words=self._call_trouble)
        if condition.is_up and len(self._tasks) >= self._config.calls_at_once:
            return Condition(is_up=True, words="every line is in use")
        return condition

    async def start(self, report: Callable[[Report], None]) -> None:
        """Connect to the PBX, and reconnect whenever the connection is lost."""
        self._report = report
        problems = await asyncio.to_thread(problems_of, self._config.recordings)
        if problems:
            logger.warning(
                "voice prompts not usable: %s",
                "; ".join(problems),
                extra=log_event("messaging.sip.prompts_failed", gateway=self.name),
            )
        if not tts.is_available() and self._config.recordings is None:
            self._trouble = problems[0]
        self._registration_task = asyncio.get_running_loop().create_task(self._registration.keep(self._was_hung_up))

    async def stop(self) -> None:
        """Hang up all calls and disconnect."""
        for ringing in list(self._calls.values()):
            if self._registration.agent is not None and ringing.sip is not None:
                self._registration.agent.give_up(ringing.sip)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2)
        if self._registration_task is not None:
            self._registration_task.cancel()
        await self._registration.close()

    async def send(self, outgoing: Outgoing) -> Submitted:
        """Dial, and return when the telephone rings; later results are sent as reports. Raises DeliveryFailed."""
        if not self._registration.is_up.is_set():
            try:
                await asyncio.wait_for(self._registration.is_up.wait(), UP_SECONDS)
            except TimeoutError:
                raise DeliveryFailed(Result.FAILED, permanent=False) from None
        try:
            await asyncio.wait_for(self._free.acquire(), FREE_SECONDS)
        except TimeoutError:
            raise DeliveryFailed(Result.FAILED, permanent=False, is_full=True) from None
        loop = asyncio.get_running_loop()
        taken: asyncio.Future[Submitted] = loop.create_future()
        # The caller may have been cancelled: then asyncio must not warn that the exception was never retrieved.
        taken.add_done_callback(lambda future: future.exception())
        task = loop.create_task(self._lead(outgoing, taken))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _task: self._free.release())
        return await asyncio.shield(taken)

    async def _lead(self, outgoing: Outgoing, taken: asyncio.Future[Submitted]) -> None:
        config = self._config
        pair = rtp_ports.reserve(self._registration.local_host, config.first_rtp_port, config.last_rtp_port)
        if pair is None:
            taken.set_exception(DeliveryFailed(Result.FAILED, permanent=False, is_full=True))
            return
        line = RtpSession(self._registration.told_host, pair)
        ringing = _Ringing(outgoing, taken, lambda result: self._tell(ringing, result), line)
        try:
            await self._call(ringing)
        except asyncio.CancelledError:
            # We stop: a call that was not answered goes back to the outbox, an answered one is over.
            self._settle(ringing, Result.FAILED, permanent=False)
            raise
        except Exception as error:  # noqa: BLE001  (one failed call must not affect others, nor go unreported)
            logger.error(
                "call failed",
                extra=log_event(
                    "messaging.sip.call_error",
                    trouble=cause_of(error),
                    gateway=self.name,
                    delivery=outgoing.delivery_id,
                ),
            )
            self._settle(ringing, Result.FAILED, permanent=False)
        finally:
            if ringing.sip is not None:
                self._calls.pop(ringing.sip.call_id, None)
                if self._registration.agent is not None:
                    self._registration.agent.give_up(ringing.sip)
            await line.close()

    async def _call(self, ringing: _Ringing) -> None:
        agent, config = self._registration.agent, self._config
        assert agent is not None
        conversation = CallFlow(ringing.outgoing, ringing.line, self._prompts, ringing.report)
        preparing = asyncio.create_task(conversation.prepare())
        try:
            number = config.dial.replace("{digits}", ringing.outgoing.number.removeprefix("+"))
            caller = config.caller_id or config.user
            self._dialled = ringing.outgoing.delivery_id
            try:
                sip = agent.dial(f"sip:{caller}@{config.realm}", f"sip:{number}@{config.realm}", ringing.line.offer())
            finally:
                self._dialled = None
            ringing.sip = sip
            self._calls[sip.call_id] = ringing
            sip.on_ringing = lambda _call: self._rings(ringing)
            if not await self._is_answered(ringing, sip):
                return
            try:
                # Open the media session first: the PBX may send a re-INVITE at any moment.
                await ringing.line.open(sip.sdp_answer, config.keys)
                self._note_call_trouble("")
                self._rings(ringing)
                # Synthesis must not take CPU time from a running RTP stream.
                await preparing
                ringing.line.start()
                await self._talk(ringing, conversation)
            except (NoCommonSound, tts.NoSpeech) as trouble:
                logger.warning(
                    "call failed: %s",
                    trouble,
                    extra=log_event(
                        "messaging.sip.call_failed", gateway=self.name, delivery=ringing.outgoing.delivery_id
                    ),
                )
                if isinstance(trouble, NoKeys):
                    self._note_call_trouble(NO_KEYS)
                # A call that was answered without ringing may still be placed by another gateway.
                self._settle(ringing, Result.FAILED, permanent=False, is_useless_again=True)
        finally:
            preparing.cancel()
            with suppress(asyncio.CancelledError, tts.NoSpeech):
                await preparing

    async def _is_answered(self, ringing: _Ringing, sip: OutgoingCall) -> bool:
        """Wait for an answer; otherwise settle the call with its result, and return False."""
        agent = self._registration.agent
        assert agent is not None
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[int] = loop.create_future()

        def say(status: int) -> None:
            if not answered.done():
                answered.set_result(status)

        sip.on_answer = lambda _call: say(200)
        sip.on_rejected = lambda _call, status, _reason: say(status)
        sign = loop.call_later(FIRST_SIGN_SECONDS, self._note_sign, ringing, sip, say)
        try:
            status = await asyncio.wait_for(answered, self._rings_for(ringing.outgoing))
        except TimeoutError:
            agent.give_up(sip)
            self._settle(ringing, Result.NO_ANSWER, permanent=True)
            return False
        finally:
            sign.cancel()
        if status == 200:
            return True
        # The status tells the operator why calls fail; the reason phrase is not logged, it may hold the called number.
        logger.info(
            "call ended with SIP %d",
            status,
            extra=log_event(
                "messaging.sip.call_ended",
                gateway=self.name,
                delivery=ringing.outgoing.delivery_id,
                call_id=sip.call_id,
            ),
        )
        if status in {401, 407}:
            self._note_call_trouble(agent.refusal)
            self._registration.note_refused()
        result = (_AFTER_RINGING if ringing.rings.is_set() else _BY_STATUS).get(status)
        # A number that one PBX may not call may be allowed at another one.
        is_permanent = result not in {None, Result.BLOCKED}
        self._settle(
            ringing,
            result or Result.FAILED,
            permanent=is_permanent,
            maybe_taken=status == 0,
            is_useless_again=status in _USELESS_AGAIN,
            retry_after_seconds=agent.retry_after(sip),
        )
        return False

    def _note_call_trouble(self, words: str) -> None:
        """Report a problem with calls although the PBX is reachable, until a call succeeds or the report expires."""
        self._call_trouble, self._call_trouble_until = words, time.monotonic() + RETRY_SECONDS

    def _rings_for(self, outgoing: Outgoing) -> float:
        if outgoing.not_after is None:
            return self._config.ring_seconds
        left = (outgoing.not_after - self._clock()).total_seconds()
        return max(min(self._config.ring_seconds, left), 1)

    def _note_sign(self, ringing: _Ringing, sip: OutgoingCall, say: Callable[[int], None]) -> None:
        agent = self._registration.agent
        if agent is not None and agent.was_heard(sip):
            self._take(ringing)
        else:
            say(0)

    async def _talk(self, ringing: _Ringing, conversation: CallFlow) -> None:
        talking = asyncio.create_task(conversation.lead())
        ended = asyncio.create_task(ringing.hung_up.wait())
        try:
            done, _ = await asyncio.wait({talking, ended}, timeout=CALL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if talking in done:
                talking.result()
            elif ended in done:
                conversation.was_hung_up()
        finally:
            for task in (talking, ended):
                task.cancel()
            await asyncio.gather(talking, ended, return_exceptions=True)

    def _rings(self, ringing: _Ringing) -> None:
        ringing.rings.set()
        self._take(ringing)

    def _take(self, ringing: _Ringing) -> None:
        if not ringing.taken.done():
            ringing.taken.set_result(Submitted(_reference(ringing)))

    def _settle(self, ringing: _Ringing, result: Result, **why: Any) -> None:
        """Report how an unanswered call ended: to the dispatcher while it waits, as a report afterwards."""
        if ringing.taken.done():
            ringing.report(result)
        else:
            ringing.taken.set_exception(DeliveryFailed(result, **why))

    def _tell(self, ringing: _Ringing, result: Result) -> None:
        self._report(Report(self.name, _reference(ringing), result, ringing.outgoing.delivery_id))

    def _was_hung_up(self, call_id: str) -> None:
        if (ringing := self._calls.get(call_id)) is not None:
            ringing.hung_up.set()

    def _delivery_of(self, call_id: str) -> UUID | None:
        ringing = self._calls.get(call_id)
        return ringing.outgoing.delivery_id if ringing is not None else self._dialled

    def _press(self, call_id: str, key: str) -> None:
        if (ringing := self._calls.get(call_id)) is not None:
            ringing.line.press(key, "info")

    def _move(self, call: IncomingCall) -> None:
        """Handle a re-INVITE: the PBX moves the media elsewhere, or only refreshes the session."""
        ringing = self._calls.get(call.call_id)
        if ringing is None:
            call.reject(481)
            return
        try:
            call.accept(ringing.line.move(call.sdp_offer))
        except SdpNegotiationError:
            call.reject(488)


def _reference(ringing: _Ringing) -> str:
    return ringing.sip.call_id if ringing.sip is not None else ""
