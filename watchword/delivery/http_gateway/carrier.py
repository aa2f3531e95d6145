"""Texts and calls by a provider's HTTP interface."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from watchword.core.policy import Way
from watchword.delivery import texts
from watchword.delivery.channel import Condition, DeliveryFailed, Handed, Outgoing, Report, Result
from watchword.delivery.http_gateway.safe_http import Answer, NoAnswer, NotAllowed, SafeClient
from watchword.delivery.http_gateway.templates import fill, look_up
from watchword.delivery.http_gateway.wishes import HttpWishes

logger = logging.getLogger(__name__)

FAILURES_UNTIL_DOWN = 3
_REFUSES_US = frozenset({401, 403})


class HttpCarrier:
    """One provider."""

    def __init__(
        self,
        name: str,
        wishes: HttpWishes,
        *,
        addresses: Callable[[str, UUID], tuple[str, str]],
        client: SafeClient | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """``addresses`` gives the addresses of our webhooks for one message: for receipts, and for what is spoken."""
        self.name = name
        self._wishes = wishes
        self._addresses = addresses
        self._client = client
        self._clock = clock
        self._failures = 0
        self._words = ""

    @property
    def ways(self) -> frozenset[Way]:
        """What this provider carries by this template."""
        return frozenset({self._wishes.way})

    @property
    def asks_what_to_say(self) -> bool:
        """Whether a call is made, which asks our webhook what to say."""
        return self._wishes.way is Way.CALL

    @property
    def condition(self) -> Condition:
        """Up, unless it refuses us or the last requests all failed."""
        is_up = self._failures < FAILURES_UNTIL_DOWN
        return Condition(is_up=is_up, words="" if is_up else self._words)

    async def start(self, report: Callable[[Report], None]) -> None:  # noqa: ARG002  (receipts come to the web server)
        """There is nothing to keep open."""
        if self._client is None:
            self._client = SafeClient(private_networks_allowed=self._wishes.private_networks_allowed)

    async def stop(self) -> None:
        """Let the connections go."""
        if self._client is not None:
            await self._client.close()

    async def send(self, outgoing: Outgoing) -> Handed:
        """Ask the provider to take one message; raises DeliveryFailed."""
        assert self._client is not None
        request = fill(self._wishes, self._values(outgoing))
        try:
            answer = await self._client.ask(
                request.method,
                request.url,
                headers=request.headers,
                content=request.content,
                seconds=self._wishes.timeout_seconds,
            )
        except NotAllowed:
            self._failed("the address of the provider is not a public one")
            raise DeliveryFailed(Result.FAILED, permanent=False) from None
        except NoAnswer as none:
            self._failed("the provider does not answer")
            raise DeliveryFailed(Result.FAILED, permanent=False, maybe_taken=none.maybe_taken) from None
        return self._judge(answer)

    def _judge(self, answer: Answer) -> Handed:
        try:
            read: object = json.loads(answer.body) if answer.body else None
        except (ValueError, RecursionError):
            read = None
        wishes = self._wishes
        is_good = 200 <= answer.status < 300  # noqa: PLR2004  (RFC 9110, successful)
        if is_good and wishes.success_path:
            is_good = look_up(read, wishes.success_path) in wishes.success_values
        if is_good:
            self._failures = 0
            return Handed(look_up(read, wishes.reference_path) if wishes.reference_path else "")
        code = look_up(read, wishes.code_path) if wishes.code_path else ""
        if code and code in wishes.bad_number:
            raise DeliveryFailed(Result.BAD_NUMBER, permanent=True)
        if code and code in wishes.blocked:
            raise DeliveryFailed(Result.BLOCKED, permanent=False)
        refused = answer.status in _REFUSES_US
        self._failed("the provider refuses our credentials" if refused else f"the provider answers {answer.status}")
        raise DeliveryFailed(Result.FAILED, permanent=False)

    def _failed(self, words: str) -> None:
        self._failures += 1
        if self._words != words or self._failures == FAILURES_UNTIL_DOWN:
            logger.warning("%s: %s", self.name, words)
        self._words = words

    def _values(self, outgoing: Outgoing) -> dict[str, str]:
        webhook, voice = self._addresses(self.name, outgoing.delivery_id)
        left = 300 if outgoing.not_after is None else int((outgoing.not_after - self._clock()).total_seconds())
        return {
            "number": outgoing.number,
            "digits": outgoing.number.removeprefix("+"),
            "text": texts.text_of(outgoing) if outgoing.way is Way.TEXT else "",
            "sender": self._wishes.sender,
            "reference": str(outgoing.delivery_id),
            "webhook": webhook,
            "voice": voice,
            "seconds": str(max(left, 1)),
            "minutes": str(max(-(-left // 60), 1)),
        }
