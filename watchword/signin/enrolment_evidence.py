"""What the registration of a phone rests on, and which phones count as a second factor."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime

from watchword.core.factors import CredentialData, Rejected
from watchword.core.policy import FactorKind, MfaState
from watchword.directory.models import User
from watchword.factors import vault
from watchword.factors.phone.factor import read_number
from watchword.factors.vault import StoredCredential
from watchword.signin.facts import proven_phones, read_evidence, usable_phones
from watchword.signin.otp.challenges import Holder

BY_PASS, BY_DIRECTORY, BY_NOTHING = "by_pass", "by_directory", "by_nothing"
"""The evidence behind a registration: a pass or a personal link, the phone in the directory, or the password alone."""


def vouching(subject: Holder, user: User, data: CredentialData) -> str:
    """Return the evidence behind the registration of this phone, besides the account password."""
    if any(proof.kind is FactorKind.ACCESS_PASS for proof in read_evidence(subject.evidence)):
        return BY_PASS
    known = read_number(user.directory_phone, user.organisation.region) if user.directory_phone else None
    if known is not None and not isinstance(known, Rejected) and json.loads(data.secret)["number"] == known.e164:
        return BY_DIRECTORY
    return BY_NOTHING


def marked(user: User, data: CredentialData) -> CredentialData:
    """Return a new phone as it is to be stored: marked as resting on the password alone if the person is Disabled.

    Even if a code was typed earlier in the session: that code went to a phone of the same kind.
    """
    if user.effective_state is not MfaState.DISABLED:
        return data
    return dataclasses.replace(data, public={**data.public, "unproven": "yes"})


def remember_second_factor(user: User, *, now: datetime) -> None:
    """Record that this person had, or was offered, a second factor: a password alone can't register another.

    The caller holds the lock on the person's row.
    """
    if user.had_second_factor_at is None:
        user.had_second_factor_at = now
        user.save(update_fields=["had_second_factor_at"])


def drop_unproven(user: User, *, now: datetime) -> None:
    """Remove the phones that were added while a password was enough, after a phone was properly registered."""
    phones = vault.holdings(user, kinds=[FactorKind.PHONE])
    proven = {stored.id for stored in proven_phones(phones)}
    for stored in phones:
        if stored.id not in proven:
            vault.revoke(user, stored.id, because="unproven", now=now)


def is_last_method(user: User, stored: StoredCredential) -> bool:
    """Return whether removing this would leave a person who needs a second factor without a usable one."""
    if stored.data.kind is not FactorKind.PHONE or user.effective_state is MfaState.DISABLED:
        return False
    phones = vault.holdings(user, kinds=[FactorKind.PHONE])
    return stored.id in {phone.id for phone in proven_phones(phones)} and all(
        other.id == stored.id for other in usable_phones(user, phones)
    )


def number_to_confirm(user: User) -> str:
    """Return the number of a phone that was added while a password was enough, to fill in the form; empty for none."""
    phones = vault.holdings(user, kinds=[FactorKind.PHONE])
    proven = {stored.id for stored in proven_phones(phones)}
    numbers = [json.loads(stored.data.secret)["number"] for stored in phones if stored.id not in proven]
    return str(numbers[0]) if numbers else ""
