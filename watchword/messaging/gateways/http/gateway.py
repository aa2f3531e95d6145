"""Send texts and calls through a provider's HTTP API."""

from __future__ import annotations

import json
import logging
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import gsm0338  # noqa: F401  (registers the codec)

from watchword.core.log_events import log_event
from watchword.core.policy import Channel
from watchword.messaging.content import sms
from watchword.messaging.gateway import Condition, DeliveryFailed, Outgoing, Report, Result, Submitted
from watchword.messaging.gateways.http.client import AddressForbidden, HttpAnswer, NoAnswer, SafeClient
from watchword.messaging.gateways.http.config import HttpConfig
from watchword.messaging.gateways.http.patterns import first_group, matches
from watchword.messaging.gateways.http.request_templates import fill, look_up

logger = logging.getLogger(__name__)

FAILURES_UNTIL_DOWN = 3
DOWN_FOR = timedelta(seconds=30)
"""After this time a failed gateway counts as up again: only a new request can show whether it is."""
LEAST_TRY = 20
_REFUSES_US = frozenset({401, 403})
_CODE = re.compile(r"(?!.*\d{7})[\w.-]{1,20}", re.ASCII)
"""Format of a provider's reason code; other text may hold a number, so it is not shown."""
_GAVE_UP_WAITING = 504
"""RFC 9110 section 15.6.5: a proxy timed out, and the server behind it may have taken the message."""


TEXT_FOR_JSON = "the provider answers in text, not in JSON; say success_pattern instead of success_path"
_LINE = re.compile(r"[^\W_][^<>{}\[\]\x00-\x08\x0e-\x1f\ufffd]{0,500}")
"""A short response in plain text such as OK: 123; HTML of a proxy or truncated JSON does not match."""


@dataclass(frozen=True, slots=True)
class _Said:
    """The content of a response."""

    is_success: bool
    reference: str
    code: str
    is_readable: bool
    is_line: bool = False
    """Whether a line of plain text came where JSON was expected."""


class HttpGateway:
    """A gateway for one provider."""

    def __init__(
        self,
        name: str,
        config: HttpConfig,
        *,
        addresses: Callable[[str, UUID], tuple[str, str]],
        client: SafeClient | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """``addresses`` returns our two webhook URLs for a message: for receipts, and for what its call says."""
        self.name = name
        self._config = config
        self._addresses = addresses
        self._client = client
        self._clock = clock
        self._failures = 0
        self._failed_at: datetime | None = None
        self._words = ""
        self._note = ""

    @property
    def channels(self) -> frozenset[Channel]:
        """Return the one channel of this template."""
        return frozenset({self._config.channel})

    @property
    def fetches_voice_script(self) -> bool:
        """Return whether the template makes a call, which fetches what to say from our webhook."""
        return self._config.channel is Channel.VOICE

    @property
    def condition(self) -> Condition:
        """Return up, unless the provider rejects our credentials or the last requests all failed a moment ago."""
        is_up = self._failures < FAILURES_UNTIL_DOWN
        if self._failed_at is not None and self._clock() - self._failed_at >= DOWN_FOR:
            is_up = True
        return Condition(is_up=is_up, words=self._note if is_up else self._words)

    async def start(self, report: Callable[[Report], None]) -> None:  # noqa: ARG002  (receipts go to the web server)
        """Create the HTTP client; no connection is held open."""
        if self._client is None:
            self._client = SafeClient(
                private_networks_allowed=self._config.private_networks_allowed,
                ssl_context=ssl.create_default_context(cafile=self._config.ca_file) if self._config.ca_file else None,
            )

    async def stop(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()

    async def send(self, outgoing: Outgoing) -> Submitted:
        """Submit one message to the provider; raises DeliveryFailed."""
        assert self._client is not None
        request = fill(self._config, self._values(outgoing))
        try:
            answer = await self._client.ask(
                request.method,
                request.url,
                headers=request.headers,
                content=request.content,
                seconds=self._config.timeout_seconds,
            )
        except AddressForbidden:
            self._failed(outgoing, "the address of the provider is not a public one")
            raise DeliveryFailed(Result.FAILED, permanent=False) from None
        except NoAnswer as none:
            untrusted = "the certificate of the provider is not trusted"
            self._failed(outgoing, untrusted if none.is_untrusted else "the provider does not answer")
            raise DeliveryFailed(Result.FAILED, permanent=False, maybe_taken=none.maybe_taken) from None
        return self._evaluate(answer, outgoing)

    def _evaluate(self, answer: HttpAnswer, outgoing: Outgoing) -> Submitted:
        config = self._config
        said = self._read(answer.body)
        is_accepted = 200 <= answer.status < 300
        is_text = is_accepted and bool(config.success_path) and said.is_line
        # If plain text came where JSON was expected, it is unknown whether it means success. The message counts as
        # sent, because a retry could be charged twice, and *Phone delivery* shows the mistake.
        self._note = TEXT_FOR_JSON if is_text else ""
        if is_accepted and (said.is_success or is_text):
            self._failures = 0
            # A provider without message ids: our delivery id will do, as the webhook URL of the receipts holds it.
            return Submitted(said.reference or str(outgoing.delivery_id))
        if said.code and said.code in config.bad_number:
            raise DeliveryFailed(Result.BAD_NUMBER, permanent=True)
        if said.code and said.code in config.blocked:
            raise DeliveryFailed(Result.BLOCKED, permanent=False)
        refused = answer.status in _REFUSES_US
        words = f"the provider answers {answer.status}"
        if refused:
            words = "the provider refuses our credentials"
        elif _CODE.fullmatch(said.code):
            words += f" with the code {said.code}"
        self._failed(outgoing, words, at_once=refused)
        unclear = answer.status == _GAVE_UP_WAITING or (is_accepted and not said.is_readable)
        raise DeliveryFailed(Result.FAILED, permanent=False, maybe_taken=unclear)

    def _read(self, body: bytes) -> _Said:
        """Parse a response, by patterns where it is plain text and by paths where it is JSON."""
        config, text = self._config, body.decode("utf-8", "replace")
        if config.success_pattern:
            return _Said(
                is_success=matches(config.success_pattern, text),
                reference=first_group(config.reference_pattern, text) if config.reference_pattern else "",
                code=first_group(config.code_pattern, text) if config.code_pattern else "",
                is_readable=bool(text.strip()),
            )
        try:
            read: object = json.loads(body) if body else None
        except (ValueError, RecursionError):
            read = None
        return _Said(
            is_success=not config.success_path or look_up(read, config.success_path) in config.success_values,
            reference=look_up(read, config.reference_path) if config.reference_path else "",
            code=look_up(read, config.code_path) if config.code_path else "",
            is_readable=read is not None,
            is_line=read is None and _LINE.fullmatch(text.strip()) is not None,
        )

    def _failed(self, outgoing: Outgoing, words: str, *, at_once: bool = False) -> None:
        self._failures = max(self._failures + 1, FAILURES_UNTIL_DOWN if at_once else 0)
        self._failed_at = self._clock()
        if self._words != words or self._failures == FAILURES_UNTIL_DOWN:
            logger.warning(
                "request failed: %s",
                words,
                extra=log_event("messaging.http.failed", gateway=self.name, delivery=outgoing.delivery_id),
            )
        self._words = words

    def _values(self, outgoing: Outgoing) -> dict[str, str]:
        webhook, voice = self._addresses(self.name, outgoing.delivery_id)
        left = 300 if outgoing.not_after is None else int((outgoing.not_after - self._clock()).total_seconds())
        text = sms.text_of(outgoing) if outgoing.channel is Channel.SMS else ""
        return {
            "number": outgoing.number,
            "digits": outgoing.number.removeprefix("+"),
            "text": text,
            "coding": coding_of(text),
            "sender": self._config.sender,
            "reference": str(outgoing.delivery_id),
            "webhook": webhook,
            "voice": voice,
            "seconds": str(max(left, 1)),
            # Some providers accept no shorter lifetime.
            "milliseconds": str(max(left, LEAST_TRY) * 1000),
            # Rounded down: a minute too short costs a resend, a minute too long delivers an expired code.
            "minutes": str(max(left // 60, 1)),
        }


def coding_of(text: str) -> str:
    """Return 0 where the GSM alphabet (3GPP TS 23.038) has every letter of a text, 2 where it needs UCS-2."""
    try:
        text.encode("gsm03.38")
    except UnicodeEncodeError:
        return "2"
    return "0"
