"""Where warnings are sent from: the mail server and the sender that the operator names."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from urllib.parse import unquote, urlsplit

VARIABLES: Mapping[str, str] = {
    "SMTP_URL": "smtp://user:password@host:587 (STARTTLS) or smtps://user:password@host:465; where warnings go out",
    "SENDER": "the address that warnings come from, such as Watchword <watchword@example.org>",
}
TIMEOUT_SECONDS = 10
_PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """How to reach the mail server; ``host`` is empty where none is named."""

    host: str = ""
    port: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    starttls: bool = False
    sender: str = ""

    def options(self) -> dict[str, object]:
        """Return what Django's backend wants."""
        return {
            "host": self.host,
            "port": self.port,
            "username": self.user,
            "password": self.password,
            "use_tls": self.starttls,
            "use_ssl": self.tls,
            "timeout": TIMEOUT_SECONDS,
        }


def read_mail_sending(text: Callable[[str], str], wrong: Callable[..., None]) -> SmtpSettings:
    """Return the operator's wishes; ``wrong`` is told of each mistake, never with a value that holds a password."""
    url, sender = text("SMTP_URL"), text("SENDER")
    if sender and "@" not in parseaddr(sender)[1]:
        wrong("SENDER", "holds no mail address")
        sender = ""
    if not url:
        return SmtpSettings(sender=sender)
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        wrong("SMTP_URL", "is not a web address")
        return SmtpSettings(sender=sender)
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
        wrong("SMTP_URL", "is not smtp://… or smtps://… with a host")
        return SmtpSettings(sender=sender)
    if not sender:
        wrong("SENDER", "is not set, though SMTP_URL is")
    return SmtpSettings(
        host=parts.hostname,
        port=port,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls=parts.scheme == "smtps",
        # Within this machine nobody listens in between; elsewhere a warning never travels in the clear.
        starttls=parts.scheme == "smtp" and not _is_this_machine(parts.hostname),
        sender=sender,
    )


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
