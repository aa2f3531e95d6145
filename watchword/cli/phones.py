"""`watchword phones check|seal`: validates the phones file, and seals a secret for it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from watchword.config.environment import read_setting
from watchword.config.parsers import InvalidSetting
from watchword.config.phones_file import phones_of, seal
from watchword.config.setting_definitions import KEYS, PHONES_FILE, PUBLIC_URL
from watchword.core.keyring import KeyRing
from watchword.messaging.config_file import ConfiguredGateway
from watchword.messaging.gateways.sip.config import SipConfig


def phones(arguments: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run the command; return 0 if all is valid, 1 if something is wrong, 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        prog="watchword phones",
        description="The phones file says which gateways bring texts and calls to phones (WATCHWORD_PHONES_FILE).",
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
        ring = read_setting(variables, KEYS)
        path = str(config.file or read_setting(variables, PHONES_FILE))
    except InvalidSetting as error:
        print(f"watchword phones: {error}", file=sys.stderr)
        return 1
    if ring is None:
        print("watchword phones: there is no key ring yet; the first start of the demo makes it.", file=sys.stderr)
        return 1
    if config.act == "seal":
        return _seal(ring)
    if not path:
        print("watchword phones: name the file with --file, or set WATCHWORD_PHONES_FILE.", file=sys.stderr)
        return 1
    return _check(path, ring, _public_url(variables))


def _public_url(variables: Mapping[str, str]) -> str:
    """Return the public URL that providers call; empty if it is not set, because the file can be checked without it."""
    try:
        return read_setting(variables, PUBLIC_URL)
    except InvalidSetting:
        return ""


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
        channels = " and ".join(sorted(channel.messages for channel in route.channels))
        to = ", ".join(route.prefixes) or "all numbers"
        most = f", at most {route.each_day} a day" if route.each_day is not None else ""
        print(f"{route.name}: {channels} by {planned.kind} to {to}, weight {route.weight}{most}")
        for note in _notes(planned, ring, public_url):
            print(f"  - {note}")
    return 0


def _notes(planned: ConfiguredGateway, ring: KeyRing, public_url: str) -> list[str]:
    """Return notes on a valid gateway for the operator: what it lacks, or what the provider must be told."""
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
            # Anyone who knows this URL can report texts as delivered: it is as secret as the account at the provider.
            address = public_url + gateway_path(planned.route.name, ring)
            return [f"tell the provider where its receipts go, and nobody else: {address}"]
        case _:
            return []
