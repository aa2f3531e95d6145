"""Ask a provider when a number last moved to another SIM card, before a code is sent to it. Optional."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from watchword.core.log_events import log_event
from watchword.messaging.gateway import LeasedMessage
from watchword.messaging.gateways.http.client import AddressForbidden, NoAnswer, SafeClient
from watchword.messaging.gateways.http.config import check_address, check_headers
from watchword.messaging.gateways.http.request_templates import look_up

LONGEST_SECONDS = 5.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimSwapConfig:
    """Options of the SIM swap API, and how long after a swap no code is sent."""

    url: str
    """Holds ``{number}`` or ``{digits}``, for a GET request; neither of them where ``json`` holds the number."""
    json: Mapping[str, str] = field(default_factory=dict)
    """Body of a POST request, such as ``{ phoneNumber = "{number}" }`` (CAMARA's SIM Swap, "retrieve-date")."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    user: str = ""
    password: str = field(default="", repr=False)
    date_path: str = "latestSimChange"
    """Dotted path of the date (ISO 8601) in the JSON response."""
    hours: int = 72
    timeout_seconds: float = 2.0
    private_networks_allowed: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError if no request can be made with these options."""
        if not any(name in text for name in ("{number}", "{digits}") for text in (self.url, *self.json.values())):
            raise ValueError("neither url nor json names {number} or {digits}")
        check_address(self.url, private_networks_allowed=self.private_networks_allowed)
        check_headers(self.headers)
        if not 0 < self.timeout_seconds <= LONGEST_SECONDS:
            raise ValueError(f"timeout_seconds is not between 0 and {LONGEST_SECONDS:.0f}: a code waits for it")
        if not 1 <= self.hours <= 24 * 90:
            raise ValueError("hours is not from 1 to 2160")


class SimSwapCheck:
    """The SIM swap check. After a timeout the code is sent: an unanswered check must not prevent the sign-in."""

    def __init__(self, config: SimSwapConfig, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._config = config
        self._clock = clock
        self._client = SafeClient(private_networks_allowed=config.private_networks_allowed)

    async def has_moved(self, claimed: LeasedMessage) -> bool:
        """Return whether the number moved recently; always False for a number that is only being registered."""
        if claimed.purpose not in {"sign_in", "confirm", "recover"}:
            return False
        config = self._config
        number = claimed.outgoing.number
        url = config.url.replace("{number}", quote(number, safe="")).replace("{digits}", number.removeprefix("+"))
        headers = {"Accept": "application/json", **config.headers}
        content = b""
        if config.json:
            headers["Content-Type"] = "application/json"
            filled = {
                name: text.replace("{number}", number).replace("{digits}", number.removeprefix("+"))
                for name, text in config.json.items()
            }
            content = json.dumps(filled).encode()
        method = "POST" if config.json else "GET"
        if config.user:
            headers["Authorization"] = "Basic " + b64encode(f"{config.user}:{config.password}".encode()).decode()
        try:
            answer = await self._client.ask(
                method, url, headers=headers, content=content, seconds=config.timeout_seconds
            )
            if not 200 <= answer.status < 300:  # RFC 9110, successful
                logger.warning(
                    "SIM swap check failed: status %d",
                    answer.status,
                    extra=log_event("messaging.sim_swap.failed", delivery=claimed.outgoing.delivery_id),
                )
                return False
            moved_at = datetime.fromisoformat(look_up(json.loads(answer.body), config.date_path))
        except (NoAnswer, AddressForbidden, ValueError, RecursionError) as error:
            trouble = type(error).__name__
            logger.warning(
                "SIM swap check failed",
                extra=log_event("messaging.sim_swap.failed", trouble=trouble, delivery=claimed.outgoing.delivery_id),
            )
            return False
        if moved_at.tzinfo is None:
            moved_at = moved_at.replace(tzinfo=UTC)
        return self._clock() - moved_at < timedelta(hours=config.hours)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
