"""What registering a phone rests on, and what of it counts as a second proof."""

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
"""What vouches for somebody who registers: a pass or a personal link, the directory's phone, or the password alone."""


def vouching(subject: Holder, user: User, held: CredentialData) -> str:
    """Return what vouches for somebody who registers this phone, besides the account password."""
    if any(proof.kind is FactorKind.ACCESS_PASS for proof in read_evidence(subject.evidence)):
        return BY_PASS
    known = read_number(user.directory_phone, user.organisation.region) if user.directory_phone else None
    if known is not None and not isinstance(known, Rejected) and json.loads(held.secret)["number"] == known.e164:
        return BY_DIRECTORY
    return BY_NOTHING


def marked(user: User, held: CredentialData) -> CredentialData:
    """Return a new phone as it is to be kept: one that somebody Disabled adds rests on the password alone.

    Even if their session saw another code before: that went to a phone of the same kind.
    """
    if user.judged_as is not MfaState.DISABLED:
        return held
    return dataclasses.replace(held, public={**held.public, "unproven": "yes"})


def remember_second_factor(user: User, *, now: datetime) -> None:
    """Remember that this person had a second proof, or was given a way to one: a password alone registers no other.

    The caller holds the lock on the person's row.
    """
    if user.had_second_factor_at is None:
        user.had_second_factor_at = now
        user.save(update_fields=["had_second_factor_at"])


def drop_unproven(user: User, *, now: datetime) -> None:
    """Remove the phones that were added while a password was enough, now that one was registered for good."""
    phones = vault.holdings(user, kinds=[FactorKind.PHONE])
    proven = {stored.id for stored in proven_phones(phones)}
    for stored in phones:
        if stored.id not in proven:
            vault.revoke(user, stored.id, because="unproven", now=now)


def is_last_method(user: User, stored: StoredCredential) -> bool:
    """Whether somebody who needs a second proof would be left without one that can be used today."""
    if stored.held.kind is not FactorKind.PHONE or user.judged_as is MfaState.DISABLED:
        return False
    phones = vault.holdings(user, kinds=[FactorKind.PHONE])
    return stored.id in {phone.id for phone in proven_phones(phones)} and all(
        other.id == stored.id for other in usable_phones(user, phones)
    )


def number_to_confirm(user: User) -> str:
    """Return the number of a phone that was added while a password was enough; empty for none. It fills in the form."""
    phones = vault.holdings(user, kinds=[FactorKind.PHONE])
    proven = {stored.id for stored in proven_phones(phones)}
    numbers = [json.loads(stored.held.secret)["number"] for stored in phones if stored.id not in proven]
    return str(numbers[0]) if numbers else ""
