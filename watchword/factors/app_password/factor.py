"""Makes app passwords and recognises them; DESIGN section 3 describes them exactly."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import datetime

from watchword.core.codes import Chance, new_app_password, normal_app_password, same, shown_app_password
from watchword.core.factors import Accepted, Challenge, Held, Keyed, Reason, Rejected, Surroundings, Verdict
from watchword.core.policy import FactorKind

LONGEST_NAME = 50
LOOKUP_PURPOSE = "factors.app_password"


class AppPasswordFactor:
    """Twenty-four letters that a mail program shows instead of the account password."""

    kind = FactorKind.APP_PASSWORD

    def challenge(
        self, held: Held, wish: Mapping[str, str], surroundings: Surroundings, *, chance: Chance, keyed: Keyed
    ) -> Challenge | Rejected:
        """A program cannot be asked anything."""
        return Rejected(Reason.NOT_ALLOWED)

    def verify(self, held: Held, kept: Mapping[str, str], answer: str, *, keyed: Keyed, now: datetime) -> Verdict:
        """Compare an answer with the keyed hash of one held app password."""
        letters = normal_app_password(answer)
        if letters is None:
            return Rejected(Reason.NOT_SHAPED)
        if held.lookup is None or not same(held.lookup, keyed(LOOKUP_PURPOSE, letters.encode("ascii"))):
            return Rejected(Reason.WRONG)
        return Accepted()

    def start_setup(
        self, wish: Mapping[str, str], surroundings: Surroundings, *, chance: Chance, keyed: Keyed
    ) -> Challenge | Rejected:
        """Make one under a name of the person's choice; ``show`` holds it, this once."""
        name = normal_name(wish.get("name", ""))
        if isinstance(name, Rejected):
            return name
        letters = new_app_password(chance)
        return Challenge(
            show={"secret": shown_app_password(letters), "name": name},
            keep={"name": name, "lookup": keyed(LOOKUP_PURPOSE, letters.encode("ascii")).hex()},
        )

    def finish_setup(
        self, kept: Mapping[str, str], answer: str, *, chance: Chance, keyed: Keyed, now: datetime
    ) -> Held | Rejected:
        """Return what is to be held: the name and the keyed hash."""
        return Held(FactorKind.APP_PASSWORD, label=kept["name"], lookup=bytes.fromhex(kept["lookup"]))


def normal_name(typed: str) -> str | Rejected:
    """Return the name of an app password with single blanks, or why it cannot be one."""
    name = unicodedata.normalize("NFC", " ".join(typed.split()))
    if not name:
        return Rejected(Reason.NAME_MISSING)
    if len(name) > LONGEST_NAME:
        return Rejected(Reason.NAME_TOO_LONG)
    if not name.isprintable():
        return Rejected(Reason.NAME_NOT_PRINTABLE)
    return name
