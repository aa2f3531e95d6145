"""Registers telephones and checks the codes that were sent to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from phonenumbers import PhoneNumberType

from watchword.core.codes import Chance, new_code, normal_code, same
from watchword.core.factors import Accepted, Challenge, Held, Keyed, Message, Reason, Rejected, Surroundings, Verdict
from watchword.core.phone_numbers import NumberProblem, Unreadable, parse_typed
from watchword.core.policy import FactorKind, Way

LONGEST_EXTENSION, MOST_DIGITS = 10, 6
"""Signs of an extension, and digits among them."""


class Slot(StrEnum):
    """Which of a person's telephones; one of each."""

    MOBILE = "mobile"
    ALTERNATE = "alternate"
    OFFICE = "office"


_NEVER = frozenset(
    {
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.PAGER,
        PhoneNumberType.UAN,
        PhoneNumberType.VOICEMAIL,
        PhoneNumberType.UNKNOWN,
    }
)
_PROBLEMS = {
    NumberProblem.NOT_A_NUMBER: Reason.NOT_A_NUMBER,
    NumberProblem.AMBIGUOUS: Reason.AMBIGUOUS_NUMBER,
}
_NO_TEXT = frozenset({PhoneNumberType.FIXED_LINE, PhoneNumberType.TOLL_FREE})


@dataclass(frozen=True, slots=True)
class Number:
    """A telephone number in its one form (E.164, ITU-T) and the country it belongs to."""

    e164: str
    country: str
    takes_texts: bool
    is_voip: bool = False
    """Whether it lies in a range for Internet telephony: an account stands behind it, no SIM card and no line."""
    lacks_9: bool = False
    """Whether it is a fixed line in Argentina that with a 9 after +54 would be a mobile."""

    def __repr__(self) -> str:
        return f"Number(ending {self.e164[-2:]})"


def read_number(typed: str, region: str) -> Number | Rejected:
    """Return the number that somebody typed; ``region`` (ISO 3166-1) is meant where no country code stands."""
    number = parse_typed(typed, region)
    if isinstance(number, Unreadable):
        return Rejected(_PROBLEMS[number.problem])
    if number.number_type in _NEVER:
        return Rejected(Reason.NUMBER_NOT_ALLOWED)
    takes_texts = number.number_type not in _NO_TEXT
    return Number(
        number.e164,
        number.region,
        takes_texts,
        is_voip=number.number_type == PhoneNumberType.VOIP,
        lacks_9=number.is_argentine_mobile_without_9,
    )


class PhoneFactor:
    """A telephone that gets six digits and whose owner types them."""

    kind = FactorKind.PHONE

    def challenge(
        self, held: Held, wish: Mapping[str, str], surroundings: Surroundings, *, chance: Chance, keyed: Keyed
    ) -> Challenge | Rejected:
        """Make a code for a held telephone; ``wish`` may name another way than the preferred one."""
        asked = wish.get("way") or held.public.get("way", Way.TEXT)
        if asked not in ways_of(held, surroundings):
            return Rejected(Reason.WAY_NOT_ALLOWED)
        line = json.loads(held.secret)
        return _send(Way(asked), line["number"], line["extension"], {}, chance=chance, keyed=keyed)

    def verify(self, held: Held, kept: Mapping[str, str], answer: str, *, keyed: Keyed, now: datetime) -> Verdict:
        """Compare a typed code with the keyed hash of the one that was sent."""
        code = normal_code(answer)
        if code is None:
            return Rejected(Reason.NOT_SHAPED)
        if not same(bytes.fromhex(kept["mac"]), _mac(kept["salt"], code, keyed)):
            return Rejected(Reason.WRONG)
        return Accepted(way=Way(kept["way"]))

    def start_setup(
        self, wish: Mapping[str, str], surroundings: Surroundings, *, chance: Chance, keyed: Keyed
    ) -> Challenge | Rejected:
        """Send a code to a number that somebody wants to register: ``slot``, ``number``, ``extension``, ``way``."""
        slot = Slot(wish.get("slot") or Slot.MOBILE)
        number = read_number(wish.get("number", ""), wish.get("country") or surroundings.region)
        if isinstance(number, Rejected):
            return number
        if number.is_voip and not surroundings.policy.voip_allowed:
            return Rejected(Reason.VOIP_NOT_ALLOWED)
        extension = wish.get("extension", "").strip()
        if extension and (slot is not Slot.OFFICE or not _is_extension(extension)):
            return Rejected(Reason.EXTENSION)
        way = Way(wish.get("way") or Way.TEXT)
        if way not in surroundings.policy.ways or (slot is Slot.OFFICE and way is Way.TEXT):
            return Rejected(Reason.WAY_NOT_ALLOWED)
        if way is Way.TEXT and not number.takes_texts:
            return Rejected(Reason.MOBILE_WITHOUT_9 if number.lacks_9 else Reason.NO_TEXT_TO_THIS_NUMBER)
        public = {
            "slot": slot.value,
            "number": number.e164,
            "extension": extension,
            "country": number.country,
            "texts": "yes" if number.takes_texts and slot is not Slot.OFFICE else "",
        }
        return _send(way, number.e164, extension, public, chance=chance, keyed=keyed)

    def finish_setup(
        self, kept: Mapping[str, str], answer: str, *, chance: Chance, keyed: Keyed, now: datetime
    ) -> Held | Rejected:
        """Return the telephone to be held, once its code was typed."""
        verdict = self.verify(Held(FactorKind.PHONE), kept, answer, keyed=keyed, now=now)
        if isinstance(verdict, Rejected):
            return verdict
        return Held(
            FactorKind.PHONE,
            slot=kept["slot"],
            public={
                "way": kept["way"],
                "ends": kept["number"][-2:],
                "country": kept["country"],
                "extension": "yes" if kept["extension"] else "",
                "texts": kept["texts"],
            },
            secret=json.dumps({"number": kept["number"], "extension": kept["extension"]}).encode(),
        )


def ways_of(held: Held, surroundings: Surroundings) -> list[Way]:
    """Return the ways by which a held telephone can get a code today, the preferred one first."""
    ways = [way for way in Way if way in surroundings.policy.ways and (way is Way.CALL or held.public.get("texts"))]
    return sorted(ways, key=lambda way: way != held.public.get("way"))


def _send(way: Way, number: str, extension: str, keep: Mapping[str, str], *, chance: Chance, keyed: Keyed) -> Challenge:
    code = new_code(chance)
    salt = chance.octets(16).hex()
    return Challenge(
        show={"ends": number[-2:], "way": way.value},
        keep={**keep, "way": way.value, "salt": salt, "mac": _mac(salt, code, keyed).hex()},
        send=Message(way, number, extension, code),
    )


def _mac(salt: str, code: str, keyed: Keyed) -> bytes:
    return keyed("factors.phone.code", f"{salt}:{code}".encode())


def _is_extension(text: str) -> bool:
    """Whether a telephone system can be dialled on so: digits, and commas for pauses.

    Somebody could name a system that lets callers dial out (DISA), and have calls made at the owner's cost that no rule
    of ours sees. That needs a star or a hash sign, or the digits of a whole number.
    """
    digits = text.replace(",", "")
    return len(text) <= LONGEST_EXTENSION and digits.isascii() and digits.isdigit() and len(digits) <= MOST_DIGITS
