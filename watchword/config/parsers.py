"""Parsers of settings: each parses the text of one setting, and depends on no other setting."""

from __future__ import annotations

import ipaddress
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from watchword.config.extras import why_not_installed
from watchword.core.keyring import KeyRing, KeyRingError
from watchword.core.usernames import InvalidSignInName, domain_key

YES = frozenset(("yes", "true", "on", "1"))
NO = frozenset(("no", "false", "off", "0"))
NONE = "none"
SMTP_TIMEOUT_SECONDS = 10
SHORTEST_TOKEN = 20
MOST_WORKERS = 64
"""Processes of one door; more than that is a slip of the finger."""
LAST_MAIL_PORT = 65535 - 2
"""The mail door also listens on the two ports after the configured one, for Postfix."""

_SMTP_PORTS = {"smtp": 587, "smtps": 465}
_SOCKET_MODES = {"0600": 0o600, "0660": 0o660, "600": 0o600, "660": 0o660}

type Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class InvalidSetting(ValueError):
    """The text of a setting can't be used. The message says why, and never holds a secret."""


@dataclass(frozen=True, slots=True)
class SmtpConfig:
    """How to connect to the mail server; ``host`` is empty if none is configured."""

    host: str = ""
    port: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    starttls: bool = False

    def options(self) -> dict[str, object]:
        """Return the options of Django's mail backend."""
        return {
            "host": self.host,
            "port": self.port,
            "username": self.user,
            "password": self.password,
            "use_tls": self.starttls,
            "use_ssl": self.tls,
            "timeout": SMTP_TIMEOUT_SECONDS,
        }

    def url_without_password(self) -> str:
        """Return the server's address without its password; empty if none is configured."""
        if not self.host:
            return ""
        user = quote(self.user, safe="") + (":***" if self.password else "")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'smtps' if self.tls else 'smtp'}://{user + '@' if user else ''}{host}:{self.port}"


def parse_boolean(text: str) -> bool:
    """Return whether a text means yes."""
    if text.lower() not in YES | NO:
        raise InvalidSetting("is neither yes nor no")
    return text.lower() in YES


def parse_directory(text: str) -> Path:
    """Return an absolute path."""
    path = Path(text)
    if not path.is_absolute():
        raise InvalidSetting("is not an absolute path")
    return path


def parse_file(text: str) -> str:
    """Return the absolute path of a file that exists; empty for an empty text."""
    if text and not (Path(text).is_absolute() and Path(text).is_file()):
        raise InvalidSetting("is not the absolute path of a file")
    return text


def parse_socket(text: str) -> str:
    """Return the absolute path of a Unix socket, which need not exist yet; empty for an empty text."""
    if text and not text.startswith("/"):
        raise InvalidSetting("is not an absolute path")
    return text


def parse_workers(text: str) -> int:
    """Return a number of processes, from 1 to MOST_WORKERS."""
    if text not in map(str, range(1, MOST_WORKERS + 1)):
        raise InvalidSetting(f"is {text!r}")
    return int(text)


def parse_choice(choices: tuple[str, ...]) -> Callable[[str], str]:
    """Return the parser of a text that is one of ``choices``, in capital or small letters."""

    def parse(text: str) -> str:
        for choice in choices:
            if text.lower() == choice.lower():
                return choice
        raise InvalidSetting(f"is {text!r}")

    return parse


def parse_time_zone(text: str) -> str:
    """Return the name of a time zone of the IANA database."""
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidSetting(f"is {text!r}, which is not a known time zone") from None
    return text


def parse_domain(text: str) -> str:
    """Return a mail domain in its lower-case ASCII form; empty for an empty text."""
    try:
        return domain_key(text) if text else ""
    except InvalidSignInName:
        raise InvalidSetting(f"is {text!r}, which is not a domain") from None


def parse_key_ring(text: str) -> KeyRing | None:
    """Return the key ring that a text holds; None for an empty text."""
    try:
        return KeyRing.parse(text, random_source=os.urandom) if text else None
    except KeyRingError as error:
        raise InvalidSetting(f"can't be used: {error}") from None


def _split_web_address(text: str) -> tuple[SplitResult, str]:
    """Return the parts of an http or https URL, and its host; raise InvalidSetting for anything else."""
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        raise InvalidSetting("is not a web address") from None
    if url.scheme not in ("https", "http") or not url.hostname:
        raise InvalidSetting("is not a web address")
    if url.username is not None or url.password is not None:
        raise InvalidSetting("holds a user name or password")
    return url, url.hostname


def parse_public_url(text: str) -> str:
    """Return the address that people type, without a slash at its end."""
    text = text.rstrip("/")
    url, host = _split_web_address(text)
    if url.path or url.query or url.fragment:
        raise InvalidSetting("has something after the host and port")
    if url.scheme == "http" and not is_loopback(host):
        raise InvalidSetting("begins with http:// though its host is not this machine (use https://)")
    return text


def parse_host_and_port(text: str) -> tuple[str, int]:
    """Return the host, without brackets, and the TCP port of ``host:port``."""
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:  # noqa: PLR2004  TCP
        raise InvalidSetting(f"is {text!r}")
    return host.strip("[]"), int(port)


def parse_optional_host_and_port(text: str) -> tuple[str, int] | None:
    """Return the host and the TCP port of ``host:port``; None for an empty text."""
    return parse_host_and_port(text) if text else None


def parse_traces_url(text: str) -> str:
    """Return the address of an OTLP endpoint; empty for an empty text. Needs the extra `telemetry`."""
    if not text:
        return ""
    _split_web_address(text)
    if reason := why_not_installed("telemetry"):
        raise InvalidSetting(reason)
    return text


def parse_token(text: str) -> str:
    """Return a bearer token; empty for an empty text. One that could be guessed or cut by a header is invalid."""
    if text and (len(text) < SHORTEST_TOKEN or not text.isascii() or not text.isprintable() or " " in text):
        raise InvalidSetting("is too short, or has a character that a header can't hold")
    return text


def parse_proxies(text: str) -> tuple[Network, ...] | None:
    """Return the networks in which the trusted proxies are; None if the text is ``none``."""
    if text.lower() == NONE:
        return None
    networks, wrong = [], []
    for item in _items(text):
        try:
            network = ipaddress.ip_network(item)
        except ValueError:
            wrong.append(f"holds {item!r}, which is neither an address nor a network")
            continue
        if network.prefixlen == 0:
            # Every client could then choose the address by which it is rate-limited.
            wrong.append(f"holds {item!r}, which is the whole internet")
        networks.append(network)
    if wrong:
        raise InvalidSetting("; it ".join(wrong))
    return tuple(networks)


def parse_socket_owner(text: str) -> tuple[str, str]:
    """Return the user and the group of ``user:group``; either may be empty."""
    user, _, group = text.partition(":")
    return user.strip(), group.strip()


def parse_socket_mode(text: str) -> int:
    """Return the mode of a Unix socket; a mode that lets every local user connect is invalid."""
    if text not in _SOCKET_MODES:
        raise InvalidSetting(f"is {text!r}")
    return _SOCKET_MODES[text]


def parse_mail_listen(text: str) -> tuple[str, int] | None:
    """Return a loopback address and a TCP port that has two more after it; None for an empty text."""
    if not text:
        return None
    host, port = parse_host_and_port(text)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise InvalidSetting(f"is {text!r}") from None
    if port > LAST_MAIL_PORT:
        raise InvalidSetting(f"is {text!r}")
    if not address.is_loopback:
        # Passwords travel in clear there, and clients are not authenticated.
        raise InvalidSetting(f"names {host}, which others than this machine can reach")
    return host, port


def parse_kick(text: str) -> tuple[str, ...]:
    """Return the arguments of a command with ``{user}`` in one of them; an empty tuple for ``none``."""
    if text.lower() == NONE:
        return ()
    try:
        words = shlex.split(text)
    except ValueError:
        raise InvalidSetting("has a quotation mark without its pair") from None
    if not any("{user}" in word for word in words[1:]):
        raise InvalidSetting("doesn't say where the name goes")
    return tuple(words)


def parse_smtp_url(text: str) -> SmtpConfig:
    """Return the mail server of an ``smtp://`` or ``smtps://`` URL; one without a host for an empty text."""
    if not text:
        return SmtpConfig()
    try:
        parts = urlsplit(text)
        port = parts.port or _SMTP_PORTS.get(parts.scheme, 0)
    except ValueError:
        raise InvalidSetting("is not a web address") from None
    if parts.scheme not in _SMTP_PORTS or not parts.hostname:
        raise InvalidSetting("is not smtp://… or smtps://… with a host")
    if parts.path.strip("/") or parts.query or parts.fragment:
        # One of these characters in a password ends the host, and the rest of the password would be parsed as a path.
        raise InvalidSetting(
            "has something after the host and port (in a password, write %2F for /, %3F for ?, %23 for #)"
        )
    return SmtpConfig(
        host=parts.hostname,
        port=port,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls=parts.scheme == "smtps",
        # Traffic within this machine can't be intercepted; to other machines mail is never sent in clear.
        starttls=parts.scheme == "smtp" and not is_loopback(parts.hostname),
    )


def parse_sender(text: str) -> str:
    """Return the address of a sender, with or without a displayed name."""
    if "@" not in parseaddr(text)[1]:
        raise InvalidSetting("holds no mail address")
    return text


def is_loopback(host: str) -> bool:
    """Return whether a host name or address can only mean this machine (RFC 6761 section 6.3 for names)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]
