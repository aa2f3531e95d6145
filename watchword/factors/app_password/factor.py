"""Makes and verifies app passwords; section 3 of DESIGN specifies them exactly."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import datetime

from watchword.core.codes import RandomSource, new_app_password, normal_app_password, same, shown_app_password
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

LONGEST_NAME = 50
LOOKUP_PURPOSE = "factors.app_password"


class AppPasswordFactor:
    """Twenty-four letters that a mail program presents instead of the account password."""

    kind = FactorKind.APP_PASSWORD

    def challenge(
        self,
        data: CredentialData,
        options: Mapping[str, str],
        setup_context: SetupContext,
        *,
        random_source: RandomSource,
        keyed: Keyed,
    ) -> Challenge | Rejected:
        """Return a rejection: a mail program can't be asked anything."""
        return Rejected(RejectReason.NOT_ALLOWED)

    def verify(
        self, data: CredentialData, stored: Mapping[str, str], answer: str, *, keyed: Keyed, now: datetime
    ) -> Verdict:
        """Compare an answer with the keyed hash of one stored app password."""
        letters = normal_app_password(answer)
        if letters is None:
            return Rejected(RejectReason.NOT_SHAPED)
        if data.lookup is None or not same(data.lookup, keyed(LOOKUP_PURPOSE, letters.encode("ascii"))):
            return Rejected(RejectReason.WRONG)
        return Accepted()

    def start_setup(
        self, options: Mapping[str, str], setup_context: SetupContext, *, random_source: RandomSource, keyed: Keyed
    ) -> Challenge | Rejected:
        """Make one under a name that the person chose; only the returned ``show`` contains it."""
        name = normal_name(options.get("name", ""))
        if isinstance(name, Rejected):
            return name
        letters = new_app_password(random_source)
        return Challenge(
            show={"secret": shown_app_password(letters), "name": name},
            keep={"name": name, "lookup": keyed(LOOKUP_PURPOSE, letters.encode("ascii")).hex()},
        )

    def finish_setup(
        self, stored: Mapping[str, str], answer: str, *, random_source: RandomSource, keyed: Keyed, now: datetime
    ) -> CredentialData | Rejected:
        """Return the credential to store: the name and the keyed hash."""
        return CredentialData(FactorKind.APP_PASSWORD, label=stored["name"], lookup=bytes.fromhex(stored["lookup"]))


def normal_name(typed: str) -> str | Rejected:
    """Return the name of an app password with single blanks, or the reason why it is not a valid name."""
    name = unicodedata.normalize("NFC", " ".join(typed.split()))
    if not name:
        return Rejected(RejectReason.NAME_MISSING)
    if len(name) > LONGEST_NAME:
        return Rejected(RejectReason.NAME_TOO_LONG)
    if not name.isprintable():
        return Rejected(RejectReason.NAME_NOT_PRINTABLE)
    return name
