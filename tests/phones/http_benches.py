"""HTTP gateways to the tests' provider, one for each preset, built as from a phones file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.environment import KEYS
from tests.phones.provider import ACCOUNT, TOKEN, Provider
from watchword.config.phones_file import kinds, seal
from watchword.core.keyring import KeyRing
from watchword.core.policy import Channel
from watchword.messaging.config_file import Phones, read_phones
from watchword.messaging.gateway import DeliveryFailed, Outgoing
from watchword.messaging.gateways.http.callback_urls import addresses_of
from watchword.messaging.gateways.http.config import HttpConfig
from watchword.messaging.gateways.http.gateway import HttpGateway

NUMBER = "+4915112345678"
PRESETS = ("twilio-messages", "vonage-sms", "46elks", "telnyx", "http")
RING = KeyRing.parse(KEYS, random_source=bytes)

_OPERATOR: dict[str, str] = {
    "twilio-messages": f'account = "{ACCOUNT}"\ntoken = "SECRET"\nsender = "+4930123456"\nbase = "BASE"',
    "twilio-calls": f'account = "{ACCOUNT}"\ntoken = "SECRET"\nsender = "+4930123456"\nbase = "BASE"',
    "vonage-sms": 'key = "KEY"\nsecret = "SECRET"\nsender = "Harbour"\nurl = "BASE/sms/json"',
    "46elks": 'user = "u1"\npassword = "SECRET"\nsender = "Harbour"\nurl = "BASE/a1/sms"',
    "telnyx": 'key = "SECRET"\nsender = "+4930123456"\nurl = "BASE/v2/messages"',
    "http": """
url = "BASE/nobody/{reference}?for={number}"
method = "PUT"
sender = "Harbour"
headers = { "X-Api-Key" = "{secret.key}", Accept = "application/vnd.nobody+json" }
json = { to = { number = "{number}" }, parts = ["{text}"], tell = "{webhook}", urgent = true, lives = 5 }
secrets = { key = "SECRET" }
success_path = "ok"
success_values = ["true"]
reference_path = "messages.0.name"
code_path = "why.code"
bad_number = ["no-such-number"]

[gateway.receipts]
scheme = "hmac-sha256"
secret = "SECRET"
header = "X-Nobody-Signature"
status = "news.0.state"
arrived = ["at the phone"]
blocked = ["not by me"]
""",
}


def phones_file(kind: str, base: str, *, name: str = "one", more: str = "") -> str:
    """Return a phones file with one gateway of a kind, as an operator would write it."""
    words = _OPERATOR[kind].replace("BASE", base).replace("SECRET", seal(TOKEN, RING))
    words = words.replace("KEY", seal("abcd1234", RING))
    head = f'[[gateway]]\nname = "{name}"\nkind = "{kind}"\nprivate_networks_allowed = true\n'
    return f"{head}{more}\n{words}\n"


def phones_of(text: str) -> Phones:
    """Return the parsed phones file, which must have no problems."""
    from watchword.config.phones_file import open_secret
    from watchword.messaging.gateways.sim_swap import SimSwapConfig

    read = read_phones(text, kinds(), lambda value: open_secret(value, RING), SimSwapConfig)
    assert read.problems == ()
    return read


def config_of(kind: str, base: str, **more: Any) -> HttpConfig:
    """Return the config of one gateway of a kind."""
    words = "\n".join(f"{key} = {value}" for key, value in more.items())
    (planned,) = phones_of(phones_file(kind, base, more=words)).gateways
    assert isinstance(planned.config, HttpConfig)
    return planned.config


def outgoing(
    code: str = "493027",
    *,
    number: str = NUMBER,
    channel: Channel = Channel.SMS,
    lives: timedelta = timedelta(minutes=5),
) -> Outgoing:
    """Return a code to be sent."""
    return Outgoing(
        uuid4(),
        channel,
        number,
        "",
        code,
        "Harbour & Hill",
        "sign-in.example",
        purpose="sign_in",
        not_after=datetime.now(UTC) + lives,
    )


@asynccontextmanager
async def opened(kind: str, at: Provider, **more: Any) -> AsyncIterator[HttpGateway]:
    """Open a gateway to the provider, and stop it."""
    gateway = HttpGateway("one", config_of(kind, at.base, **more), addresses=addresses_of)
    await gateway.start(lambda _report: None)
    try:
        yield gateway
    finally:
        await gateway.stop()


def run(play: Callable[[], Awaitable[None]], seconds: float = 60) -> None:
    """Run a coroutine on an event loop with a timeout."""

    async def within() -> None:
        async with asyncio.timeout(seconds):
            await play()

    asyncio.run(within())


async def failure_of(config: HttpConfig) -> DeliveryFailed:
    """Return how a gateway with this config fails at one message."""
    gateway = HttpGateway("one", config, addresses=addresses_of)
    await gateway.start(lambda _report: None)
    with pytest.raises(DeliveryFailed) as caught:
        await gateway.send(outgoing())
    await gateway.stop()
    return caught.value
