"""The configuration with which mail servers use this door, as text to paste; the scenario tests use the same text."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from watchword.core.keyring import KeyRing
from watchword.core.usernames import SIGNS
from watchword.doors.mail.config_templates import EXIM, EXIM_ACL, POSTFIX
from watchword.doors.mail.dovecot_templates import (
    DICT,
    DOVECOT_2_3,
    DOVECOT_2_4,
    LUA,
    MAILBOXES_2_3,
    MAILBOXES_2_4,
    OAUTH2_2_3,
    OAUTH2_2_4,
    OAUTH2_TOKENS_2_3,
    OAUTH2_TOKENS_2_4,
    SIEVE_2_3,
    SIEVE_2_4,
    SUBMISSION,
)
from watchword.doors.mail.encryption import ALGORITHM, sealing_key
from watchword.doors.mail.socketmap import ASCII_MAP, MAP
from watchword.doors.mail.sockets import AUTH_SOCKET, DICT_SOCKET, POLICY_SOCKET, SOCKETMAP_SOCKET


class DovecotVersion(StrEnum):
    """The release series of Dovecot, whose configuration formats differ."""

    V2_3 = "2.3"
    V2_4 = "2.4"


@dataclass(frozen=True, slots=True)
class ConfigurationFile:
    """One file of a mail server's configuration."""

    path: Path
    text: str
    is_secret: bool = False
    """Whether it holds a key, so that only its owner may read it."""


NAME_CHARACTERS = (
    f"{string.ascii_letters}{string.digits} {SIGNS}@"
    + "".join(map(chr, range(0xC0, 0x100)))
    + "".join(bytes((first, 0xAA)).decode() for first in range(0xC2, 0xE0))
    + "".join(bytes((first, 0xA4, 0x95)).decode() for first in (*range(0xE0, 0xED), 0xEF))
    + "\ud2aa\N{LINEAR B SYLLABLE B008 A}"
)
"""The characters that a typed sign-in name may contain, for a list that Dovecot compares octet by octet: the alphabet
of names, the blank that surrounds a copied name, and letters that together contain every octet a UTF-8 letter has."""

MAIN_FILE = "watchword.conf.ext"
MAILBOXES_FILE = "watchword-mailboxes.conf.ext"
MAILBOXES_FOLDER = Path("/var/vmail")
EXAMPLE_CERTIFICATE = Path("/etc/letsencrypt/live/mail.example.org")
RELAY_PORT = 10587
"""The port at which Postfix takes the mail of Dovecot's submission service."""

DOVECOT_FOLDER = Path("/etc/dovecot")
POSTFIX_FOLDER = Path("/etc/postfix")
EXIM_FOLDER = Path("/etc/exim4")


def for_dovecot(
    version: DovecotVersion,
    *,
    sockets: Path,
    folder: Path,
    ring: KeyRing,
    certificate: tuple[Path, Path] | None = None,
    webmail: Sequence[str] = (),
) -> list[ConfigurationFile]:
    """Return the files for Dovecot, to be stored in ``folder``; ``sockets`` is the folder of the daemon's sockets.

    ``certificate`` is the files of the certificate chain and its key; ``webmail`` the IP addresses of webmail servers.
    """
    values = {
        "characters": NAME_CHARACTERS,
        "webmail": f"{'' if webmail else '#   '}login_trusted_networks = {' '.join(webmail) or '192.0.2.7'}",
        "tls": _tls(version, certificate),
        "mailboxes": str(MAILBOXES_FOLDER),
        "relay_port": str(RELAY_PORT),
    }
    is_2_3 = version is DovecotVersion.V2_3
    asking = folder / ("watchword-dict.conf.ext" if is_2_3 else "watchword.lua")
    if is_2_3:
        key_id, key = sealing_key(ring)
        values |= {"dict": str(asking), "socket": str(sockets / DICT_SOCKET)}
        values |= {"id": key_id, "algorithm": ALGORITHM, "key": key.hex()}
    else:
        values |= {"script": str(asking), "auth": str(sockets / AUTH_SOCKET), "dict": str(sockets / DICT_SOCKET)}
    templates = (
        (DOVECOT_2_3, DICT, MAILBOXES_2_3, SIEVE_2_3) if is_2_3 else (DOVECOT_2_4, LUA, MAILBOXES_2_4, SIEVE_2_4)
    )
    main, asks, mailboxes, sieve = templates
    return [
        ConfigurationFile(folder / MAIN_FILE, _fill(main, values)),
        ConfigurationFile(asking, _fill(asks, values), is_secret=is_2_3),
        ConfigurationFile(folder / MAILBOXES_FILE, _fill(mailboxes, values)),
        ConfigurationFile(folder / "watchword-submission.conf.ext", _fill(SUBMISSION, values)),
        ConfigurationFile(folder / "watchword-sieve.conf.ext", _fill(sieve, values)),
    ]


def for_tokens(
    version: DovecotVersion, *, folder: Path, address: str, client_id: str, secret: str
) -> list[ConfigurationFile]:
    """Return the files by which Dovecot takes tokens of OAuth, to be stored in ``folder``.

    ``address`` is that of the introspection endpoint (RFC 7662); ``client_id`` and ``secret`` are those of Dovecot.
    """
    parts = urlsplit(address)
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    tokens = folder / "watchword-oauth2-tokens.conf.ext"
    values = {
        "tokens": str(tokens),
        "introspection_url": urlunsplit(parts._replace(netloc=f"{pair}@{parts.netloc}")),
    }
    is_2_3 = version is DovecotVersion.V2_3
    main, asks = (OAUTH2_2_3, OAUTH2_TOKENS_2_3) if is_2_3 else (OAUTH2_2_4, OAUTH2_TOKENS_2_4)
    return [
        ConfigurationFile(folder / "watchword-oauth2.conf.ext", _fill(main, values)),
        ConfigurationFile(tokens, _fill(asks, values), is_secret=True),
    ]


def _tls(version: DovecotVersion, certificate: tuple[Path, Path] | None) -> str:
    """Return the lines that name the certificate and its key; as an example if there are none."""
    chain, key = certificate or (EXAMPLE_CERTIFICATE / "fullchain.pem", EXAMPLE_CERTIFICATE / "privkey.pem")
    mark = "" if certificate is not None else "# Yours, for example:  "
    if version is DovecotVersion.V2_3:
        return f"{mark}ssl_cert = <{chain}\n{mark}ssl_key = <{key}"
    return f"{mark}ssl_server_cert_file = {chain}\n{mark}ssl_server_key_file = {key}"


def for_postfix(*, sockets: Path, folder: Path, loopback: tuple[str, int] | None = None) -> list[ConfigurationFile]:
    """Return the file for Postfix; it uses TCP if the daemon listens there, because a chroot does not hide TCP."""
    if loopback is not None:
        host, port = _bracketed(loopback[0]), loopback[1]
        auth, senders, policy = (f"inet:{host}:{port + offset}" for offset in range(3))
    else:
        auth = str(sockets / AUTH_SOCKET)
        senders, policy = f"unix:{sockets / SOCKETMAP_SOCKET}", f"unix:{sockets / POLICY_SOCKET}"
    values = {"auth": auth, "senders": senders, "policy": policy, "map": MAP, "ascii_map": ASCII_MAP}
    return [ConfigurationFile(folder / "watchword-main.cf", _fill(POSTFIX, values))]


def for_exim(*, sockets: Path, folder: Path) -> list[ConfigurationFile]:
    """Return the authenticators and ACLs for Exim, which connects to the daemon only through Unix sockets."""
    authenticators, acl = folder / "watchword-auth.conf", folder / "watchword-acl.conf"
    asked = {"socketmap": str(sockets / SOCKETMAP_SOCKET), "policy": str(sockets / POLICY_SOCKET), "map": MAP}
    return [
        ConfigurationFile(
            authenticators, _fill(EXIM, {"auth": str(sockets / AUTH_SOCKET), "file": str(authenticators)})
        ),
        ConfigurationFile(acl, _fill(EXIM_ACL, {**asked, "file": str(acl)})),
    ]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _fill(template: str, values: dict[str, str]) -> str:
    # Not format(), because the syntax of both Dovecot and Lua is full of braces.
    for name, value in values.items():
        template = template.replace(f"@{name.upper()}@", value)
    return template
