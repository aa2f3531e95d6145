"""`watchword phones check|seal`: looks at the phones file, and seals a secret for it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from watchword.config import keyfile
from watchword.config.environment import key_file_path
from watchword.config.phones_file import phones_of, seal
from watchword.core.keyring import KeyRing, KeyRingError
from watchword.messaging.config_file import ConfiguredGateway
from watchword.messaging.gateways.sip.config import SipConfig


def phones(arguments: Sequence[str], variables: Mapping[str, str]) -> int:
    """Carries out the command; 0 if all is well, 1 if something is wrong, 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        prog="watchword phones",
        description="The phones file says which carriers bring texts and calls to phones (WATCHWORD_PHONES_FILE).",
    )
    parser.add_argument(
        "act",
        choices=["check", "seal"],
        help="check: say what the file means, or what is wrong with it; "
        "seal: read a secret from standard input and print it as it may stand in the file",
    )
    parser.add_argument("--file", type=Path, help="the phones file (WATCHWORD_PHONES_FILE)")
    config = parser.parse_args(arguments)
    try:
        ring = _ring(variables)
    except (keyfile.KeyFileError, KeyRingError) as error:
        print(f"watchword phones: {error}", file=sys.stderr)
        return 1
    if config.act == "seal":
        return _seal(ring)
    path = str(config.file or variables.get("WATCHWORD_PHONES_FILE", ""))
    if not path:
        print("watchword phones: name the file with --file, or set WATCHWORD_PHONES_FILE.", file=sys.stderr)
        return 1
    return _check(path, ring, variables.get("WATCHWORD_PUBLIC_URL", ""))


def _ring(variables: Mapping[str, str]) -> KeyRing:
    if text := variables.get("WATCHWORD_KEYS"):
        return KeyRing.parse(text, random_source=os.urandom)
    return keyfile.read(key_file_path(variables))


def _seal(ring: KeyRing) -> int:
    secret = sys.stdin.readline().rstrip("\n") if not sys.stdin.isatty() else _asked()
    if not secret:
        print("watchword phones: there was nothing to seal.", file=sys.stderr)
        return 1
    print(seal(secret, ring))
    return 0


def _asked() -> str:
    from getpass import getpass

    return getpass("Secret (it is not shown): ")


def _check(path: str, ring: KeyRing, public_url: str) -> int:
    read = phones_of(path, ring)
    if read.problems:
        print(f"{path}:", file=sys.stderr)
        for problem in read.problems:
            print(f"  - {problem}", file=sys.stderr)
        return 1
    for planned in read.gateways:
        route = planned.route
        channels = " and ".join(sorted(f"{channel}s" for channel in route.channels))
        to = ", ".join(route.prefixes) or "all numbers"
        most = f", at most {route.each_day} a day" if route.each_day is not None else ""
        print(f"{route.name}: {channels} by {planned.kind} to {to}, weight {route.weight}{most}")
        for note in _notes(planned, ring, public_url):
            print(f"  - {note}")
    return 0


def _notes(planned: ConfiguredGateway, ring: KeyRing, public_url: str) -> list[str]:
    """Return what an operator should know of a channel that works, or does not work everywhere."""
    from watchword.messaging.gateways.http.callback_urls import gateway_path
    from watchword.messaging.gateways.http.config import HttpConfig
    from watchword.messaging.gateways.smpp.config import SmppConfig
    from watchword.messaging.voice.prompts import problems_of

    match planned.config:
        case SipConfig() as config:
            return [*problems_of(config.recordings), *config.notes]
        case SmppConfig() as config:
            return config.notes
        case HttpConfig(receipts=receipts) if receipts is not None and receipts.reference:
            # Who knows it can say that texts arrived: as secret as the provider's own account.
            address = public_url.rstrip("/") + gateway_path(planned.route.name, ring)
            return [f"tell the provider where its receipts go, and nobody else: {address}"]
        case _:
            return []
