"""The kinds of gateways that a phones file may have, and the form of its secrets. Used before Django is ready."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from watchword.config.environment import SecretFileError, read_secret_file
from watchword.config.extras import why_not_installed
from watchword.core.keyring import KeyRing, KeyRingError
from watchword.core.policy import Channel
from watchword.messaging.config_file import GatewayKind, Phones, read_phones

SEALED = "sealed:"
IN_FILE = "file:"
_PURPOSE = "phones.secret"


def kinds() -> Mapping[str, GatewayKind]:
    """Return every kind of gateway that a phones file may have."""
    from watchword.messaging.gateways.http import presets
    from watchword.messaging.gateways.http.config import HttpConfig
    from watchword.messaging.gateways.sip.config import SipConfig
    from watchword.messaging.gateways.smpp.config import SmppConfig

    return {
        "smpp": GatewayKind(SmppConfig, lambda _config: frozenset({Channel.SMS})),
        "sip": GatewayKind(SipConfig, lambda _config: frozenset({Channel.VOICE})),
        **{
            name: GatewayKind(HttpConfig, lambda config: frozenset({config.channel}), presets.preset)
            for name in ("http", *presets.names())
        },
    }


def seal(secret: str, ring: KeyRing) -> str:
    """Return a secret, sealed, in the form for a phones file."""
    return SEALED + base64.urlsafe_b64encode(ring.seal(_PURPOSE, secret.encode())).decode()


def open_secret(text: str, ring: KeyRing) -> str:
    """Return the secret for a value of a phones file; raises ValueError in plain words, without the secret."""
    if text.startswith(SEALED):
        try:
            return ring.open(_PURPOSE, base64.urlsafe_b64decode(text.removeprefix(SEALED))).decode()
        except (binascii.Error, KeyRingError, ValueError):
            raise ValueError("was not sealed with this key ring; make it anew with `watchword phones seal`") from None
    if text.startswith(IN_FILE):
        try:
            return read_secret_file(Path(text.removeprefix(IN_FILE))).strip()
        except SecretFileError as error:
            raise ValueError(str(error)) from None
    raise ValueError('is a secret in clear; write "file:/path" or what `watchword phones seal` prints')


def phones_of(path: str, ring: KeyRing) -> Phones:
    """Return the content of a phones file, or the problems in it; empty if no file is configured."""
    if not path:
        return Phones()
    if reason := why_not_installed("phones"):
        return Phones(problems=(reason,))
    from watchword.messaging.gateways.sim_swap import SimSwapConfig

    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return Phones(problems=(f"can't be read: {type(error).__name__}",))
    read = read_phones(text, kinds(), lambda value: open_secret(value, ring), SimSwapConfig)
    return replace(read, gateways=(), problems=tuple(problems)) if (problems := _shared_ports(read)) else read


def _shared_ports(read: Phones) -> list[str]:
    """Return the problems of a file, with those of two gateways that use the same SIP port; RTP ports may be shared."""
    from watchword.messaging.gateways.sip.config import SipConfig

    problems, taken = list(read.problems), dict[int, tuple[str, str]]()
    for planned in read.gateways:
        if not isinstance(planned.config, SipConfig) or not planned.config.local_port:
            continue
        port, host, name = planned.config.local_port, planned.config.local_host, planned.route.name
        other, other_host = taken.setdefault(port, (name, host))
        if other != name and (host == other_host or not host or not other_host):
            problems.append(f"gateway {name!r}: local_port is {port}, which gateway {other!r} has")
    return problems
