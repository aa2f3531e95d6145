"""Makes Temporary Access Passes and recognises them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from watchword.core.codes import (
    ACCESS_LINK_LETTERS,
    ACCESS_PASS_LETTERS,
    Chance,
    new_access_pass,
    normal_access_pass,
    same,
    shown_access_pass,
)
from watchword.core.factors import Accepted, Challenge, Held, Keyed, Reason, Rejected, Surroundings, Verdict
from watchword.core.policy import FactorKind

LOOKUP_PURPOSE = "factors.access_pass"
SLOT = "pass"
"""A person has one at a time: a new one replaces the old one."""
SHORTEST, LONGEST, USUAL = timedelta(minutes=10), timedelta(days=30), timedelta(hours=1)


class AccessPassFactor:
    """Twelve signs for a limited time that stand in for a phone, until a phone is registered.

    What is kept is a keyed hash: 58.9 bits with a few tries, or 157 bits where it travels in a link.
    """

    kind = FactorKind.ACCESS_PASS

    def challenge(
        self, held: Held, wish: Mapping[str, str], surroundings: Surroundings, *, chance: Chance, keyed: Keyed
    ) -> Challenge | Rejected:
        """Nothing has to be prepared."""
        return Challenge()

    def verify(self, held: Held, kept: Mapping[str, str], answer: str, *, keyed: Keyed, now: datetime) -> Verdict:
        """Compare an answer with the keyed hash of the pass that is held."""
        signs = normal_access_pass(answer)
        if signs is None:
            return Rejected(Reason.NOT_SHAPED)
        if held.lookup is None or not same(held.lookup, keyed(LOOKUP_PURPOSE, signs.encode("ascii"))):
            return Rejected(Reason.WRONG)
        return Accepted() if is_open(held, now) else Rejected(Reason.EXPIRED)

    def start_setup(
        self, wish: Mapping[str, str], surroundings: Surroundings, *, chance: Chance, keyed: Keyed
    ) -> Challenge | Rejected:
        """Make one: ``expires`` (ISO 8601), ``once``, ``link`` if nobody types it; ``show`` holds it, this once."""
        if not wish.get("expires"):
            return Rejected(Reason.NOT_ALLOWED)
        is_link = bool(wish.get("link"))
        signs = new_access_pass(chance, ACCESS_LINK_LETTERS if is_link else ACCESS_PASS_LETTERS)
        return Challenge(
            show={"secret": signs if is_link else shown_access_pass(signs)},
            keep={
                "expires": wish["expires"],
                "once": wish.get("once", ""),
                "link": wish.get("link", ""),
                "lookup": keyed(LOOKUP_PURPOSE, signs.encode("ascii")).hex(),
            },
        )

    def finish_setup(
        self, kept: Mapping[str, str], answer: str, *, chance: Chance, keyed: Keyed, now: datetime
    ) -> Held | Rejected:
        """Return what is to be held: until when, how often, and the keyed hash."""
        public = {"expires": kept["expires"], "once": kept["once"], "link": kept["link"]}
        return Held(FactorKind.ACCESS_PASS, slot=SLOT, public=public, lookup=bytes.fromhex(kept["lookup"]))


def expires_at(held: Held) -> datetime:
    """Return when a pass stops working."""
    return datetime.fromisoformat(held.public["expires"])


def is_open(held: Held, now: datetime) -> bool:
    """Whether the time of a pass is not over."""
    return now < expires_at(held)
