"""Makes and verifies Temporary Access Passes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from watchword.core.codes import (
    ACCESS_PASS_LETTERS,
    LINK_CODE_LETTERS,
    RandomSource,
    new_access_pass,
    normal_access_pass,
    same,
    shown_access_pass,
)
from watchword.core.factors import (
    Accepted,
    Challenge,
    CredentialData,
    Keyed,
    Rejected,
    RejectReason,
    SetupContext,
    Verdict,
)
from watchword.core.policy import FactorKind

LOOKUP_PURPOSE = "factors.access_pass"
SLOT = "pass"
"""A person has one at a time: a new one replaces the old one."""
SHORTEST, LONGEST, USUAL = timedelta(minutes=10), timedelta(days=30), timedelta(hours=1)


class AccessPassFactor:
    """Twelve characters that replace a phone for a limited time, until a phone is registered.

    Only a keyed hash is stored: 58.9 bits with a few tries, or 157 bits for a pass in a link.
    """

    kind = FactorKind.ACCESS_PASS

    def challenge(
        self,
        data: CredentialData,
        options: Mapping[str, str],
        setup_context: SetupContext,
        *,
        random_source: RandomSource,
        keyed: Keyed,
    ) -> Challenge | Rejected:
        """Return an empty challenge: nothing has to be prepared."""
        return Challenge()

    def verify(
        self, data: CredentialData, stored: Mapping[str, str], answer: str, *, keyed: Keyed, now: datetime
    ) -> Verdict:
        """Compare an answer with the keyed hash of the stored pass."""
        signs = normal_access_pass(answer)
        if signs is None:
            return Rejected(RejectReason.NOT_SHAPED)
        if data.lookup is None or not same(data.lookup, keyed(LOOKUP_PURPOSE, signs.encode("ascii"))):
            return Rejected(RejectReason.WRONG)
        return Accepted() if is_open(data, now) else Rejected(RejectReason.EXPIRED)

    def start_setup(
        self, options: Mapping[str, str], setup_context: SetupContext, *, random_source: RandomSource, keyed: Keyed
    ) -> Challenge | Rejected:
        """Make one: ``expires`` (ISO 8601), ``once``, ``link`` if it isn't typed; only ``show`` has the pass itself."""
        if not options.get("expires"):
            return Rejected(RejectReason.NOT_ALLOWED)
        is_link = bool(options.get("link"))
        signs = new_access_pass(random_source, LINK_CODE_LETTERS if is_link else ACCESS_PASS_LETTERS)
        return Challenge(
            show={"secret": signs if is_link else shown_access_pass(signs)},
            keep={
                "expires": options["expires"],
                "once": options.get("once", ""),
                "link": options.get("link", ""),
                "lookup": keyed(LOOKUP_PURPOSE, signs.encode("ascii")).hex(),
            },
        )

    def finish_setup(
        self, stored: Mapping[str, str], answer: str, *, random_source: RandomSource, keyed: Keyed, now: datetime
    ) -> CredentialData | Rejected:
        """Return the credential to store: expiry, single use or not, and the keyed hash."""
        public = {"expires": stored["expires"], "once": stored["once"], "link": stored["link"]}
        return CredentialData(FactorKind.ACCESS_PASS, slot=SLOT, public=public, lookup=bytes.fromhex(stored["lookup"]))


def expires_at(data: CredentialData) -> datetime:
    """Return when a pass expires."""
    return datetime.fromisoformat(data.public["expires"])


def is_open(data: CredentialData, now: datetime) -> bool:
    """Return whether a pass has not expired."""
    return now < expires_at(data)
