"""From evidence (what was proven, and when) to assurance, and its terms in RFC 8176."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from watchword.core.policy import SECOND_FACTORS, Channel, FactorKind


@dataclass(frozen=True, slots=True)
class Evidence:
    """One accepted proof; ``channel`` is how its code was sent, if it was a code."""

    kind: FactorKind
    at: datetime
    channel: Channel | None = None


class Assurance(StrEnum):
    """The assurance that evidence gives: how many factors it proves."""

    NONE = "none"
    ONE = "one"
    TWO = "two"


def assurance(evidence: Iterable[Evidence]) -> Assurance:
    """Return the assurance that the evidence gives; an app password never gives more than one factor."""
    kinds = {proof.kind for proof in evidence}
    if FactorKind.PASSWORD in kinds and kinds & SECOND_FACTORS:
        return Assurance.TWO
    return Assurance.ONE if kinds else Assurance.NONE


def amr(evidence: Iterable[Evidence]) -> list[str]:
    """Return the authentication method references of RFC 8176 section 2, sorted."""
    proofs = list(evidence)
    words: set[str] = set()
    for proof in proofs:
        match proof.kind:
            case FactorKind.PASSWORD | FactorKind.APP_PASSWORD:
                words.add("pwd")
            case FactorKind.PHONE:
                words.add("tel" if proof.channel is Channel.VOICE else "sms")
            case FactorKind.ACCESS_PASS:
                words.add("otp")
    if assurance(proofs) is Assurance.TWO:
        words.add("mfa")
    return sorted(words)


def acr(evidence: Iterable[Evidence]) -> str:
    """Return the authentication context class: the number of factors of a sign-in."""
    return {
        Assurance.NONE: "urn:watchword:acr:none",
        Assurance.ONE: "urn:watchword:acr:one",
        Assurance.TWO: "urn:watchword:acr:two",
    }[assurance(evidence)]


TOLERATED_SKEW = timedelta(minutes=2)
"""How far apart the clocks of two nodes may be: one wrote the time of a proof, and the other asks how old it is."""


def is_recent(evidence: Iterable[Evidence], needed: Assurance, now: datetime, within: timedelta) -> bool:
    """Return whether the proofs of the last ``within`` reach the needed assurance without any older ones."""
    fresh = [proof for proof in evidence if -TOLERATED_SKEW <= now - proof.at <= within]
    order = list(Assurance)
    return order.index(assurance(fresh)) >= order.index(needed)
