"""The configuration with which mail servers use this door, as text to paste; the scenario tests use the same text."""

from __future__ import annotations

import string
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from watchword.core.keyring import KeyRing
from watchword.core.usernames import SIGNS
from watchword.doors.mail.config_templates import DICT, DOVECOT_2_3, DOVECOT_2_4, EXIM, EXIM_ACL, LUA, POSTFIX
from watchword.doors.mail.encryption import ALGORITHM, sealing_key
from watchword.doors.mail.server import AUTH_SOCKET, DICT_SOCKET, POLICY_SOCKET, SOCKETMAP_SOCKET
from watchword.doors.mail.socketmap import ASCII_MAP, MAP


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

DOVECOT_FOLDER = Path("/etc/dovecot")
POSTFIX_FOLDER = Path("/etc/postfix")
EXIM_FOLDER = Path("/etc/exim4")


def for_dovecot(version: DovecotVersion, *, sockets: Path, folder: Path, ring: KeyRing) -> list[ConfigurationFile]:
    """Return the files for Dovecot, to be stored in ``folder``; ``sockets`` is the folder of the daemon's sockets."""
    match version:
        case DovecotVersion.V2_3:
            dict_file = folder / "watchword-dict.conf.ext"
            key_id, key = sealing_key(ring)
            lookups = _fill(
                DICT, {"socket": str(sockets / DICT_SOCKET), "id": key_id, "algorithm": ALGORITHM, "key": key.hex()}
            )
            return [
                ConfigurationFile(
                    folder / "watchword.conf.ext",
                    _fill(DOVECOT_2_3, {"dict": str(dict_file), "characters": NAME_CHARACTERS}),
                ),
                ConfigurationFile(dict_file, lookups, is_secret=True),
            ]
        case DovecotVersion.V2_4:
            script = folder / "watchword.lua"
            places = {"auth": str(sockets / AUTH_SOCKET), "dict": str(sockets / DICT_SOCKET)}
            return [
                ConfigurationFile(
                    folder / "watchword.conf.ext",
                    _fill(DOVECOT_2_4, {"script": str(script), "characters": NAME_CHARACTERS}),
                ),
                ConfigurationFile(script, _fill(LUA, places)),
            ]


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
