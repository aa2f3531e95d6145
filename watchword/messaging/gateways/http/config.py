"""Options of one provider with an HTTP API: a template of the request, and rules for the response."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from watchword.core.policy import Channel
from watchword.messaging.certificates import check_certificates
from watchword.messaging.gateways.http.patterns import check_pattern

FIELD = re.compile(r"\{([\w.-]+)\}")
"""Every name in braces: an unknown one is a mistake, and would otherwise be sent literally."""
FIELDS = frozenset(
    {
        "number",
        "digits",
        "text",
        "coding",
        "sender",
        "reference",
        "webhook",
        "voice",
        "minutes",
        "seconds",
        "milliseconds",
    }
)
"""Fields of a template: the number with and without plus, the text and its coding (0 for the GSM alphabet, 2 for
UCS-2), the sender, our delivery id, the URLs of our two webhooks, and the remaining lifetime of the code. Also
``{secret.NAME}``."""
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110 section 5.1."""
_HOLDS_SECRET = re.compile(r"authorization|passw|\bpass\b|pwd|secret|token|api[-_]?key", re.IGNORECASE)
PUBLIC_KEY_OCTETS = 32
"""RFC 8032 section 5.1.5."""
LONGEST_ANSWER = 100
LONGEST_SECONDS = 20.0
"""Longest timeout: a dispatcher leases a message for half a minute, and within that the request must end."""


class Scheme(StrEnum):
    """How a receipt is authenticated."""

    ADDRESS = "address"
    """By the webhook URL alone, which only the provider knows: it holds a token that we sign for each message."""
    TWILIO = "twilio"
    """X-Twilio-Signature: HMAC-SHA1 of the URL and the sorted fields, in base64, beside the signed URL."""
    HMAC = "hmac-sha256"
    """A header with the HMAC-SHA256 of the body, in hexadecimal, beside the signed URL."""
    TELNYX = "telnyx"
    """telnyx-signature-ed25519: Ed25519 of the time and the body, in base64, beside the signed URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptConfig:
    """Rules by which receipts of one provider are authenticated and read."""

    scheme: Scheme = Scheme.ADDRESS
    secret: str = field(default="", repr=False)
    public_key: str = ""
    """For the scheme telnyx, in base64; it is no secret, so it may be written in clear."""
    header: str = "X-Signature"
    """For the scheme hmac-sha256; a prefix of the value such as ``sha256=`` is ignored."""
    status: str = "status"
    """Field, or dotted path in JSON, of the message's status."""
    arrived: tuple[str, ...] = ("delivered",)
    unreachable: tuple[str, ...] = ("undelivered", "expired")
    failed: tuple[str, ...] = ("failed",)
    blocked: tuple[str, ...] = ()
    busy: tuple[str, ...] = ()
    no_answer: tuple[str, ...] = ()
    reference: str = ""
    """Field, or dotted path in JSON, of the message id: the one of the provider's response, or ``{reference}``.

    With it all receipts may come to one webhook of the gateway, for providers with one webhook URL for each account.
    """
    list: str = ""
    """Dotted path of the list, where one request has several receipts; a list at the root needs none."""
    answer: str = ""
    """Response body that the provider expects, such as ``ACK/Jasmin``; empty: status 204 without a body."""

    def __post_init__(self) -> None:
        """Raise ValueError for a scheme without its secret or key, and for an unusable answer."""
        if self.list and not self.reference:
            raise ValueError("receipts have a list, but no reference by which each of them finds its message")
        if len(self.answer) > LONGEST_ANSWER or not self.answer.isprintable():
            raise ValueError(f"the answer to receipts has more than {LONGEST_ANSWER} characters, or more than one line")
        if self.scheme is Scheme.TELNYX:
            check_public_key(self.public_key)
        elif self.scheme is not Scheme.ADDRESS and not self.secret:
            raise ValueError(f"receipts of the scheme {self.scheme} need a secret")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfig:
    """Options of one provider."""

    channel: Channel = Channel.SMS
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
    """Dotted path in a JSON response; a number is a list index. Empty: any status from 200 to 299 is a success."""
    success_values: tuple[str, ...] = ()
    reference_path: str = ""
    code_path: str = ""
    """Dotted path of the reason of a rejection."""
    success_pattern: str = ""
    """For responses that are not JSON: a regular expression that matches a success only."""
    reference_pattern: str = ""
    """A regular expression whose group is the provider's message id."""
    code_pattern: str = ""
    """A regular expression whose group is the reason of a rejection."""
    bad_number: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    timeout_seconds: float = 5.0
    private_networks_allowed: bool = False
    """Whether the provider may be on this machine or in a private network, and without TLS."""
    ca_file: Path | None = None
    """Certificates of the authority that signed the provider's, where it is no well-known one."""
    receipts: ReceiptConfig | None = None

    def __post_init__(self) -> None:
        """Raise ValueError if no request can be made with these options."""
        if self.method not in {"GET", "POST", "PUT"}:
            raise ValueError(f"method is {self.method!r}; expected: GET, POST or PUT")
        check_address(self.url, private_networks_allowed=self.private_networks_allowed)
        if self.form and self.json is not None:
            raise ValueError("form and json are both there; a request has one body")
        if self.method == "GET" and (self.form or self.json is not None):
            raise ValueError("a GET has no body: say query instead of form or json, or another method")
        if not 0 < self.timeout_seconds <= LONGEST_SECONDS:
            raise ValueError(f"timeout_seconds is not between 0 and {LONGEST_SECONDS:.0f}")
        self._check_patterns()
        check_headers(self.headers)
        for table in (dict(parse_qsl(urlsplit(self.url).query)), self.query, self.headers, self.form):
            check_no_secret(table)
        for table in _tables(self.json):
            check_no_secret(table)
        texts = [self.url, *self.query.values(), *self.headers.values(), *self.form.values(), *_leaves(self.json)]
        named = {name for text in texts for name in FIELD.findall(text)}
        for name in sorted(named - FIELDS - {f"secret.{secret}" for secret in self.secrets}):
            known = ", ".join(f"{{{one}}}" for one in sorted(FIELDS))
            raise ValueError(f"{{{name}}} means nothing in a template; expected: one of {known}, or a secret")
        if self.channel is Channel.VOICE and (self.receipts is None or "voice" not in named):
            raise ValueError("a call needs {voice}, where the provider asks what to say, and receipts: how we know it")
        if self.ca_file is not None:
            check_certificates(self.ca_file)

    def _check_patterns(self) -> None:
        for what, groups in (("success", None), ("reference", 1), ("code", 1)):
            pattern = getattr(self, f"{what}_pattern")
            if not pattern:
                continue
            if getattr(self, f"{what}_path"):
                raise ValueError(f"{what}_path and {what}_pattern are both there; an answer is JSON, or it is text")
            check_pattern(f"{what}_pattern", pattern, groups=groups)
        if (self.reference_pattern or self.code_pattern) and not self.success_pattern:
            raise ValueError("reference_pattern and code_pattern need success_pattern beside them")


def check_public_key(text: str) -> None:
    """Raise ValueError for anything but an Ed25519 public key in base64."""
    try:
        octets = b64decode(text, validate=True)
    except ValueError:
        octets = b""
    if len(octets) != PUBLIC_KEY_OCTETS:
        raise ValueError("public_key is not the account's public key: 32 octets in base64")


def check_address(url: str, *, private_networks_allowed: bool) -> None:
    """Raise ValueError, with plain words, for a URL that can't be a provider's."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("url has a blank, or a sign outside ASCII; write it as it is sent, with % and xn--")
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("url is not an address that begins with https://")
    if "{" in parts.netloc:
        raise ValueError("url has a field in the name of the host")
    if "@" in parts.netloc:
        raise ValueError("url holds a user name; say user and password")
    if parts.port == 0:
        raise ValueError("url has port 0")
    if parts.scheme == "http" and not private_networks_allowed:
        raise ValueError("url is not https; in your own network only, say private_networks_allowed = true")


def check_headers(headers: Mapping[str, str]) -> None:
    """Raise ValueError for an invalid header name."""
    for name in headers:
        if not _HEADER.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a header")


def check_no_secret(table: Mapping[str, str]) -> None:
    """Raise ValueError for a secret that is in clear in a template; the message does not show the secret."""
    for name, text in table.items():
        if text and _HOLDS_SECRET.search(name) and "{" not in text:
            raise ValueError(f"{name} is a secret in clear; put it into secrets and write {{secret.NAME}}")


def _tables(value: object) -> Iterator[Mapping[str, str]]:
    match value:
        case Mapping():
            yield {name: inner for name, inner in value.items() if isinstance(inner, str)}
            for inner in value.values():
                yield from _tables(inner)
        case list():
            for inner in value:
                yield from _tables(inner)
        case _:
            return


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
