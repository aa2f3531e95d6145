"""What the operator says about the mail door."""

import ipaddress
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass

DEFAULT_KICK = "doveadm kick -- {user}"

VARIABLES: Mapping[str, str] = {
    "MAIL_SOCKET_DIRECTORY": "folder for the mail door's sockets; HOME/mail if not set",
    "MAIL_SOCKET_OWNER": "who may use the mail door's sockets: user, user:group or :group; this user alone if not set",
    "MAIL_SOCKET_MODE": "0600 or 0660; 0660 if a group is named, 0600 if not",
    "MAIL_LISTEN": "127.0.0.1:port or [::1]:port; the mail door listens there and at the two ports after it as well",
    "MAIL_KICK": f"command that closes a person's connections, with {{user}} in it, or none; {DEFAULT_KICK} if not set",
}
"""Every variable, without its prefix, and what it may hold."""

LAST_PORT = 65535 - 2
"""The two ports after the one that is named are Postfix's other questions."""

_MODES = {"0600": 0o600, "0660": 0o660, "600": 0o600, "660": 0o660}


@dataclass(frozen=True, slots=True)
class MailDoorSettings:
    """The checked wishes. ``kick`` is empty where connections are to stay open."""

    socket_owner: str
    socket_group: str
    socket_mode: int
    listen: tuple[str, int] | None
    kick: tuple[str, ...]


def read_mail_config(text: Callable[[str], str], wrong: Callable[[str, str], None]) -> MailDoorSettings:
    """Read the wishes; ``text`` gives a variable's value, ``wrong`` is told each mistake."""
    owner, _, group = text("MAIL_SOCKET_OWNER").partition(":")
    mode = text("MAIL_SOCKET_MODE")
    if mode and mode not in _MODES:
        wrong("MAIL_SOCKET_MODE", f"is {mode!r}")
    return MailDoorSettings(
        socket_owner=owner.strip(),
        socket_group=group.strip(),
        socket_mode=_MODES.get(mode, 0o660 if group.strip() else 0o600),
        listen=_listen(text("MAIL_LISTEN"), wrong),
        kick=_kick(text("MAIL_KICK") or DEFAULT_KICK, wrong),
    )


def _listen(text: str, wrong: Callable[[str, str], None]) -> tuple[str, int] | None:
    if not text:
        return None
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) <= LAST_PORT:
        wrong("MAIL_LISTEN", f"is {text!r}")
        return None
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        wrong("MAIL_LISTEN", f"is {text!r}")
        return None
    if not is_loopback:
        # Passwords travel in clear there, and nobody is asked who they are.
        wrong("MAIL_LISTEN", f"names {host}, which others than this machine can reach")
        return None
    return host, int(port)


def _kick(text: str, wrong: Callable[[str, str], None]) -> tuple[str, ...]:
    if text.lower() == "none":
        return ()
    try:
        words = shlex.split(text)
    except ValueError:
        wrong("MAIL_KICK", "has a quotation mark without its pair")
        return ()
    if not any("{user}" in word for word in words[1:]):
        wrong("MAIL_KICK", "doesn't say where the name goes")
        return ()
    return tuple(words)
