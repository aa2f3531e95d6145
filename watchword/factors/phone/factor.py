"""Registers phones and checks the codes that were sent to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from watchword.core.codes import RandomSource, new_code, normal_code, same
from watchword.core.factors import (
    Accepted,
    Challenge,
    CredentialData,
    Keyed,
    Message,
    Rejected,
    RejectReason,
    SetupContext,
    Verdict,
)
from watchword.core.phone_numbers import NumberKind, NumberProblem, Unreadable, parse_typed
from watchword.core.policy import Channel, FactorKind

LONGEST_EXTENSION, MOST_DIGITS = 10, 6
"""The longest extension in characters, and the most digits in it."""


class Slot(StrEnum):
    """The kind of a person's phone; a person has at most one of each."""

    MOBILE = "mobile"
    ALTERNATE = "alternate"
    OFFICE = "office"


_NEVER = frozenset({NumberKind.PREMIUM, NumberKind.SHARED_COST, NumberKind.SERVICE, NumberKind.UNKNOWN})
"""Kinds refused when typed. The rate limits know more about the others, and record for the administrator what they
refuse."""
_PROBLEMS = {
    NumberProblem.NOT_A_NUMBER: RejectReason.NOT_A_NUMBER,
    NumberProblem.AMBIGUOUS: RejectReason.AMBIGUOUS_NUMBER,
}


@dataclass(frozen=True, slots=True)
class Number:
    """A phone number in normal form (E.164, ITU-T) and its country."""

    e164: str
    country: str
    takes_texts: bool
    is_voip: bool = False
    """Whether it is in a range for Internet telephony: behind it is an account, neither a SIM card nor a fixed line."""
    lacks_9: bool = False
    """Whether it is an Argentine fixed line that would be a mobile number with a 9 after +54."""

    def __repr__(self) -> str:
        return f"Number(ending {self.e164[-2:]})"


def read_number(typed: str, region: str) -> Number | Rejected:
    """Return the number that a person typed; ``region`` (ISO 3166-1) applies if it has no country code."""
    number = parse_typed(typed, region)
    if isinstance(number, Unreadable):
        return Rejected(_PROBLEMS[number.problem])
    if number.kind in _NEVER:
        return Rejected(RejectReason.NUMBER_NOT_ALLOWED)
    return Number(
        number.e164,
        number.region,
        number.takes_texts,
        is_voip=number.is_voip,
        lacks_9=number.is_argentine_mobile_without_9,
    )


class PhoneFactor:
    """A phone that gets six digits, which its owner types."""

    kind = FactorKind.PHONE

    def challenge(
        self,
        data: CredentialData,
        options: Mapping[str, str],
        setup_context: SetupContext,
        *,
        random_source: RandomSource,
        keyed: Keyed,
    ) -> Challenge | Rejected:
        """Make a code for a stored phone; ``options`` may name another channel than the preferred one."""
        asked = options.get("channel") or data.public.get("channel", Channel.SMS)
        if asked not in channels_of(data, setup_context):
            return Rejected(RejectReason.CHANNEL_NOT_ALLOWED)
        line = json.loads(data.secret)
        return _send(Channel(asked), line["number"], line["extension"], {}, random_source=random_source, keyed=keyed)

    def verify(
        self, data: CredentialData, stored: Mapping[str, str], answer: str, *, keyed: Keyed, now: datetime
    ) -> Verdict:
        """Compare a typed code with the keyed hash of the one that was sent."""
        code = normal_code(answer)
        if code is None:
            return Rejected(RejectReason.NOT_SHAPED)
        if not same(bytes.fromhex(stored["mac"]), _mac(stored["salt"], code, keyed)):
            return Rejected(RejectReason.WRONG)
        return Accepted(channel=Channel(stored["channel"]))

    def start_setup(
        self, options: Mapping[str, str], setup_context: SetupContext, *, random_source: RandomSource, keyed: Keyed
    ) -> Challenge | Rejected:
        """Make a code for a new number from ``slot``, ``number``, ``extension``, ``country`` and ``channel``."""
        slot = Slot(options.get("slot") or Slot.MOBILE)
        number = read_number(options.get("number", ""), options.get("country") or setup_context.region)
        if isinstance(number, Rejected):
            return number
        if number.is_voip and not setup_context.policy.voip_allowed:
            return Rejected(RejectReason.VOIP_NOT_ALLOWED)
        extension = options.get("extension", "").strip()
        if extension and (slot is not Slot.OFFICE or not _is_extension(extension)):
            return Rejected(RejectReason.EXTENSION)
        channel = Channel(options.get("channel") or Channel.SMS)
        if channel not in setup_context.policy.channels or (slot is Slot.OFFICE and channel is Channel.SMS):
            return Rejected(RejectReason.CHANNEL_NOT_ALLOWED)
        if channel is Channel.SMS and not number.takes_texts:
            return Rejected(RejectReason.MOBILE_WITHOUT_9 if number.lacks_9 else RejectReason.NO_TEXT_TO_THIS_NUMBER)
        public = {
            "slot": slot.value,
            "number": number.e164,
            "extension": extension,
            "country": number.country,
            "texts": "yes" if number.takes_texts and slot is not Slot.OFFICE else "",
        }
        return _send(channel, number.e164, extension, public, random_source=random_source, keyed=keyed)

    def finish_setup(
        self, stored: Mapping[str, str], answer: str, *, random_source: RandomSource, keyed: Keyed, now: datetime
    ) -> CredentialData | Rejected:
        """Return the phone to store, if its code was typed."""
        verdict = self.verify(CredentialData(FactorKind.PHONE), stored, answer, keyed=keyed, now=now)
        if isinstance(verdict, Rejected):
            return verdict
        return CredentialData(
            FactorKind.PHONE,
            slot=stored["slot"],
            public={
                "channel": stored["channel"],
                "ends": stored["number"][-2:],
                "country": stored["country"],
                "extension": "yes" if stored["extension"] else "",
                "texts": stored["texts"],
            },
            secret=json.dumps({"number": stored["number"], "extension": stored["extension"]}).encode(),
        )


def channels_of(data: CredentialData, setup_context: SetupContext) -> list[Channel]:
    """Return the channels by which a stored phone can get a code today, the preferred one first."""
    channels = [
        channel
        for channel in Channel
        if channel in setup_context.policy.channels and (channel is Channel.VOICE or data.public.get("texts"))
    ]
    return sorted(channels, key=lambda channel: channel != data.public.get("channel"))


def _send(
    channel: Channel, number: str, extension: str, keep: Mapping[str, str], *, random_source: RandomSource, keyed: Keyed
) -> Challenge:
    code = new_code(random_source)
    salt = random_source.octets(16).hex()
    return Challenge(
        show={"ends": number[-2:], "channel": channel.value},
        keep={**keep, "channel": channel.value, "salt": salt, "mac": _mac(salt, code, keyed).hex()},
        send=Message(channel, number, extension, code),
    )


def _mac(salt: str, code: str, keyed: Keyed) -> bytes:
    return keyed("factors.phone.code", f"{salt}:{code}".encode())


def _is_extension(text: str) -> bool:
    """Return whether a phone system can dial this extension: digits, and commas for pauses.

    Otherwise an attacker could name a system that lets callers dial out (DISA), and cause calls at the owner's cost
    that no rule of ours sees. That needs a star or a hash sign, or the digits of a whole number.
    """
    digits = text.replace(",", "")
    return len(text) <= LONGEST_EXTENSION and digits.isascii() and digits.isdigit() and len(digits) <= MOST_DIGITS
