"""What an operator says about one provider with an HTTP interface: a template to ask by, a rule for the answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from watchword.core.policy import Way

FIELD = re.compile(r"\{([a-z_]+(?:\.[A-Za-z0-9_]+)?)\}")
FIELDS = frozenset({"number", "digits", "text", "sender", "reference", "webhook", "voice", "minutes", "seconds"})
"""What a template may name: the number with and without plus, our text, the sender, our own name for the message, the
addresses of our two webhooks, and how long the code lives. And ``{secret.NAME}``."""


class Scheme(StrEnum):
    """How a provider shows that a receipt is its own."""

    ADDRESS = "address"
    """By the address itself, which only the provider was told: it is signed by us for each message."""
    TWILIO = "twilio"
    """X-Twilio-Signature: HMAC-SHA1 of the address and the sorted fields, in base64, beside the signed address."""
    HMAC = "hmac-sha256"
    """A header with the HMAC-SHA256 of the body, in hexadecimal, beside the signed address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptWishes:
    """How receipts of one provider are read."""

    scheme: Scheme = Scheme.ADDRESS
    secret: str = field(default="", repr=False)
    header: str = "X-Signature"
    """Of the scheme hmac-sha256; a prefix such as ``sha256=`` is ignored."""
    status: str = "status"
    """The field, or dotted path in JSON, that says what became of the message."""
    arrived: tuple[str, ...] = ("delivered",)
    unreachable: tuple[str, ...] = ("undelivered", "expired")
    failed: tuple[str, ...] = ("failed",)
    busy: tuple[str, ...] = ()
    no_answer: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a scheme without its secret; raises ValueError."""
        if self.scheme is not Scheme.ADDRESS and not self.secret:
            raise ValueError(f"receipts of the scheme {self.scheme} need a secret")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpWishes:
    """One provider."""

    way: Way = Way.TEXT
    method: str = "POST"
    url: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    json: object = None
    user: str = ""
    password: str = field(default="", repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    sender: str = ""
    success_path: str = ""
    """Dotted path in a JSON answer; a number counts in a list. Empty: any answer from 200 to 299 is a success."""
    success_values: tuple[str, ...] = ()
    reference_path: str = ""
    code_path: str = ""
    """Where an answer says why it refuses."""
    bad_number: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    timeout_seconds: float = 5.0
    private_networks_allowed: bool = False
    """Whether the provider may be reached on this machine or in private networks, and without TLS."""
    receipts: ReceiptWishes | None = None

    def __post_init__(self) -> None:
        """Refuse what can't be asked; raises ValueError."""
        if self.method not in {"GET", "POST", "PUT"}:
            raise ValueError(f"method is {self.method!r}; expected: GET, POST or PUT")
        if not self.url.startswith(("https://", "http://")):
            raise ValueError("url is not an address that begins with https://")
        if self.url.startswith("http://") and not self.private_networks_allowed:
            raise ValueError("url is not https; in your own network only, say private_networks_allowed = true")
        if self.form and self.json is not None:
            raise ValueError("form and json are both there; a request has one body")
        if not 0 < self.timeout_seconds <= 30:  # noqa: PLR2004
            raise ValueError("timeout_seconds is not between 0 and 30")
        texts = [self.url, *self.query.values(), *self.headers.values(), *self.form.values(), *_leaves(self.json)]
        for text in texts:
            for name in FIELD.findall(text):
                if name not in FIELDS and name.removeprefix("secret.") not in self.secrets:
                    known = ", ".join(f"{{{one}}}" for one in sorted(FIELDS))
                    raise ValueError(f"{{{name}}} means nothing in a template; expected: one of {known}, or a secret")


def _leaves(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for inner in value.values():
                yield from _leaves(inner)
        case list():
            for inner in value:
                yield from _leaves(inner)
        case _:
            return
